"""Which parts are in 8 bits, and that hard networks keep their maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

from monai_tbkd.backends.int8_quantization import Int8Network, _block, channel_ranges  # noqa: E402
from tests.backends.int8_networks import made_ready, make_uneven, map_error, mirrored_net, small_net  # noqa: E402

pytestmark = pytest.mark.bundle  # whole networks are exported and run


def test_nodes_are_told_by_their_modules() -> None:
    blocks = {"/network/conv1_1/Conv": "stem", "/network/maxpool/MaxPool": "stem", "/network/act_1/Relu": "stem",
              "/network/layer1/layer1.0/conv1_1/Conv": "layer1.0", "/network/layer3/layer3.10/Add": "layer3.10",
              "/network/reduce_1/Conv": "reduce", "/network/head/first/Conv": None, "/network/Add": None,
              "/Sub": None}  # fmt: skip
    assert {name: _block(name) for name in blocks} == blocks


@pytest.mark.parametrize(("keep", "eight"), [((), 10), (("stem", "layer1.0"), 7), (("layer2.1",), 8)])
def test_convolutions_are_in_8_bits_and_the_rest_is_not(keep: tuple[str, ...], eight: int, tmp_path: Path) -> None:
    made = made_ready(small_net(), 2)
    assert list(made.blocks) == ["stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1"]
    graph = onnx.load(str(made.write(tmp_path / "model.onnx", keep))).graph
    producer = {out: node for node in graph.node for out in node.output}
    weights = [node.input[1] for node in graph.node if node.op_type == "Conv"]
    assert len(weights) == 11  # stem, 2 x 2 blocks of 2, a shortcut, the head
    assert sum(name in producer and producer[name].op_type == "DequantizeLinear" for name in weights) == eight


def test_the_work_of_blocks_by_hand() -> None:
    made = made_ready(small_net(), 1)
    width = made.blocks["stem"].work / (32 * 32 * 3 * 7 * 7)  # channels of the stem
    assert width == int(width)
    assert made.blocks["layer1.1"].work == 2 * 16 * 16 * width * width * 9
    assert made.float_fraction(["stem", "layer1.1"]) + made.float_fraction(["layer1.0", "layer2.0", "layer2.1"]) == 1.0
    twice = made_ready(mirrored_net(), 1)
    assert twice.blocks["layer1.0"].work == 2 * 16 * 16 * 16 * 16 * 9  # image and mirror image are one batch


@pytest.mark.parametrize(("runtime", "kind"), [("onnxruntime", small_net), ("openvino", mirrored_net)])
def test_uneven_channels_cost_8_bits_little(kind: Any, runtime: str, tmp_path: Path) -> None:
    network = kind()
    make_uneven(network)
    even, uneven = (
        map_error(network, made_ready(network, 2, fraction=fraction).write(tmp_path / "model.onnx"), runtime)
        for fraction in (0.5, None)
    )
    assert even < 0.5 * uneven


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no images"):
        Int8Network(tmp_path / "none.onnx", [])
    made = made_ready(small_net(), 1)
    with pytest.raises(ValueError, match=r"no block layer9\.0; it has stem, layer1\.0"):
        made.write(tmp_path / "model.onnx", ["layer9.0"])


def test_ranges_are_over_images_and_places() -> None:
    shape = onnx.helper.make_tensor_value_info
    minus = onnx.helper.make_node("Neg", ["gray"], ["minus"])
    both = onnx.helper.make_node("Concat", ["gray", "minus"], ["out"], axis=1)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Cast", ["image"], ["gray"], to=1), minus, both],
        "g", [shape("image", 2, ["b", 1, 1, 2])], [shape("out", 1, ["b", 2, 1, 2])],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    images = [torch.tensor([[[1, 7]]], dtype=torch.uint8), torch.tensor([[[3, 9]]], dtype=torch.uint8)]
    found = channel_ranges(model, ["out"], images)["out"]
    assert found.lowest.tolist() == [1.0, -9.0]
    assert found.highest.tolist() == [9.0, -1.0]
    assert found.peak.tolist() == [9.0, 9.0]
    assert len(model.graph.output) == 1
