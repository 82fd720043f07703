"""Prefetch the next batch's forward pass in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, cast

import torch
from monai.utils import CommonKeys
from torch import nn

_Batch = Mapping[str, Any]


class PrefetchingNetwork(nn.Module):
    """A network that computes the next batch in a thread while the results of the present one are written.

    Results and their order are the same; one batch more is in memory. Give the evaluator this in place of its network,
    and :meth:`over` of its loader in place of the loader, as inference.yaml does.

    It is for inference on a CPU: the network stays in eval mode, without gradients. On another device, and from the
    first call with other input than the batch's image on (patches of a sliding window), only the loading is prefetched.
    """

    def __init__(self, network: nn.Module, device: torch.device | str = "cpu", key: str = CommonKeys.IMAGE) -> None:
        super().__init__()
        self.network, self.key = network, key
        self.is_ahead = torch.device(device).type == "cpu"
        self._image: torch.Tensor | None = None
        self._map: torch.Tensor | None = None
        self._next: Future[tuple[_Batch, torch.Tensor | None] | None] | None = None
        self.eval()

    def train(self, mode: bool = True) -> PrefetchingNetwork:
        """Stay in eval mode: a switch would come during the thread's work."""
        return super().train(False)

    def over(self, loader: Iterable[_Batch]) -> Iterable[_Batch]:
        """The batches of a loader with a length, each with its map under way."""
        return _BatchesAhead(self, loader)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """As of the network."""
        if self._map is not None and self._image is not None and _is_same(image, self._image):
            return self._map
        if self._next is not None and self.is_ahead:
            self.is_ahead = False
            wait([self._next])  # a runtime's network may not be called by two threads
        return cast(torch.Tensor, self.network(image))

    def batches(self, loader: Iterable[_Batch]) -> Iterator[_Batch]:
        if not self.is_ahead:
            yield from loader
            return
        self.eval()
        batches = iter(loader)  # workers are forked before there is a thread
        # asking for the number of threads is what gives a thread the number that was set
        with ThreadPoolExecutor(1, thread_name_prefix="network", initializer=torch.get_num_threads) as thread:
            try:
                self._next = thread.submit(self._compute, batches)
                while (found := self._next.result()) is not None:
                    batch, self._map = found
                    self._image = batch[self.key]
                    self._next = thread.submit(self._compute, batches)
                    yield batch
            finally:
                self._image = self._map = self._next = None

    def _compute(self, batches: Iterator[_Batch]) -> tuple[_Batch, torch.Tensor | None] | None:
        batch = next(batches, None)
        if batch is None:
            return None
        with torch.no_grad():  # which a thread does not have from the one that started it
            return batch, self.network(batch[self.key]) if self.is_ahead else None


class _BatchesAhead:
    """An iterable with a length that can be started again."""

    def __init__(self, network: PrefetchingNetwork, loader: Iterable[_Batch]) -> None:
        self.network, self.loader = network, loader

    def __len__(self) -> int:
        return len(cast(Sized, self.loader))

    def __iter__(self) -> Iterator[_Batch]:
        return self.network.batches(self.loader)


def _is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    # not by identity: a MetaTensor that goes to the device where it is comes back as another object
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape
