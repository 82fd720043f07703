"""The default network on kept features of its frozen backbone, cut to the lungs, with small numbers."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigWorkflow

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.data import CXRReader
from monai_tbkd.handlers import TrainingState
from monai_tbkd.networks import SymmetricMapNet, read_state_dict
from monai_tbkd.networks.checkpoint import read_record, write_checkpoint
from monai_tbkd.networks.finished_network import finished_network
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.bundle

SMALLER: dict[str, Any] = {
    "network_def::backbone": "resnet18", "network_def::width": 0.125, "image_size": 128,
    "min_side": 16, "max_epochs": 2, "batch_size": 8, "grid": 64, "select": 0.34, "bootstrap_resamples": 50,
    "overlays": 2, "device": "$torch.device('cpu')", "progress_bar": False,
}  # fmt: skip


def run(configs: list[str], images: Path, folder: Path, **given: Any) -> ConfigWorkflow:
    """Run configs as they are, with numbers that make them small, into a folder that has the backbone's weights."""
    files = [str(REPOSITORY / "bundle" / "configs" / f"{name}.yaml") for name in configs]
    where = {"dataset_dir": str(images), "ckpt_dir": str(folder / "models"), "output_dir": str(folder / "out")}
    kind = "infer" if configs == ["inference"] else "train"
    own = {"features_dir": str(folder / "features"), "weights": str(folder / "resnet.pt")} if kind == "train" else {}
    workflow = ConfigWorkflow(files, workflow_type=kind, logging_file=False, **{**SMALLER, **where, **own, **given})
    workflow.initialize()
    workflow.run()
    return workflow


def write_weights(folder: Path) -> Path:
    """A backbone, as if it came from elsewhere; returns the folder."""
    torch.manual_seed(0)
    torch.save(SymmetricMapNet("resnet18", width=0.125).backbone.state_dict(), folder / "resnet.pt")
    return folder


