"""The network at its next films while the results of the present ones are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import torch
from monai.utils import CommonKeys
from torch import nn


class NetworkAhead(nn.Module):
    """A network that has computed the next batch by the time its turn comes.

    An evaluator goes through a batch step by step: wait for the films, network, boxes, pictures, rows. Here a thread
    takes the network over batch n + 1 while the evaluator is at what comes after the network of batch n. What comes
    out, and in which order, is the same; one batch more is in memory. Give the evaluator this in the place of its
    network, and :meth:`over` of its loader in the place of the loader:

    .. code-block:: yaml

        network_ahead: {_target_: monai_tbkd.engines.NetworkAhead, network: '@network', device: '@device'}
        evaluator:
          val_data_loader: $@network_ahead.over(@dataloader)
          network: '@network_ahead'

    It is for inference: the network is put into evaluation mode and stays there, and no gradients are kept. On a GPU,
    which works beside the program anyway, and for input that is not the batch's film as it was loaded (the patches of a
    sliding window), the network is called as ever.

    Args:
        network: from films ``(B, C, H, W)`` to maps.
        device: where it computes.
        key: of the film in a batch.
    """

    def __init__(self, network: nn.Module, device: torch.device | str = "cpu", key: str = CommonKeys.IMAGE) -> None:
        super().__init__()
        self.network, self.key = network, key
        self.is_ahead = torch.device(device).type == "cpu"
        self._film: torch.Tensor | None = None
        self._map: Future[torch.Tensor] | None = None
        self.eval()

    def train(self, mode: bool = True) -> NetworkAhead:
        """Evaluation mode, whatever is asked for: a switch would come during the thread's work."""
        return super().train(False)

    def over(self, loader: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
        """The batches of a loader, each with its map under way.

        Args:
            loader: it has a length, as :class:`monai.data.DataLoader`.
        """
        return _BatchesAhead(self, loader)

    def forward(self, film: torch.Tensor) -> torch.Tensor:
        """As of the network; an error of the network comes out here, in its batch's turn."""
        if self._map is None or self._film is None or not _is_same(film, self._film):
            return cast(torch.Tensor, self.network(film))
        return self._map.result()

    def batches(self, loader: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        if not self.is_ahead:
            yield from loader
            return
        self.eval()
        batches = iter(loader)  # workers are forked before there is a thread
        # asking for the number of threads is what gives a thread the number that was set
        with ThreadPoolExecutor(1, thread_name_prefix="network", initializer=torch.get_num_threads) as thread:
            turn: tuple[Mapping[str, Any], Future[torch.Tensor]] | None = None
            fault: Exception | None = None
            try:
                while fault is None:
                    try:
                        batch = next(batches, None)
                    except Exception as error:  # the batch before is whole, and has its turn first
                        batch, fault = None, error
                    following = None if batch is None else (batch, thread.submit(self._compute, batch[self.key]))
                    if turn is not None:
                        yield self._in_turn(*turn)
                    if following is None:
                        break
                    turn = following
                if fault is not None:
                    raise fault
            finally:
                self._film = self._map = None
                thread.shutdown(cancel_futures=True)

    def _in_turn(self, batch: Mapping[str, Any], tb_map: Future[torch.Tensor]) -> Mapping[str, Any]:
        self._film, self._map = batch[self.key], tb_map
        return batch

    def _compute(self, film: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():  # which a thread does not have from the one that started it
            return cast(torch.Tensor, self.network(film))


class _BatchesAhead:
    """What an engine wants of a loader: an end, and a new beginning at each run."""

    def __init__(self, network: NetworkAhead, loader: Iterable[Mapping[str, Any]]) -> None:
        self.network, self.loader = network, loader

    def __len__(self) -> int:
        return len(cast(Sized, self.loader))

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return self.network.batches(self.loader)


def _is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    # not by identity: a MetaTensor that goes to the device where it is comes back as another object
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape
