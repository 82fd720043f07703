"""Write a network in 8 bits, ranges chosen on images, with as few blocks in 32 bits as its boxes need."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.utils import optional_import
from numpy.typing import NDArray
from tqdm import tqdm

from monai_tbkd.backends.agreement import Agreement
from monai_tbkd.backends.channel_equalization import equalize
from monai_tbkd.backends.exported_net import MapOf, onnx_session, open_network

logger = logging.getLogger(__name__)

WEIGHT_BITS = 7
"""Of weights in 8-bit files, -64..64. Processors without VNNI instructions add pairs of products of 8 bits in 16: with
weights of 8 bits a sum saturates (2 x 255 x 127), and the file that was checked on one processor has other maps on
another. With 7 bits the largest is 2 x 255 x 64 = 32640, and all processors give the same."""
LARGEST_FRACTION = 0.4
"""Of the work that may stay in 32 bits; with more a file in bfloat16 would be faster."""
_OPERATIONS = ("Conv", "Relu", "Add", "MaxPool")
# Nodes are named after their modules: /network/conv1_1/Conv, /network/layer1/layer1.0/conv1_1/Conv.
_BLOCK = re.compile(r"/network/(?:layer\d/)?(layer\d\.\d+|conv1|act|maxpool|reduce)(?:_\d+)?/")
_STEM = ("conv1", "act", "maxpool")


class Block(NamedTuple):
    """A part of the network that is in 8 bits as a whole or not at all."""

    nodes: tuple[str, ...]
    work: float
    """Multiplications of its convolutions for an image."""


class ChannelRange(NamedTuple):
    """Lowest and highest value ``(C,)`` of a tensor ``(B, C, h, w)``, over images and positions."""

    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]

    @property
    def peak(self) -> NDArray[np.float32]:
        """The largest absolute value of each channel."""
        return np.maximum(self.highest, -self.lowest)


class Int8Network:
    """A network ready to be written in 8 bits: its channels equalized, its ranges known.

    Its blocks are ``stem``, each residual block (``layer1.0``) and, where there is one, the reduction to principal
    components (``reduce``). Normalization and the head that gives the map always stay float32.

    Args:
        source: the float32 file, ONNX; input ``image``.
        images: ``(1, H, W)`` uint8, whose activations set the ranges.
        progress: show a bar, on a terminal.
        fraction: of :func:`~monai_tbkd.backends.channel_equalization.equalize`; None leaves the channels as they are.

    Raises:
        ValueError: no images, or onnxruntime or onnx is not installed.
    """

    def __init__(
        self, source: Path, images: Sequence[torch.Tensor], progress: bool = False, fraction: float | None = 0.5
    ) -> None:
        if not images:
            raise ValueError("There are no images to choose 8-bit ranges by; give 100 or so.")
        prepare, found = optional_import("onnxruntime.quantization.shape_inference", name="quant_pre_process")
        if not found:
            raise ValueError("onnxruntime is not installed; install it by pip install 'monai_tbkd[export]'.")
        onnx, _ = optional_import("onnx")
        with tempfile.TemporaryDirectory(dir=source.parent) as folder:
            folded = Path(folder) / "folded.onnx"
            prepare(str(source), str(folded), skip_symbolic_shape=True)
            self.model: Any = onnx.load(str(folded))
        self.blocks = _blocks(self.model.graph)
        constant = {entry.name for entry in self.model.graph.initializer}
        inside = {name for block in self.blocks.values() for name in block.nodes}
        nodes = [node for node in self.model.graph.node if node.name in inside]
        tensors = [name for node in nodes for name in (*node.input, *node.output) if name not in constant]
        self.ranges = channel_ranges(self.model, list(dict.fromkeys(tensors)), images, progress)
        if fraction is not None:
            self.equalize(fraction)

    def equalize(self, fraction: float = 0.5) -> None:
        """Bring channels that share a scale to like ranges; see `channel_equalization.equalize`."""
        factors = equalize(self.model, {name: found.peak for name, found in self.ranges.items()}, fraction)
        self.ranges = {
            name: ChannelRange(found.lowest / factors[name], found.highest / factors[name])
            for name, found in self.ranges.items()
        }

    def float_fraction(self, keep: Collection[str]) -> float:
        """Return the fraction, 0-1, of the work of all blocks that is in the ones that stay float32."""
        return sum(self.blocks[name].work for name in keep) / sum(block.work for block in self.blocks.values())

    def described(self, keep: Sequence[str]) -> str:
        """Describe in words which blocks stay float32."""
        fraction = f"{100 * self.float_fraction(keep):.0f} % of the work"
        return f"{', '.join(keep)} in 32 bits ({fraction})" if keep else "all in 8 bits"

    def write(self, target: Path, keep: Collection[str] = ()) -> Path:
        """Write it as ONNX, weights channel by channel and activations tensor by tensor in 8 bits.

        It gets pairs of QuantizeLinear and DequantizeLinear, which onnxruntime and OpenVINO turn into 8-bit kernels.

        Args:
            target: the file.
            keep: blocks that stay float32.

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

    @contextmanager
    def opened(self, keep: Collection[str], runtime: str) -> Iterator[MapOf]:
        """Write it with blocks in float32, and open it by ``onnxruntime`` or ``openvino``."""
        with tempfile.TemporaryDirectory() as folder:
            yield open_network(self.write(Path(folder) / "network.onnx", keep), runtime)