@pytest.fixture(scope="module")
def studied(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``models``, ``features`` and ``out`` after all stages and the evaluation."""
    folder = write_weights(tmp_path_factory.mktemp("studied"))
    run(["train"], phantoms, folder)
    run(["train"], phantoms, folder, stage="control")
    run(["train", "evaluate"], phantoms, folder)
    return folder


@pytest.fixture
def copied(studied: Path, tmp_path: Path) -> Path:
    """A copy of models and features, of which a test may train on."""
    write_weights(tmp_path)
    for name in ("models", "features"):
        shutil.copytree(studied / name, tmp_path / name)
    return tmp_path


def kept(folder: Path) -> set[str]:
    return {path.name for path in (folder / "features").iterdir()}


def weights(folder: Path, name: str = "model") -> dict[str, torch.Tensor]:
    return read_state_dict(folder / "models" / f"{name}.pt")


def test_checkpoints_are_whole_networks_that_share_the_backbone_and_its_components(studied: Path) -> None:
    states = [weights(studied, name) for name in ("teacher", "model", "control")]
    for key in states[0]:
        if key.startswith(("backbone.", "reduce.")):
            assert all(torch.equal(states[0][key], state[key]) for state in states), key
    assert not torch.equal(states[1]["head.last.weight"], states[2]["head.last.weight"])
    convolutions = [sum(key.startswith("head.context") for key in state) for state in states]
    assert convolutions == [0, 4, 4]  # weight and bias of each
    record = read_record(studied / "models" / "model.pt")
    assert record is not None
    assert (record["settings"]["keep_features"], record["settings"]["lung_crop"]) == (True, True)
    assert record["settings"]["teacher_sha256"] == read_record(studied / "models" / "teacher.pt")["sha256"]  # type: ignore[index]


def test_the_evaluation_has_all_three_beside_blind_baselines(studied: Path) -> None:
    result = json.loads((studied / "out" / "metrics.json").read_text())
    assert {"teacher", "control", "student", "blind_prior"} <= set(result["predictors"])
    with (studied / "out" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert {"student.union_mask_iou", "student.box_union_iou", "student.score"} <= set(rows[0])


def test_inference_gives_the_scores_that_were_evaluated(studied: Path, phantoms: Path, tmp_path: Path) -> None:
    """From the image's own path, in one pass: kept features are of half precision, and no more is lost."""
    with (studied / "out" / "images.csv").open(newline="") as file:
        evaluated = {row["name"]: 100 * float(row["student.score"]) for row in csv.DictReader(file)}
    given = {"ckpt_dir": str(studied / "models"), "output_dir": str(tmp_path / "out"), "check_frontal": "off"}
    run(["inference"], phantoms / "imgs", tmp_path, **given, draw_reports=False, draw_overlays=False)
    rows = json.loads((tmp_path / "out" / "predictions.json").read_text())["images"]
    found = {row["name"]: row["score_0_100"] for row in rows if row["name"] in evaluated}
    assert found == pytest.approx(evaluated, abs=0.5)
    assert max(found.values()) - min(found.values()) > 1  # so that the tolerance says something


def test_a_second_run_reads_no_image(copied: Path, phantoms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another seed and other weights of the loss, on the features of the first run."""

    def refuse(*args: Any) -> None:
        pytest.fail("an image is read")

    monkeypatch.setattr(CXRReader, "read", refuse)
    before, files = weights(copied), kept(copied)
    run(["train"], phantoms, copied, stage="student", seed=1, **{"student_terms::label::weight": 0.1})
    assert kept(copied) == files
    after = weights(copied)
    assert not torch.equal(before["head.first.weight"], after["head.first.weight"])
    assert torch.equal(before["reduce.weight"], after["reduce.weight"])


def test_other_training_images_share_features_by_the_components_of_a_checkpoint(
    copied: Path, phantoms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of the images, in another layout: no image is read, whether a checkpoint or a folder of them is given."""
    for name in ("health", "tb"):
        (copied / "part" / name).mkdir(parents=True)
        for path in sorted((phantoms / "imgs" / name).glob("*.png"))[:7]:
            shutil.copy(path, copied / "part" / name)
    before, files = weights(copied), kept(copied)
    monkeypatch.setattr(CXRReader, "read", lambda *args: pytest.fail("an image is read"))
    records = []
    for source, ckpt in ((copied / "models" / "teacher.pt", "one"), (copied / "models", "two")):
        given = {"components": str(source), "ckpt_dir": str(copied / ckpt)}
        run(["train"], copied / "part", copied, stage="control", **given)
        assert kept(copied) == files
        after = read_state_dict(copied / ckpt / "control.pt")
        assert torch.equal(before["reduce.weight"], after["reduce.weight"])
        records.append(read_record(copied / ckpt / "control.pt"))
    assert records[0]["settings"] == records[1]["settings"]  # type: ignore[index]
    assert records[0]["settings"]["components_sha256"] and "components" not in records[0]["settings"]  # type: ignore[index]


def test_components_of_another_backbone_are_refused(copied: Path, phantoms: Path) -> None:
    torch.save(SymmetricMapNet("resnet18", width=0.125).backbone.state_dict(), copied / "other.pt")
    for source, given, expected in (
        ("models/model.pt", {"network_def::output_stride": 8}, "model.pt: output_stride 16 (here 8)"),
        ("models", {"weights": str(copied / "other.pt")}, "teacher.pt: other weights of the backbone"),
        ("resnet.pt", {}, "resnet.pt: no finished checkpoint of this project"),
        ("none", {}, "which does not exist"),
    ):
        more = {"components": str(copied / source), "ckpt_dir": str(copied / "new"), **given}
        with pytest.raises(Exception) as caught:
            run(["train"], phantoms, copied, stage="control", **more)
        assert expected in str(plain_cause(caught.value))


def test_other_sizes_of_images_have_other_features(copied: Path, phantoms: Path) -> None:
    files = kept(copied)
    run(["train"], phantoms, copied, stage="control", image_size=96, max_epochs=1)
    assert len(kept(copied)) > len(files)


def test_killed_and_gone_on_with_it_ends_with_the_same_weights(
    copied: Path, phantoms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = weights(copied)
    (copied / "models" / "model.pt").unlink()
    (copied / "models" / "model.json").unlink()
    write: Callable[..., None] = TrainingState.write

    def killed(self: TrainingState, engine: Any) -> None:
        write(self, engine)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "write", killed)
        with pytest.raises(BaseException):  # noqa: B017 - MONAI wraps it
            run(["train"], phantoms, copied, stage="student")
    assert (copied / "models" / "model.training.pt").is_file()
    assert not (copied / "models" / "model.pt").exists()
    run(["train"], phantoms, copied, stage="student")
    found = weights(copied)
    assert all(torch.equal(found[key], unbroken[key]) for key in unbroken)


def test_a_teacher_of_other_components_is_refused(copied: Path, phantoms: Path) -> None:
    path = copied / "models" / "teacher.pt"
    record = read_record(path)
    assert record is not None
    network = finished_network(path, torch.nn.Identity(), "teacher")
    with torch.no_grad():
        network.reduce.weight.mul_(2.0)  # type: ignore[union-attr]
    write_checkpoint(network, path, {"stage": "teacher", "epochs": 2, "settings": record["settings"]})
    with pytest.raises(Exception) as caught:
        run(["train"], phantoms, copied, stage="student")
    assert "other components" in str(plain_cause(caught.value))


def test_folds_share_components_and_features(phantoms: Path, tmp_path: Path) -> None:
    write_weights(tmp_path)
    parts = []
    for fold in (0, 1):
        given = {"folds": 2, "fold": fold, "pasted_copies": False}
        given["teacher_terms"] = "@label_terms"
        own = {"ckpt_dir": str(tmp_path / str(fold) / "models"), "output_dir": str(tmp_path / str(fold) / "out")}
        run(["train"], phantoms, tmp_path, **given, **own)
        workflow = run(["train", "evaluate"], phantoms, tmp_path, **given, **own)
        datalist = workflow.parser.get_parsed_content("datalist")
        parts.append({split: {item["name"] for item in items} for split, items in datalist.items()})
        files = kept(tmp_path)
        assert len(files) == 26 + 1  # each image of train once, and the components
    assert parts[0]["test"] | parts[1]["test"] == {name for names in parts[0].values() for name in names}
    assert not parts[0]["test"] & parts[1]["test"]
    for part in parts:
        assert not part["test"] & (part["train"] | part["select"])
    first, second = (read_state_dict(tmp_path / str(fold) / "models" / "model.pt") for fold in (0, 1))
    assert torch.equal(first["reduce.weight"], second["reduce.weight"])
    assert not torch.equal(first["head.first.weight"], second["head.first.weight"])


def test_no_weights_are_no_default(phantoms: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception) as caught:
        run(["train"], phantoms, tmp_path, weights=None)
    assert "weights is null" in str(plain_cause(caught.value))
    assert not (tmp_path / "models").exists()


def test_a_teacher_may_have_another_backbone(phantoms: Path, tmp_path: Path) -> None:
    """Its maps come from its own features, also where it is evaluated; it is not shown the student's."""
    write_weights(tmp_path)
    torch.manual_seed(1)
    torch.save(SymmetricMapNet("resnet18", width=0.25).backbone.state_dict(), tmp_path / "wider.pt")
    other = {
        "network_def::width": "$0.125 if @stage == 'teacher' else 0.25",
        "network_def::weights": f"$@weights if @stage == 'teacher' else {str(tmp_path / 'wider.pt')!r}",
        "bootstrap_resamples": 0,
    }
    run(["train"], phantoms, tmp_path, **other)
    widths = [read_record(tmp_path / "models" / f"{name}.pt")["architecture"]["width"] for name in ("teacher", "model")]  # type: ignore[index]
    assert widths == [0.125, 0.25]
    features = kept(tmp_path)
    run(["train", "evaluate"], phantoms, tmp_path, **other)
    assert kept(tmp_path) > features  # of the reported images
    own = run(
        ["train", "evaluate"], phantoms, tmp_path, **{**other, "stage": "teacher", "output_dir": str(tmp_path / "own")}
    )
    assert own is not None
    rows, alone = (
        list(csv.DictReader((tmp_path / folder / "images.csv").read_text().splitlines())) for folder in ("out", "own")
    )
    assert [row["teacher.score"] for row in rows] == [row["teacher.score"] for row in alone]
