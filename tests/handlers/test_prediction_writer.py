from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from PIL import Image

from monai_tbkd.handlers import PredictionWriter
from monai_tbkd.report import ImageReports
from monai_tbkd.results import PredictionTable


def image(name: str, score: float = 0.8, reason: str = "", turn: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    image = MetaTensor(torch.rand(3, 16, 16), meta={"filename_or_obj": f"/images/{name}", "turn": turn})
    batch = {"image": image, "name": name, "reason": reason, "detail": reason and "why", "original_size": [40, 20]}
    boxes = torch.tensor([[1.0, 2.0, 10.0, 30.0]]) if score >= 0.5 else torch.zeros(0, 4)
    output = {
        "score": torch.tensor([score]),
        "pred_boxes": boxes,
        "pred_box_scores": torch.full((len(boxes),), 0.9),
        "tb_map": torch.rand(1, 4, 4),
    }
    return batch, output


def run(
    folder: Path,
    batches: list[list[tuple[dict, dict]]],
    fail: bool = False,
    overlays: bool = True,
    input_kind: str = "mixed",
    overlay_format: str = "png",
) -> None:
    def step(engine: Engine, batch: list[tuple[dict, dict]]) -> list[dict]:
        if fail and engine.state.iteration == len(batches):
            raise RuntimeError("power cut")
        engine.state.batch = [b for b, _ in batch]
        return [o for _, o in batch]

    reports = ImageReports(folder, side=32)
    table = PredictionTable(folder, reports=reports)
    table.start([{"name": b["name"]} for batch in batches for b, _ in batch])
    engine = Engine(step)
    PredictionWriter(
        table, 0.5, "a test", "v1", overlays, input_kind, reports=reports, overlay_format=overlay_format
    ).attach(engine)
    engine.run(batches)


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "predictions.csv").open()))


def test_rows_in_order_with_scores_boxes_and_refusals(tmp_path: Path) -> None:
    images = [
        [image("b.png"), image("a/c.png", 0.2)],
        [image("x.dcm", reason="CORRUPT"), image("y", reason="NOT_CHEST")],
    ]
    run(tmp_path, images)
    rows = rows_of(tmp_path)
    assert [r["name"] for r in rows] == ["b.png", "a/c.png", "x.dcm", "y"]
    assert [r["decision"] for r in rows] == ["TB suggestive", "not TB suggestive", "", ""]
    assert [r["status"] for r in rows] == ["done", "done", "failed", "refused"]
    assert json.loads(rows[0]["boxes"]) == [[1.0, 2.0, 10.0, 30.0, 0.9]]
    assert (rows[0]["height"], rows[0]["width"]) == ("40", "20")
    assert (rows[1]["boxes"], rows[1]["n_boxes"]) == ("[]", "0")
    assert (rows[2]["reason"], rows[2]["score_0_100"], rows[2]["boxes"]) == ("CORRUPT", "", "")
    content = json.loads((tmp_path / "predictions.json").read_text())
    assert content["notice"] == "research use only, not for diagnosis"
    assert content["images"][2]["score_0_100"] is None
    assert content["images"][0]["score_0_100"] == pytest.approx(80.0)
    assert {p.name for p in (tmp_path / "overlays").iterdir()} == {"b.png", "a_c.png"}
    # in the image's proportions: 40 rows, 20 columns, two panels
    assert Image.open(tmp_path / "overlays" / "b.png").size == (2 * 192, 384 + 62)


def test_boxes_are_on_the_pixels_as_they_are_stored(tmp_path: Path) -> None:
    run(tmp_path, [[image("a", turn="C"), image("b", turn="T")]], overlays=False)
    mirrored, transposed = rows_of(tmp_path)
    assert json.loads(mirrored["boxes"])[0][:4] == [10, 2, 19, 30]
    assert json.loads(transposed["boxes"])[0][:4] == [2, 1, 30, 10]
    assert (transposed["height"], transposed["width"]) == ("20", "40")


def test_a_threshold_of_another_kind_of_image_decides_nothing(tmp_path: Path) -> None:
    images = [image("a.png"), image("b.dcm")]
    for (batch, _), source_format in zip(images, ("png", "dicom")):
        batch["image"].meta["source_format"] = source_format
    run(tmp_path, [images], input_kind="dicom")
    picture, dicom = rows_of(tmp_path)
    assert (picture["decision"], picture["boxes"], picture["threshold_0_100"]) == ("", "", "")
    assert (picture["score_0_100"], picture["warnings"]) == ("80.0", "OTHER_INPUT_KIND")
    assert "calibrated on input of kind dicom" in picture["detail"]
    assert (dicom["decision"], dicom["n_boxes"]) == ("TB suggestive", "1")
    assert len(list((tmp_path / "overlays").iterdir())) == 2


def test_names_that_would_meet_keep_their_own_overlay(tmp_path: Path) -> None:
    run(tmp_path, [[image("a/b.png"), image("a_b.png"), image("c" * 150 + "/" + "d" * 150)]])
    assert len(list((tmp_path / "overlays").iterdir())) == 3


def test_overlays_as_jpeg_are_the_same_pictures_and_give_way_to_those_of_the_next_run(tmp_path: Path) -> None:
    torch.manual_seed(0)
    batches = [[image("a.png"), image("b.dcm")]]
    pictures = {}
    for kind in ("png", "jpg"):
        run(tmp_path, batches, overlay_format=kind)
        assert {p.name for p in (tmp_path / "overlays").iterdir()} == {f"a.{kind}", f"b.dcm.{kind}"}
        pictures[kind] = np.asarray(Image.open(tmp_path / "overlays" / f"a.{kind}"), dtype=int)
    assert np.abs(pictures["png"] - pictures["jpg"]).mean() < 4
    with pytest.raises(ValueError, match="overlay_format is 'gif'; expected one of png, jpg"):
        run(tmp_path, batches, overlay_format="gif")


def test_what_was_finished_stays_when_the_run_ends_early(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path, [[image("a.png")], [image("b.png")]], fail=True, overlays=False)
    assert [r["name"] for r in rows_of(tmp_path)] == ["a.png"]
    assert [f["name"] for f in json.loads((tmp_path / "predictions.json").read_text())["images"]] == ["a.png"]
    page = (tmp_path / "predictions.html").read_text()
    assert "a.png" in page
    assert "The run ended early" in page
