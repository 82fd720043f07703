"""Bring channels of a network to ranges that 8 bits can hold together, with the same maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from monai.utils import optional_import
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

Array = NDArray[np.float32]
_SMALLEST = 1e-4  # of the largest; below it a channel is as good as empty
_TINY = float(np.finfo(np.float32).tiny)
_PASSING = ("Relu", "MaxPool", "Identity")


def equalize(model: Any, peaks: Mapping[str, Array], fraction: float = 0.5) -> dict[str, Array]:
    """Divide channels of activations by factors, and multiply the weights of the next convolutions by them.

    ReLU, maximum and sum let a positive factor of a channel pass, so that the network computes what it did. All that
    is added up in a residual stage has the same factors. A channel's factor is
    ``peak ** fraction / weight ** (1 - fraction)``, of its largest activation and its largest weight in the
    convolutions that read it: SmoothQuant's (Xiao et al., ICML 2023, https://arxiv.org/abs/2211.10438), here folded
    into the convolutions before as in cross-layer equalization (Nagel et al., ICCV 2019,
    https://arxiv.org/abs/1906.04721).

    Args:
        model: an ``onnx.ModelProto`` with batch norm folded; its weights are changed.
        peaks: of each tensor that a convolution reads, the largest absolute activation of each channel.
        fraction: of the difference between channels that weights take over, 0-1.

    Returns:
        The factor of each channel, 1 where none could be moved, of each tensor in ``peaks``.
    """
    numpy_helper = optional_import("onnx.numpy_helper")[0]
    graph = model.graph
    _own_biases(graph)
    entries = {entry.name: entry for entry in graph.initializer}
    streams = _Streams(graph)
    factors = _factors(graph, streams, {k: numpy_helper.to_array(v) for k, v in entries.items()}, peaks, fraction)

    def of(tensor: str) -> Array | None:
        """Return the factors of a tensor's channels, if it has channels that are followed."""
        parts = streams.of.get(tensor)
        return np.concatenate([factors[streams.root(part)] for part in parts]) if parts else None

    def multiply(name: str, by: Array) -> None:
        values = (numpy_helper.to_array(entries[name]) * by).astype(np.float32)
        entries[name].CopyFrom(numpy_helper.from_array(values, name))

    for node in {node.input[1]: node for node in graph.node if node.op_type == "Conv"}.values():
        read, made = of(node.input[0]), of(node.output[0])
        if read is not None:
            multiply(node.input[1], read[None, :, None, None])
        if made is not None:
            multiply(node.input[1], 1.0 / made[:, None, None, None])
            for bias in node.input[2:]:
                multiply(bias, 1.0 / made)
    found = {name: of(name) for name in peaks}
    return {name: np.ones_like(peaks[name]) if factor is None else factor for name, factor in found.items()}


class _Streams:
    """Runs of channels that have to have the same factors, and the tensors that are made of them.

    A convolution makes a stream; streams that are added up are joined, see `root`. Those of a fixed one stay 1.
    """

    def __init__(self, graph: Any) -> None:
        self.channels: list[int] = []
        self.of: dict[str, tuple[int, ...]] = {}
        """The streams of a tensor's channels, one after the other."""
        self._joined = DisjointSet()
        self._fixed: set[int] = set()
        self._first: dict[str, tuple[str, int]] = {}  # of weights: the tensor that they read, the stream that they make
        sizes = {entry.name: list(entry.dims) for entry in graph.initializer}
        for node in graph.node:
            if not self._follow(node, sizes):
                self._fix(*node.input)
        self._fix(*(output.name for output in graph.output))

    def root(self, part: int) -> int:
        """Return the stream under which those that are joined are found."""
        return int(self._joined[part])

    def is_fixed(self, part: int) -> bool:
        """Tell whether a stream's factors have to stay 1."""
        return any(self._joined.connected(part, each) for each in self._fixed)

    def _follow(self, node: Any, sizes: Mapping[str, Sequence[int]]) -> bool:
        """Find the streams of a node's output; False if factors don't pass it."""
        known = all(name in self.of for name in node.input)
        if node.op_type == "Conv" and _plain(node, sizes):
            self.of[node.output[0]] = (self._convolve(node.input[0], node.input[1], sizes),)
        elif node.op_type in _PASSING and known:
            self.of[node.output[0]] = self.of[node.input[0]]
        elif node.op_type == "Concat" and known and [each.i for each in node.attribute if each.name == "axis"] == [1]:
            self.of[node.output[0]] = tuple(part for name in node.input for part in self.of[name])
        elif node.op_type == "Add" and known and self._join(*node.input):
            self.of[node.output[0]] = self.of[node.input[0]]
        else:
            return False
        return True

    def _convolve(self, read: str, weight: str, sizes: Mapping[str, Sequence[int]]) -> int:
        if weight not in self._first:  # weights that are used twice have one set of factors on either side
            self._first[weight] = read, len(self.channels)
            self._joined.add(len(self.channels))
            self.channels.append(sizes[weight][0])
        first, made = self._first[weight]
        if read != first and not self._join(first, read):
            self._fix(first, read)
        return made

    def _join(self, *tensors: str) -> bool:
        """Join the streams of tensors, if they are of the same numbers of channels."""
        parts = [self.of.get(name, ()) for name in tensors]
        shapes = {tuple(self.channels[part] for part in each) for each in parts}
        if len(shapes) != 1 or () in shapes:
            return False
        for one, other in pairwise(parts):
            for a, b in zip(one, other, strict=True):
                self._joined.merge(a, b)
        return True

    def _fix(self, *tensors: str) -> None:
        self._fixed.update(part for name in tensors for part in self.of.get(name, ()))


def _factors(
    graph: Any, streams: _Streams, weights: Mapping[str, Array], peaks: Mapping[str, Array], fraction: float
) -> dict[int, Array]:
    """Compute the factor of each channel of each joined stream, with geometric mean 1."""
    large: dict[int, Array] = {}  # activations and weights, of the largest of their tensor
    heavy: dict[int, Array] = {}
    for node in graph.node:
        if node.op_type != "Conv" or node.input[0] not in peaks:
            continue
        columns = np.abs(weights[node.input[1]]).max(axis=(0, 2, 3))  # the largest weight that each channel meets
        first = 0
        for part in streams.of.get(node.input[0], ()):
            own = slice(first, first + streams.channels[part])
            for found, values in ((large, peaks[node.input[0]]), (heavy, columns)):
                now = values[own] / max(float(values.max()), _TINY)
                found[streams.root(part)] = np.maximum(found.get(streams.root(part), now), now)
            first = own.stop
    factors = {}
    for part in {streams.root(part) for part in range(len(streams.channels))}:
        if part not in large or streams.is_fixed(part):
            factors[part] = np.ones(streams.channels[part], dtype=np.float32)
        else:
            activation, weight = (np.log(np.maximum(found[part], _SMALLEST)) for found in (large, heavy))
            logs = fraction * activation - (1.0 - fraction) * weight
            factors[part] = np.exp(logs - logs.mean()).astype(np.float32)
    return factors


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
    """Tell whether a convolution has two dimensions, constant weights and no groups."""
    groups = [each.i for each in node.attribute if each.name == "group"]
    constant = all(name in sizes for name in node.input[1:])
    return constant and len(sizes[node.input[1]]) == 4 and groups in ([], [1])
