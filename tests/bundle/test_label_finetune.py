"""Training from an annotator's work through ``monai.bundle``, without a server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from monai.bundle import ConfigWorkflow

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.data import Correction, load_tbx11k, write_corrections
from monai_tbkd.engines import load_operating_point
from monai_tbkd.networks import read_state_dict
from monai_tbkd.networks.checkpoint import file_sha256, read_record, write_checkpoint
from tests.conftest import REPOSITORY, run_bundle

CONFIGS = ["train", "label_finetune"]


@pytest.fixture
def work(phantoms: Path, trained: Path, tmp_path: Path) -> dict[str, Any]:
    """A served model, eight corrected images (six with TB), and four that nobody has labeled."""
    shutil.copytree(trained / "models", tmp_path / "models")
    items = [item for item in load_tbx11k(phantoms) if item["split"] == "train"]
    with_tb, without = ([i for i in items if (i["class_name"] == "tb") == tb] for tb in (True, False))
    said = [Correction(i["image"], True, tuple(map(tuple, i["boxes"]))) for i in with_tb[:6]]
    said += [Correction(i["image"], False) for i in without[:2]]
    return {
        "dataset_dir": str(write_corrections(tmp_path / "work" / "manifest.csv", said)),
        "ckpt_dir": str(tmp_path / "models"),
        "output_dir": str(tmp_path / "out"),
        "unlabeled": [i["image"] for i in with_tb[6:9] + without[2:3]],
        "finetune_epochs": 2,
        "finetune_batch_size": 4,
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_new_model_is_served_with_its_threshold_and_its_history(work: dict[str, Any], tmp_path: Path) -> None:
    served = tmp_path / "models" / "model.pt"
    before, weights = file_sha256(served), read_state_dict(served)
    run_bundle(CONFIGS, "run_finetune", **work)
    after, record = read_state_dict(served), read_record(served)
    assert record is not None and record["sha256"] == file_sha256(served) != before
    assert record["stage"] == "student" and record["settings"]["image_size"] == 64
    (told,) = record["fine_tuning"]
    assert told["served_sha256"] == before
    assert told["images"] | {"sha256": ""} == {"corrected": 8, "with_tb": 6, "unlabeled": 4, "sha256": ""}
    assert (
        told["images_with_boxes"] == 6
        and 0 <= told["miou_of_training_images_before"] <= 1
        and 0 <= told["miou_of_training_images_after"] <= 1
    )
    point = load_operating_point(tmp_path / "models" / "operating_point.json", served)
    assert point["map_threshold"] == told["map_threshold"] and "boxes drawn on 6 images" in point["id"]
    # batch norm's statistics are those of the training, the weights are not
    statistics = [key for key in weights if "running_mean" in key]
    assert statistics and all(torch.equal(weights[key], after[key]) for key in statistics)
    assert not torch.equal(weights["head.weight"], after["head.weight"])
    # and once more, from the model that is served now
    run_bundle(CONFIGS, "run_finetune", **work)
    history = read_record(served)["fine_tuning"]  # type: ignore[index]
    assert len(history) == 2 and history[1]["served_sha256"] == record["sha256"]


def test_a_control_without_distillation_and_the_boxes_as_supervision_go_other_ways(
    work: dict[str, Any], tmp_path: Path
) -> None:
    found = {}
    ways: dict[str, dict[str, Any]] = {
        "distilled": {},
        "control": {f"finetune_{name}_weight": 0.0 for name in ("logit", "map", "cell")},
        "boxes": {"box_weight": 1.0},
    }
    base = read_state_dict(tmp_path / "models" / "model.pt")["head.weight"]
    for name, numbers in ways.items():
        out = tmp_path / name
        run_bundle(CONFIGS, "run_finetune", **{**work, "output_dir": str(out), "release": False, **numbers})
        found[name] = read_state_dict(out / "candidate" / "model.pt")["head.weight"] - base
    assert not torch.allclose(found["distilled"], found["control"])
    assert not torch.allclose(found["distilled"], found["boxes"])
    assert not (tmp_path / "models" / "previous").exists()  # release was false


def test_box_supervision_raises_the_map_inside_the_boxes(work: dict[str, Any], tmp_path: Path) -> None:
    """Boxes alone, at a high rate: the map comes to lie in them."""
    numbers = {f"finetune_{name}_weight": 0.0 for name in ("label", "logit", "map", "cell")}
    numbers |= {"box_weight": 1.0, "finetune_epochs": 20, "finetune_learning_rate": 5.0e-3, "release": False}
    run_bundle(CONFIGS, "run_finetune", **{**work, **numbers})
    told = json.loads((tmp_path / "out" / "candidate" / "fine_tuning.json").read_text())
    assert told["miou_of_training_images_after"] > told["miou_of_training_images_before"] + 0.05


@pytest.mark.parametrize(
    ("numbers", "changed"),
    [
        ({"finetune_learning_rate": 0.0}, False),
        ({"finetune_epochs": 1, "finetune_batch_size": 32}, False),  # one step, of the warm-up
        ({"finetune_epochs": 2, "finetune_batch_size": 32}, True),
    ],
)
def test_a_training_that_changes_nothing_says_so(
    work: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, numbers: dict[str, Any], changed: bool
) -> None:
    before = read_state_dict(tmp_path / "models" / "model.pt")
    run_bundle(CONFIGS, "run_finetune", **{**work, **numbers})
    after = read_state_dict(tmp_path / "models" / "model.pt")
    told = json.loads((tmp_path / "out" / "candidate" / "fine_tuning.json").read_text())
    largest = max(float((after[key].double() - before[key].double()).abs().max()) for key in before)
    assert told["weights_changed"] is changed and (largest > 0) is changed
    assert told["largest_weight_change"] == pytest.approx(largest)
    assert ("Nothing was learned" in caplog.text) is not changed


def test_few_boxes_choose_no_threshold(work: dict[str, Any], tmp_path: Path) -> None:
    before = load_operating_point(tmp_path / "models" / "operating_point.json", tmp_path / "models" / "model.pt")
    run_bundle(CONFIGS, "run_finetune", fewest_boxed=7, **work)
    after = load_operating_point(tmp_path / "models" / "operating_point.json", tmp_path / "models" / "model.pt")
    assert after["map_threshold"] == before["map_threshold"]
    assert after["score_threshold"] == before["score_threshold"]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"finetune_learning_rate": 1.0e30}, "not finite"),
        ({"largest_drop": -2.0}, "the served model stays"),
    ],
)
def test_a_broken_run_leaves_the_served_model(
    work: dict[str, Any], tmp_path: Path, numbers: dict[str, Any], message: str
) -> None:
    before = contents(tmp_path / "models")
    with pytest.raises(RuntimeError) as error:
        run_bundle(CONFIGS, "run_finetune", **work, **numbers)
    assert message in str(plain_cause(error.value))
    assert contents(tmp_path / "models") == before and not (tmp_path / "out" / "candidate" / "model.pt").exists()


def test_an_image_that_cannot_be_read_costs_itself_alone(work: dict[str, Any], tmp_path: Path) -> None:
    table = Path(work["dataset_dir"])
    first = table.read_text().splitlines()[1].split(",")[0]
    cut = tmp_path / "cut.png"
    cut.write_bytes(Path(first).read_bytes()[:500])
    table.write_text(table.read_text().replace(first, str(cut)))
    run_bundle(CONFIGS, "run_finetune", **work)
    told = json.loads((tmp_path / "out" / "candidate" / "fine_tuning.json").read_text())
    assert told["images"]["corrected"] == 7


def test_no_class_but_one(work: dict[str, Any], tmp_path: Path) -> None:
    table = Path(work["dataset_dir"])
    table.write_text("\n".join(line for line in table.read_text().splitlines() if ",health," not in line))
    run_bundle(CONFIGS, "run_finetune", **{**work, "unlabeled": None})
    state = read_state_dict(tmp_path / "models" / "model.pt")
    assert all(np.isfinite(value.numpy()).all() for value in state.values())


def test_images_change_as_in_the_training() -> None:
    """The moves are written out, as they also move the mask; numbers must not part from train's."""
    train, own = (yaml.safe_load((REPOSITORY / "bundle" / "configs" / f"{c}.yaml").read_text()) for c in CONFIGS)

    def moves(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{k: v for k, v in each.items() if k not in ("keys", "_disabled_")} for each in steps]

    whole = [each for each in train["train"]["random_transforms"] if each["_disabled_"] == "@keep_features"]
    assert len(whole) == 4
    assert moves(own["finetune"]["random_transforms"]) == moves(whole)


def test_a_symmetric_network_learns_in_its_head_alone(work: dict[str, Any], tmp_path: Path) -> None:
    """The default network, on images cut to their lungs."""
    files = [str(REPOSITORY / "bundle" / "configs" / f"{name}.yaml") for name in CONFIGS]
    small: dict[str, Any] = {
        "network_def::backbone": "resnet18", "network_def::width": 0.125, "image_size": 128, "min_side": 16,
        "batch_size": 8, "num_workers": 0, "grid": 64, "device": "$torch.device('cpu')", "progress_bar": False,
        "box_weight": 1.0, "fewest_boxed": 3, **work, "ckpt_dir": str(tmp_path / "symmetric"),
    }  # fmt: skip

    def workflow() -> ConfigWorkflow:
        opened = ConfigWorkflow(files, run_id="run_finetune", workflow_type="train", logging_file=False, **small)
        opened.initialize()
        return opened

    parsed = workflow().parser.get_parsed_content
    write_checkpoint(parsed("network_def"), tmp_path / "symmetric" / "model.pt", {"stage": "student"})
    before = read_state_dict(tmp_path / "symmetric" / "model.pt")
    workflow().run()
    after = read_state_dict(tmp_path / "symmetric" / "model.pt")
    changed = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"head"}
