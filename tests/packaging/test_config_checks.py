from __future__ import annotations

import json
from pathlib import Path

from monai_tbkd.packaging.config_checks import check_configs


def bundle(root: Path, **configs: dict) -> Path:
    (root / "configs").mkdir()
    for name, content in configs.items():
        (root / "configs" / f"{name}.json").write_text(json.dumps(content))
    return root


TRAIN = {"device": "cpu", "net": {"a": 1}, "run": ["$@device"]}


def test_each_config_over_the_fewest_others(tmp_path: Path) -> None:
    root = bundle(
        tmp_path,
        train=TRAIN,
        evaluate={"key": "@net::a", "run": ["$@key"]},
        multi_gpu_evaluate={"both": ["@net", "@key"]},
        multi_gpu_train={"device": "$'cuda' + str(@net)"},
        inference={"n": 1, "run": ["$@n"]},
        inference_trt={"n": "$2 * @m", "m": 3},
    )
    found, chains = check_configs(root)
    assert not [f for f in found if f.level == "error"]
    assert chains == {
        "train": ["train"],
        "evaluate": ["train", "evaluate"],
        "multi_gpu_evaluate": ["train", "evaluate", "multi_gpu_evaluate"],
        "multi_gpu_train": ["train", "multi_gpu_train"],
        "inference": ["inference"],
        "inference_trt": ["inference", "inference_trt"],
    }


def test_what_is_referred_to_and_not_there_is_named(tmp_path: Path) -> None:
    root = bundle(
        tmp_path,
        train={**TRAIN, "loss": "$abs(@nowhere)"},
        inference={"run": ["$@device"]},
        evaluate={"part": "%common.json::net", "run": []},
    )
    found, chains = check_configs(root)
    text = "\n".join(f.text for f in found if f.level == "error")
    assert "loss refers to nowhere" in text
    assert "inference.json" in text
    assert "common.json" in text
    assert chains == {}


def test_inference_must_stand_alone(tmp_path: Path) -> None:
    found, _ = check_configs(bundle(tmp_path, train=TRAIN, inference={"run": ["$@device"]}))
    assert any(f.level == "error" and "take it alone" in f.text for f in found)
    (tmp_path / "b").mkdir()
    found, _ = check_configs(bundle(tmp_path / "b", evaluate={"run": ["$1"]}))
    assert any("neither a train nor an inference" in f.text for f in found)
