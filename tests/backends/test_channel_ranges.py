"""Ranges of channels, by hand."""

from __future__ import annotations

import pytest
import torch

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

from monai_tbkd.backends.channel_ranges import channel_ranges  # noqa: E402


def test_ranges_are_over_films_and_places() -> None:
    shape = onnx.helper.make_tensor_value_info
    minus = onnx.helper.make_node("Neg", ["gray"], ["minus"])
    both = onnx.helper.make_node("Concat", ["gray", "minus"], ["out"], axis=1)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Cast", ["film"], ["gray"], to=1), minus, both],
        "g", [shape("film", 2, ["b", 1, 1, 2])], [shape("out", 1, ["b", 2, 1, 2])],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    films = [torch.tensor([[[1, 7]]], dtype=torch.uint8), torch.tensor([[[3, 9]]], dtype=torch.uint8)]
    found = channel_ranges(model, ["out"], films)["out"]
    assert found.lowest.tolist() == [1.0, -9.0]
    assert found.highest.tolist() == [9.0, -1.0]
    assert found.peak.tolist() == [9.0, 9.0]
    assert len(model.graph.output) == 1
