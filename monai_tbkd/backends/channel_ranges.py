"""What the channels of a network's activations reach on films."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.utils import optional_import
from numpy.typing import NDArray
from tqdm import tqdm

Array = NDArray[np.float32]
_REDUCED = ("ReduceMin", "ReduceMax")


class ChannelRange(NamedTuple):
    """Of a tensor ``(B, C, h, w)``, over films and places."""

    lowest: Array
    """``(C,)``."""
    highest: Array

    @property
    def peak(self) -> Array:
        """The largest absolute value of each channel."""
        return np.maximum(self.highest, -self.lowest)


def channel_ranges(
    model: Any, tensors: Sequence[str], films: Sequence[torch.Tensor], progress: bool = False
) -> dict[str, ChannelRange]:
    """Run an ONNX network on films and note the range of every channel.

    Args:
        model: an ``onnx.ModelProto`` of opset 17 or below with the input ``film``.
        tensors: names of activations ``(B, C, h, w)``.
        films: ``(1, H, W)`` uint8, at least one.
        progress: show a bar, on a terminal.
    """
    onnx, _ = optional_import("onnx")
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    names = [(f"{tensor}:{reduced}", tensor, reduced) for reduced in _REDUCED for tensor in tensors]
    for name, tensor, reduced in names:  # reduced in the graph, so that no activation has to be kept
        watched.graph.node.append(onnx.helper.make_node(reduced, [tensor], [name], axes=[0, 2, 3], keepdims=0))
        watched.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = _session(watched)
    lowest, highest = [[np.full(1, sign * np.inf, dtype=np.float32)] * len(tensors) for sign in (1, -1)]
    for film in tqdm(films, desc="8-bit ranges", unit="film", disable=None if progress else True):
        found = session.run([name for name, _, _ in names], {"film": film[None].cpu().numpy()})
        lowest = [np.minimum(a, b) for a, b in zip(lowest, found[: len(tensors)], strict=True)]
        highest = [np.maximum(a, b) for a, b in zip(highest, found[len(tensors) :], strict=True)]
    return {name: ChannelRange(low, high) for name, low, high in zip(tensors, lowest, highest, strict=True)}


def _session(model: Any) -> Any:
    runtime, _ = optional_import("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
