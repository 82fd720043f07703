"""Equalized networks compute what they did, with channels that are alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

from monai_tbkd.backends.channel_equalization import equalize  # noqa: E402
from monai_tbkd.backends.int8_quantization import channel_ranges  # noqa: E402
from tests.backends.int8_networks import made_ready, make_uneven, map_error, mirrored_net, noise, small_net  # noqa: E402

pytestmark = pytest.mark.bundle  # whole networks are exported and run


def graph_of(nodes: list[Any], weights: dict[str, np.ndarray], channels: int = 2) -> Any:
    """A graph from ``image`` (floats here) to ``out``."""
    shape = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "g", [shape("image", 1, ["b", channels, 4, 4])], [shape("out", 1, None)],
        [onnx.numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )  # fmt: skip
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def node(operation: str, inputs: str, output: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(operation, inputs.split(), [output], name=output, **attributes)


def weights_of(model: Any) -> dict[str, np.ndarray]:
    return {entry.name: onnx.numpy_helper.to_array(entry) for entry in model.graph.initializer}


def test_a_factor_by_hand() -> None:
    # channel 0 reaches 4 and meets a weight of 1, channel 1 reaches 1 and meets 4: sqrt(4 / 1) against sqrt(1 / 4)
    model = graph_of(
        [node("Conv", "image a b", "x"), node("Relu", "x", "y"), node("Conv", "y c", "out")],
        {"a": np.array([[[[1.0]], [[0.0]]], [[[0.0]], [[1.0]]]]), "b": np.array([3.0, 5.0]),
         "c": np.array([[[[1.0]], [[4.0]]]])},
    )  # fmt: skip
    factors = equalize(model, {"y": np.array([4.0, 1.0], dtype=np.float32)}, fraction=0.5)
    assert factors["y"] == pytest.approx([2.0, 0.5])
    found = weights_of(model)
    assert found["a"][:, :, 0, 0] == pytest.approx(np.array([[0.5, 0.0], [0.0, 2.0]]))
    assert found["b"] == pytest.approx([1.5, 10.0])
    assert found["c"].ravel() == pytest.approx([2.0, 2.0])


def test_what_is_added_up_has_the_same_factors_and_what_another_step_reads_has_none() -> None:
    eye = np.eye(2).reshape(2, 2, 1, 1)
    nodes = [
        node("Conv", "image a", "x"),
        node("Conv", "image b", "y"),
        node("Add", "x y", "z"),
        node("Conv", "z c", "o"),
    ]
    weights = {"a": eye, "b": eye, "c": np.array([[[[1.0]], [[4.0]]]])}
    model = graph_of([*nodes, node("Identity", "o", "out")], weights)
    equalize(model, {"z": np.array([4.0, 1.0], dtype=np.float32)})
    found = weights_of(model)
    assert found["a"] == pytest.approx(found["b"])
    assert found["a"][1, 1, 0, 0] == pytest.approx(2.0)
    model = graph_of([*nodes, node("Sigmoid", "y", "s"), node("Concat", "o s", "out", axis=1)], weights)
    factors = equalize(model, {"z": np.array([4.0, 1.0], dtype=np.float32)})
    assert factors["z"] == pytest.approx([1.0, 1.0])
    assert weights_of(model)["a"] == pytest.approx(eye)


def test_a_bias_of_two_convolutions_is_scaled_for_each() -> None:
    eye, bias = np.eye(2).reshape(2, 2, 1, 1), np.array([1.0, 1.0])
    nodes = [node("Conv", "image a b", "x"), node("Conv", "x c b", "y"), node("Conv", "y d", "out")]
    weights = {"a": eye, "b": bias, "c": 2 * eye, "d": np.array([[[[1.0]], [[9.0]]]])}
    model = graph_of(nodes, weights)
    before = graph_of(nodes, weights)
    peaks = {"x": np.array([1.0, 16.0], dtype=np.float32), "y": np.array([1.0, 1.0], dtype=np.float32)}
    equalize(model, peaks)
    image = np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(np.float32)
    runtime = pytest.importorskip("onnxruntime")
    out = [
        runtime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"image": image})[
            0
        ]
        for m in (before, model)
    ]
    assert out[1] == pytest.approx(out[0], rel=1e-5)
    assert len(weights_of(model)) == 5


@pytest.mark.parametrize("kind", [small_net, mirrored_net])
def test_maps_stay_and_channels_become_alike(kind: Any, tmp_path: Path) -> None:
    network = kind()
    make_uneven(network)
    made = made_ready(network)
    written = made.write(tmp_path / "float.onnx", list(made.blocks))
    assert map_error(network, written) < 1e-5
    # the ranges are those of the equalized network, though they were noted before
    names = [name for name in made.ranges if "layer1" in name]
    for name, found in channel_ranges(made.model, names, noise(4)).items():
        assert found.highest == pytest.approx(made.ranges[name].highest, rel=1e-3, abs=1e-4)
    inner = next(name for name in names if name.endswith("layer1.0/act/Relu_output_0"))
    peaks = made.ranges[inner].peak
    assert peaks.max() / np.median(peaks[peaks > 0]) < 15  # 10 ** 1.5 and more before


def test_weights_that_two_branches_share_stay_shared() -> None:
    made = made_ready(mirrored_net())
    used = [each.input[1] for each in made.model.graph.node if each.op_type == "Conv"]
    assert len(used) > len(set(used)) >= len(used) // 2
