"""Weights and activations in 8 bits, their ranges chosen on films."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.utils import optional_import

from monai_tbkd.backends.channel_equalization import equalize
from monai_tbkd.backends.channel_ranges import ChannelRange, channel_ranges

_OPERATIONS = ("Conv", "Relu", "Add", "MaxPool")
# Nodes are named after their modules: /network/conv1_1/Conv, /network/layer1/layer1.0/conv1_1/Conv.
_BLOCK = re.compile(r"/network/(?:layer\d/)?(layer\d\.\d+|conv1|act|maxpool|reduce)(?:_\d+)?/")
_STEM = ("conv1", "act", "maxpool")


WEIGHT_BITS = 7
"""Of weights in 8-bit files, -64..64. Processors without VNNI instructions add pairs of products of 8 bits in 16: with
weights of 8 bits a sum saturates (2 x 255 x 127), and the file that was checked on one processor has other maps on
another. With 7 bits the largest is 2 x 255 x 64 = 32640, and all processors give the same."""


class Block(NamedTuple):
    """A part of the network that is in 8 bits as a whole or not at all."""

    nodes: tuple[str, ...]
    work: float
    """Multiplications of its convolutions for a film."""


class Int8Network:
    """A network ready to be written in 8 bits: its channels equalized, its ranges known.

    Its blocks are ``stem``, each residual block (``layer1.0``) and, where there is one, the reduction to principal
    components (``reduce``). Normalization and the head that gives the map always stay float32.

    Args:
        source: the float32 file, ONNX; input ``film``.
        films: ``(1, H, W)`` uint8, whose activations set the ranges.
        progress: show a bar, on a terminal.
        share: of :func:`~monai_tbkd.backends.channel_equalization.equalize`; None leaves the channels as they are.

    Raises:
        ValueError: no films, or onnxruntime or onnx is not installed.
    """

    def __init__(
        self, source: Path, films: Sequence[torch.Tensor], progress: bool = False, share: float | None = 0.5
    ) -> None:
        if not films:
            raise ValueError("There are no films to choose 8-bit ranges by; give 100 or so.")
        if not optional_import("onnxruntime")[1]:
            raise ValueError("onnxruntime is not installed; install it by pip install 'monai_tbkd[export]'.")
        prepare, _ = optional_import("onnxruntime.quantization.shape_inference", name="quant_pre_process")
        onnx, _ = optional_import("onnx")
        with tempfile.TemporaryDirectory(dir=source.parent) as folder:
            folded = Path(folder) / "folded.onnx"
            prepare(str(source), str(folded), skip_symbolic_shape=True)
            self.model: Any = onnx.load(str(folded))
        self.blocks = _blocks(self.model.graph)
        self.ranges = channel_ranges(self.model, self._tensors(), films, progress)
        if share is not None:
            self.equalize(share)

    def equalize(self, share: float = 0.5) -> None:
        """Bring channels that share a scale to like ranges; see `channel_equalization.equalize`."""
        factors = equalize(self.model, {name: found.peak for name, found in self.ranges.items()}, share)
        self.ranges = {
            name: ChannelRange(found.lowest / factors[name], found.highest / factors[name])
            for name, found in self.ranges.items()
        }

    def float_share(self, keep: Collection[str]) -> float:
        """The share, 0-1, of the work of all blocks that is in the ones that stay float32."""
        return sum(self.blocks[name].work for name in keep) / sum(block.work for block in self.blocks.values())

    def write(self, target: Path, keep: Collection[str] = ()) -> Path:
        """Write it as ONNX, weights channel by channel and activations tensor by tensor in 8 bits.

        Of the 8 bits of a weight 7 are used, so that all processors give the same maps; see :data:`WEIGHT_BITS`.

        Args:
            target: gets pairs of QuantizeLinear and DequantizeLinear, which onnxruntime and OpenVINO both turn into
                8-bit kernels.
            keep: blocks that stay float32.

        Returns:
            The target.

        Raises:
            ValueError: an unknown block.
        """
        unknown = sorted(set(keep) - set(self.blocks))
        if unknown:
            raise ValueError(f"The network has no block {', '.join(unknown)}; it has {', '.join(self.blocks)}.")
        onnx, _ = optional_import("onnx")
        quantization, _ = optional_import("onnxruntime.quantization")
        quantizer, _ = optional_import("onnxruntime.quantization.qdq_quantizer", name="QDQQuantizer")
        tensors_data, _ = optional_import("onnxruntime.quantization.calibrate", name="TensorsData")
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        ranges = {name: (np.float32(r.lowest.min()), np.float32(r.highest.max())) for name, r in self.ranges.items()}
        work = quantizer(
            model,
            per_channel=True,
            reduce_range=True,  # weights in 7 bits
            weight_qType=quantization.QuantType.QInt8,
            activation_qType=quantization.QuantType.QUInt8,
            tensors_range=tensors_data(quantization.CalibrationMethod.MinMax, ranges),
            nodes_to_quantize=[node for name, block in self.blocks.items() if name not in keep for node in block.nodes],
            nodes_to_exclude=[],
            op_types_to_quantize=list(_OPERATIONS),
            extra_options={},
        )
        if len(set(keep)) < len(self.blocks):  # no list of nodes would be all of them
            # it tells the root logger of every bias that two branches share
            logging.disable(logging.INFO)
            try:
                work.quantize_model()
            finally:
                logging.disable(logging.NOTSET)
        onnx.save(work.model.model, str(target))
        return target

    def _tensors(self) -> list[str]:
        """All activations that are quantized where every block is."""
        constant = {entry.name for entry in self.model.graph.initializer}
        inside = {name for block in self.blocks.values() for name in block.nodes}
        nodes = [node for node in self.model.graph.node if node.name in inside]
        names = [name for node in nodes for name in (*node.input, *node.output) if name not in constant]
        return list(dict.fromkeys(names))


def _block(node: str) -> str | None:
    found = _BLOCK.match(node)
    if found is None:
        return None
    return "stem" if found[1] in _STEM else found[1]


def _blocks(graph: Any) -> dict[str, Block]:
    """Blocks by their names, in the order in which a film goes through them."""
    weights = {entry.name: list(entry.dims) for entry in graph.initializer}
    sizes = {
        entry.name: [side.dim_value for side in entry.type.tensor_type.shape.dim[2:]] for entry in graph.value_info
    }
    nodes: dict[str, list[str]] = {}
    work: dict[str, float] = {}
    for node in graph.node:
        name = _block(node.name)
        if name is None or node.op_type not in _OPERATIONS:
            continue
        nodes.setdefault(name, []).append(node.name)
        if node.op_type == "Conv":
            cells = float(np.prod(sizes.get(node.output[0], [0])))
            work[name] = work.get(name, 0.0) + cells * float(np.prod(weights[node.input[1]]))
    return {name: Block(tuple(nodes[name]), work.get(name, 0.0)) for name in nodes}