def channel_ranges(
    model: Any, tensors: Sequence[str], images: Sequence[torch.Tensor], progress: bool = False
) -> dict[str, ChannelRange]:
    """Run an ONNX network on images and note the range of every channel.

    Args:
        model: an ``onnx.ModelProto`` of opset 17 or below with the input ``image``.
        tensors: names of activations ``(B, C, h, w)``.
        images: ``(1, H, W)`` uint8, at least one.
        progress: show a bar, on a terminal.
    """
    onnx, _ = optional_import("onnx")
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    names = []
    for reduced in ("ReduceMin", "ReduceMax"):  # in the graph, so that no activation has to be kept
        for tensor in tensors:
            names.append(f"{tensor}:{reduced}")
            watched.graph.node.append(onnx.helper.make_node(reduced, [tensor], names[-1:], axes=[0, 2, 3], keepdims=0))
            watched.graph.output.append(onnx.helper.make_tensor_value_info(names[-1], onnx.TensorProto.FLOAT, None))
    session = onnx_session(watched.SerializeToString())
    lowest, highest = [[np.full(1, sign * np.inf, dtype=np.float32)] * len(tensors) for sign in (1, -1)]
    for image in tqdm(images, desc="8-bit ranges", unit="image", disable=None if progress else True):
        found = session.run(names, {"image": image[None].cpu().numpy()})
        lowest = [np.minimum(a, b) for a, b in zip(lowest, found[: len(tensors)], strict=True)]
        highest = [np.maximum(a, b) for a, b in zip(highest, found[len(tensors) :], strict=True)]
    return {name: ChannelRange(low, high) for name, low, high in zip(tensors, lowest, highest, strict=True)}


class Choice(NamedTuple):
    """Blocks that stay in 32 bits, and how it then agrees."""

    keep: tuple[str, ...]
    found: Agreement
    agrees: bool


def block_errors(network: Int8Network, images: Sequence[torch.Tensor], runtime: str) -> dict[str, float]:
    """Measure the mean squared change of the map, in logits squared, by each block alone in 8 bits."""

    def maps(keep: Collection[str]) -> torch.Tensor:
        with network.opened(keep, runtime) as run:
            return torch.cat([run(image[None]) for image in images])

    blocks = set(network.blocks)
    exact = maps(blocks)
    bar = tqdm(network.blocks, desc="blocks", unit="block", disable=None)
    return {name: float((maps(blocks - {name}) - exact).square().mean()) for name in bar}


def order_of(network: Int8Network, errors: Mapping[str, float]) -> list[str]:
    """Order blocks by how much error a multiplication less in 8 bits takes away, the worst first."""
    return sorted(errors, key=lambda name: errors[name] / max(network.blocks[name].work, 1.0), reverse=True)


def search(
    network: Int8Network, order: Sequence[str], judge: Callable[[MapOf], tuple[Agreement, bool]], runtime: str
) -> Choice:
    """Find the fewest blocks, the first of an order, that have to stay in 32 bits, by bisection.

    Args:
        network: what is written.
        order: of blocks, see `order_of`.
        judge: how far the maps of a network agree, and whether that is enough.
        runtime: ``onnxruntime`` or ``openvino``.

    Returns:
        The fewest blocks that agree or else, as none does, the choice whose boxes agree best.
    """

    def attempt(number: int) -> Choice:
        keep = tuple(order[:number])
        with network.opened(keep, runtime) as run:
            tried = Choice(keep, *judge(run))
        logger.info("%s: %s.", network.described(keep), tried.found)
        return tried

    tried = [attempt(0)]
    low = 1
    high = max(n for n in range(len(order) + 1) if n == 0 or network.float_fraction(order[:n]) <= LARGEST_FRACTION)
    while not tried[0].agrees and low <= high:
        middle = (low + high) // 2
        tried.append(attempt(middle))
        low, high = (low, middle - 1) if tried[-1].agrees else (middle + 1, high)
    return min(tried, key=lambda each: (not each.agrees, len(each.keep) if each.agrees else -each.found.box_iou))


def _block(node: str) -> str | None:
    found = _BLOCK.match(node)
    if found is None:
        return None
    return "stem" if found[1] in _STEM else found[1]


def _blocks(graph: Any) -> dict[str, Block]:
    """Find blocks by their names, in the order in which an image goes through them."""
    weights = {entry.name: list(entry.dims) for entry in graph.initializer}
    sizes = {
        entry.name: [side.dim_value for side in entry.type.tensor_type.shape.dim[2:]] for entry in graph.value_info
    }
    blocks: dict[str, Block] = {}
    for node in graph.node:
        name = _block(node.name)
        if name is not None and node.op_type in _OPERATIONS:
            nodes, work = blocks.get(name, Block((), 0.0))
            if node.op_type == "Conv":
                work += float(np.prod(sizes.get(node.output[0], [0]))) * float(np.prod(weights[node.input[1]]))
            blocks[name] = Block((*nodes, node.name), work)
    return blocks
