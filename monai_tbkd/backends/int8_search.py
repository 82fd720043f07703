"""Which blocks of a network have to stay in 32 bits for its boxes to be those of float32."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from monai_tbkd.backends.agreement import Agreement
from monai_tbkd.backends.exported_net import MapOf, open_network
from monai_tbkd.backends.int8_quantization import Int8Network

logger = logging.getLogger(__name__)

LARGEST_SHARE = 0.4
"""Of the work that may stay in 32 bits; with more a file in bfloat16 would be faster."""


class Choice(NamedTuple):
    """Blocks that stay in 32 bits, and how it then agrees."""

    keep: tuple[str, ...]
    found: Agreement
    agrees: bool

    def described(self, network: Int8Network) -> str:
        """What is in how many bits, in words."""
        if not self.keep:
            return "all in 8 bits"
        return f"{', '.join(self.keep)} in 32 bits ({100 * network.float_share(self.keep):.0f} % of the work)"


def block_errors(network: Int8Network, films: Sequence[torch.Tensor], runtime: str) -> dict[str, float]:
    """Mean squared change of the map, in logits squared, of each block in 8 bits with all others in 32.

    Args:
        network: of whose blocks the error is.
        films: ``(1, H, W)`` uint8; a few of those that chose the ranges.
        runtime: ``onnxruntime`` or ``openvino``.
    """

    def maps(keep: Collection[str]) -> torch.Tensor:
        with _opened(network, keep, runtime) as run:
            return torch.cat([run(film[None]) for film in films])

    blocks = set(network.blocks)
    exact = maps(blocks)
    bar = tqdm(network.blocks, desc="blocks", unit="block", disable=None)
    return {name: float((maps(blocks - {name}) - exact).square().mean()) for name in bar}


def order_of(network: Int8Network, errors: Mapping[str, float]) -> list[str]:
    """Blocks by how much error a multiplication less in 8 bits takes away, the worst first."""
    return sorted(errors, key=lambda name: errors[name] / max(network.blocks[name].work, 1.0), reverse=True)


def search(
    network: Int8Network, order: Sequence[str], judge: Callable[[MapOf], tuple[Agreement, bool]], runtime: str
) -> list[Choice]:
    """Look for the fewest blocks, the first of an order, that have to stay in 32 bits, by halving.

    Args:
        network: what is written.
        order: of blocks, see :func:`order_of`.
        judge: how far the maps of a network agree, and whether that is enough.
        runtime: ``onnxruntime`` or ``openvino``.

    Returns:
        All that were tried, the one to take first: the fewest blocks that agree or else, as none does, the one whose
        boxes agree best.
    """

    def attempt(number: int) -> Choice:
        keep = tuple(order[:number])
        with _opened(network, keep, runtime) as run:
            tried = Choice(keep, *judge(run))
        logger.info("%s: %s.", tried.described(network), tried.found)
        return tried

    tried = [attempt(0)]
    low = 1
    high = max(n for n in range(len(order) + 1) if n == 0 or network.float_share(order[:n]) <= LARGEST_SHARE)
    while not tried[0].agrees and low <= high:
        middle = (low + high) // 2
        tried.append(attempt(middle))
        low, high = (low, middle - 1) if tried[-1].agrees else (middle + 1, high)
    return sorted(tried, key=lambda each: (not each.agrees, len(each.keep) if each.agrees else -each.found.box_iou))


@contextmanager
def _opened(network: Int8Network, keep: Collection[str], runtime: str) -> Iterator[MapOf]:
    with tempfile.TemporaryDirectory() as folder:
        yield open_network(network.write(Path(folder) / "network.onnx", keep), runtime)
