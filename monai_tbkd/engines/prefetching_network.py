"""Prefetch the next batch's forward pass in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple, cast

import torch
from monai.utils import CommonKeys
from torch import nn


class _Computed(NamedTuple):
    batch: Mapping[str, Any]
    map: torch.Tensor | None


class PrefetchingNetwork(nn.Module):
    """A network that computes the next batch in a thread while the results of the present one are written.

    Results and their order are the same; one batch more is in memory. Give the evaluator this in place of its network,
    and :meth:`over` of its loader in place of the loader, as inference.yaml does.

    It is for inference on a CPU: the network stays in eval mode, without gradients. On another device, and from the
    first call with other input than the batch's image on (patches of a sliding window), only the loading is prefetched.

    Args:
        network: from images ``(B, C, H, W)`` to maps.
        device: where it computes.
        key: of the image in a batch.
    """

    def __init__(self, network: nn.Module, device: torch.device | str = "cpu", key: str = CommonKeys.IMAGE) -> None:
        super().__init__()
        self.network, self.key = network, key
        self.is_ahead = torch.device(device).type == "cpu"
        self._image: torch.Tensor | None = None
        self._map: torch.Tensor | None = None
        self._next: Future[_Computed | None] | None = None
        self.eval()

    def train(self, mode: bool = True) -> PrefetchingNetwork:
        """Stay in eval mode: a switch would come during the thread's work."""
        return super().train(False)

    def over(self, loader: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
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

    def batches(self, loader: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
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
                    self._image, self._map = found.batch[self.key], found.map
                    self._next = thread.submit(self._compute, batches)
                    yield found.batch
            finally:
                self._image = self._map = self._next = None

    def _compute(self, batches: Iterator[Mapping[str, Any]]) -> _Computed | None:
        batch = next(batches, None)
        if batch is None:
            return None
        if not self.is_ahead:
            return _Computed(batch, None)
        with torch.no_grad():  # which a thread does not have from the one that started it
            return _Computed(batch, self.network(batch[self.key]))


class _BatchesAhead:
    """An iterable with a length that can be started again."""

    def __init__(self, network: PrefetchingNetwork, loader: Iterable[Mapping[str, Any]]) -> None:
        self.network, self.loader = network, loader

    def __len__(self) -> int:
        return len(cast(Sized, self.loader))

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return self.network.batches(self.loader)


def _is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    # not by identity: a MetaTensor that goes to the device where it is comes back as another object
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape
