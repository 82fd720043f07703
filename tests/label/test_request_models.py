"""What a request may say, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("pydantic")

from monai_tbkd.label.request_models import (
    BatchParams,
    InferParams,
    LabelParams,
    Note,
    Strict,
    TrainParams,
    read_params,
)

SLICER = {
    "score_threshold": 0.5, "map_threshold": "0.4", "threshold_mode": ["relative", "absolute"], "smallest_area": "",
    "result_extension": ".nrrd", "result_dtype": "uint8", "client_id": "user-xyz",
}  # fmt: skip
OHIF = {"result_extension": ".nrrd", "result_dtype": "uint16", "result_compress": False, "restore_label_idx": False}
BATCH = {
    "device": "cuda", "multi_gpu": True, "gpus": "all", "logging": "WARNING", "save_label": True,
    "label_tag": "original", "max_workers": 1, "max_batch_size": 0,
}  # fmt: skip
TRAIN = {"finetune_epochs": "5", "finetune_learning_rate": 1e-4, "device": ["cpu", "cuda"], "client_id": None}


@pytest.mark.parametrize(
    ("model", "content", "made"),
    [
        (InferParams, SLICER, {"threshold_mode": "relative", "map_threshold": 0.4}),
        (InferParams, OHIF, {"result_compress": False}),
        (InferParams, {"output": "json"}, {"output": "json"}),
        (BatchParams, BATCH, {"gpus": "all"}),
        (BatchParams, {"images": ["a.png", "b.png"]}, {"images": ["a.png", "b.png"]}),
        (TrainParams, TRAIN, {"finetune_epochs": 5, "device": "cpu"}),
        (LabelParams, {"label_info": [], "client_id": "x", "image_label": False}, {"image_label": False}),
        (Note, {"segmentationMeta": {"status": "approved"}, "note": {"any": [1]}}, {"note": {"any": [1]}}),
    ],
)
def test_what_viewers_send_is_taken(model: type[Strict], content: dict[str, Any], made: dict[str, Any]) -> None:
    given = read_params(model, json.dumps(content))
    assert {key: given[key] for key in made} == made


@pytest.mark.parametrize(
    "key", ["strategy", "id", "path", "finding", "understood", "tbkd_signals", "ts", "image_label"]
)
def test_notes_of_the_app_are_not_written_by_requests(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        read_params(Note, json.dumps({key: {}}), "info")


@pytest.mark.parametrize(
    ("model", "content"),
    [
        *((model, {"bundle_path": "/tmp/x"}) for model in (InferParams, BatchParams, TrainParams, Note)),
        (InferParams, {"image": "a.png"}),
        (InferParams, {"map_threshold": 7}),
        (InferParams, {"map_threshold": True}),
        (InferParams, {"score_threshold": [0.5]}),
        (InferParams, {"map_threshold": "high"}),
        (InferParams, {"smallest_area": "nan"}),
        (InferParams, {"threshold_mode": "odd"}),
        (InferParams, {"result_extension": ".py"}),
        (InferParams, {"label_tag": "../x"}),
        (InferParams, {"label_tag": "final"}),
        (BatchParams, {"images": ["../x"]}),
        (BatchParams, {"gpus": "0;ls"}),
        (BatchParams, {"device": "cuda:0; x"}),
        (TrainParams, {"finetune_epochs": 0}),
        (TrainParams, {"finetune_epochs": 2.5}),
        (TrainParams, {"finetune_epochs": "$1"}),
        (TrainParams, {"box_weight": -1}),
        (TrainParams, {"box_weight": "nan"}),
        (TrainParams, {"device": "$x"}),
        (LabelParams, {"client_id": "line\nline"}),
        (Note, {"note": "x" * 100_000}),
    ],
)
def test_everything_else_is_a_sentence(model: type[Strict], content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(content)) if len(str(content)) < 1000 else "65536") as refused:
        read_params(model, json.dumps(content))
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "text",
    ["{", "[1]", "5", "null", '{"note": NaN}', '{"note": ' + "[" * 50_000, '{"note": 1e999}', '{"note": "\\ud800"}'],
)
def test_what_is_no_json_object(text: str) -> None:
    with pytest.raises(ValueError, match="params"):
        read_params(Note, text, "params")
