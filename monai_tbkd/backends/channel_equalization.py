"""Channels of a network brought to ranges that 8 bits can hold together, with the same maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from monai.utils import optional_import
from numpy.typing import NDArray

Array = NDArray[np.float32]
_SMALLEST = 1e-4  # of the largest; below it a channel is as good as empty
_TINY = float(np.finfo(np.float32).tiny)
_PASSING = ("Relu", "MaxPool", "Identity")


def equalize(model: Any, peaks: Mapping[str, Array], share: float = 0.5) -> dict[str, Array]:
    """Divide channels of activations by factors, and give the factors to the weights of the next convolutions.

    ReLU, maximum and sum let a positive factor of a channel pass, so that the network computes what it did. All that
    is added up in a residual stage has the same factors. A channel's factor is ``peak ** share / weight ** (1 -
    share)``, of its largest activation and its largest weight in the convolutions that read it: SmoothQuant's (Xiao
    et al., ICML 2023, https://arxiv.org/abs/2211.10438), here folded into the convolutions before as in cross-layer
    equalization (Nagel et al., ICCV 2019, https://arxiv.org/abs/1906.04721).

    Args:
        model: an ``onnx.ModelProto`` with batch norm folded; its weights are changed.
        peaks: of each tensor that a convolution reads, the largest absolute activation of each channel.
        share: of the difference between channels that weights take over, 0-1.

    Returns:
        The factor of each channel, 1 where none could be moved, of each tensor in ``peaks``.
    """
    onnx, _ = optional_import("onnx")
    graph = model.graph
    _own_biases(graph)
    weights = {entry.name: entry for entry in graph.initializer}
    streams = _Streams(graph)
    factors = _factors(graph, streams, {k: onnx.numpy_helper.to_array(v) for k, v in weights.items()}, peaks, share)

    def of(tensor: str) -> Array | None:
        """The factors of a tensor's channels, if it has channels that are followed."""
        parts = streams.parts(tensor)
        return np.concatenate([factors[part] for part in parts]) if parts else None

    for node in {node.input[1]: node for node in graph.node if node.op_type == "Conv"}.values():
        read, made = of(node.input[0]), of(node.output[0])
        if read is not None:
            _multiply(weights[node.input[1]], read[None, :, None, None])
        if made is not None:
            _multiply(weights[node.input[1]], 1.0 / made[:, None, None, None])
            for bias in node.input[2:]:
                _multiply(weights[bias], 1.0 / made)
    found = {name: of(name) for name in peaks}
    return {name: np.ones_like(peaks[name]) if factor is None else factor for name, factor in found.items()}


class _Streams:
    """Which tensors of a graph share their channels' factors.

    A stream is a run of channels that have to have the same factors; the numbers of those that are added up are found
    under one. Those of a fixed one stay 1.
    """

    def __init__(self, graph: Any) -> None:
        self.root: list[int] = []
        self.channels: list[int] = []
        self.fixed: set[int] = set()
        self.of: dict[str, tuple[int, ...]] = {}
        self.reads: dict[str, str] = {}
        self.makes: dict[str, int] = {}
        sizes = {entry.name: list(entry.dims) for entry in graph.initializer}
        for node in graph.node:
            self._follow(node, sizes)
        for output in graph.output:
            self._fix(output.name)

    def parts(self, tensor: str) -> tuple[int, ...]:
        """The streams that a tensor's channels are of, one after the other."""
        return tuple(self._find(part) for part in self.of.get(tensor, ()))

    def _follow(self, node: Any, sizes: Mapping[str, Sequence[int]]) -> None:
        known = all(name in self.of for name in node.input)
        if node.op_type == "Conv" and _plain(node, sizes):
            self._convolve(node, sizes[node.input[1]][0])
        elif node.op_type in _PASSING and known:
            self.of[node.output[0]] = self.of[node.input[0]]
        elif node.op_type == "Concat" and known and _axis(node) == 1:
            self.of[node.output[0]] = tuple(part for name in node.input for part in self.of[name])
        elif node.op_type == "Add" and known and self._join([self.of.get(name, ()) for name in node.input]):
            self.of[node.output[0]] = self.of[node.input[0]]
        else:
            for name in node.input:
                self._fix(name)

    def _convolve(self, node: Any, channels: int) -> None:
        if node.input[1] not in self.reads:  # weights that are used twice have one set of factors on either side
            self.root.append(len(self.root))
            self.channels.append(channels)
            self.reads[node.input[1]], self.makes[node.input[1]] = node.input[0], self.root[-1]
        self.of[node.output[0]] = (self.makes[node.input[1]],)
        first = self.reads[node.input[1]]
        if node.input[0] != first and not self._join([self.of.get(name, ()) for name in (first, node.input[0])]):
            self._fix(first)
            self._fix(node.input[0])

    def _join(self, sums: Sequence[tuple[int, ...]]) -> bool:
        """Make one of the streams that are added, if they lie alike."""
        shapes = {tuple(self.channels[part] for part in parts) for parts in sums}
        if len(shapes) != 1 or () in shapes:
            return False
        for one, other in pairwise(sums):
            for a, b in zip(one, other, strict=True):
                self.root[self._find(b)] = self._find(a)
        return True

    def _fix(self, tensor: str) -> None:
        self.fixed.update(self.of.get(tensor, ()))

    def is_fixed(self, part: int) -> bool:
        return any(self._find(each) == part for each in self.fixed)

    def _find(self, part: int) -> int:
        while self.root[part] != part:
            part = self.root[part]
        return part


def _factors(
    graph: Any, streams: _Streams, weights: Mapping[str, Array], peaks: Mapping[str, Array], share: float
) -> dict[int, Array]:
    """Of each stream the factor of each channel, its geometric mean 1."""
    activation: dict[int, Array] = {}
    weight: dict[int, Array] = {}
    for node in graph.node:
        if node.op_type != "Conv" or node.input[0] not in peaks:
            continue
        read, columns, first = peaks[node.input[0]], _columns(weights[node.input[1]]), 0
        for part in streams.parts(node.input[0]):
            own = slice(first, first + streams.channels[part])
            for found, values in ((activation, read), (weight, columns)):
                now = values[own] / max(float(values.max()), _TINY)
                found[part] = np.maximum(found.get(part, now), now)
            first = own.stop
    factors = {}
    for part, channels in enumerate(streams.channels):
        if part not in activation or streams.is_fixed(part):
            factors[part] = np.ones(channels, dtype=np.float32)
            continue
        large, heavy = (np.maximum(found[part], _SMALLEST) for found in (activation, weight))
        logs = share * np.log(large) - (1.0 - share) * np.log(heavy)
        factors[part] = np.exp(logs - logs.mean()).astype(np.float32)
    return factors


def _columns(weight: Array) -> Array:
    """The largest weight ``(C,)`` that each input channel meets."""
    return np.asarray(np.abs(weight).max(axis=(0, 2, 3)), dtype=np.float32)


def _own_biases(graph: Any) -> None:
    """Give a bias that convolutions of other weights have as well a copy for each."""
    entries = {entry.name: entry for entry in graph.initializer}
    owner: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) > 2:
            weight, bias = node.input[1:]
            if owner.setdefault(bias, weight) != weight:
                node.input[2] = f"{bias}_of_{weight}"
                if node.input[2] not in owner:
                    owner[node.input[2]] = weight
                    copy = graph.initializer.add()
                    copy.CopyFrom(entries[bias])
                    copy.name = node.input[2]


def _plain(node: Any, sizes: Mapping[str, Sequence[int]]) -> bool:
    """Whether a convolution has two dimensions, constant weights and no groups."""
    groups = [each.i for each in node.attribute if each.name == "group"]
    constant = all(name in sizes for name in node.input[1:])
    return constant and len(sizes[node.input[1]]) == 4 and groups in ([], [1])


def _axis(node: Any) -> int:
    return int(next(each.i for each in node.attribute if each.name == "axis"))


def _multiply(entry: Any, factors: Array) -> None:
    onnx, _ = optional_import("onnx")
    values = (onnx.numpy_helper.to_array(entry) * factors).astype(np.float32)
    entry.CopyFrom(onnx.numpy_helper.from_array(values, entry.name))
