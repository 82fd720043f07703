from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from PIL import Image

from monai_tbkd.handlers import PredictionWriter


def film(name: str, score: float = 0.8, reason: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    image = MetaTensor(torch.rand(3, 16, 16), meta={"filename_or_obj": f"/films/{name}"})
    batch = {"image": image, "name": name, "reason": reason, "detail": reason and "why", "original_size": [40, 20]}
    boxes = torch.tensor([[1.0, 2.0, 10.0, 30.0]]) if score >= 0.5 else torch.zeros(0, 4)
    output = {
        "score": torch.tensor([score]),
        "pred_boxes": boxes,
        "pred_box_scores": torch.full((len(boxes),), 0.9),
        "tb_map": torch.rand(1, 4, 4),
    }
    return batch, output


def run(writer: PredictionWriter, batches: list[list[tuple[dict, dict]]], fail: bool = False) -> None:
    def step(engine: Engine, batch: list[tuple[dict, dict]]) -> list[dict]:
        if fail and engine.state.iteration == len(batches):
            raise RuntimeError("power cut")
        engine.state.batch = [b for b, _ in batch]
        return [o for _, o in batch]

    engine = Engine(step)
    writer.attach(engine)
    engine.run(batches)


def test_rows_in_order_with_scores_boxes_and_refusals(tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path, 0.5, "a test", "v1")
    run(writer, [[film("b.png"), film("a/c.png", 0.2)], [film("x.dcm", reason="CORRUPT")]])
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert [r["name"] for r in rows] == ["b.png", "a/c.png", "x.dcm"]
    assert [r["decision"] for r in rows] == ["TB suggestive", "not TB suggestive", ""]
    assert json.loads(rows[0]["boxes"]) == [[1.0, 2.0, 10.0, 30.0, 0.9]]
    assert (rows[1]["boxes"], rows[1]["n_boxes"]) == ("[]", "0")
    assert (rows[2]["reason"], rows[2]["score_0_100"], rows[2]["boxes"]) == ("CORRUPT", "", "")
    content = json.loads((tmp_path / "predictions.json").read_text())
    assert content["notice"] == "research use only, not for diagnosis"
    assert content["films"][2]["score_0_100"] is None
    assert content["films"][0]["score_0_100"] == pytest.approx(80.0)
    assert {p.name for p in (tmp_path / "overlays").iterdir()} == {"b.png", "a_c.png"}
    # in the film's proportions: 40 rows, 20 columns, two panels
    assert Image.open(tmp_path / "overlays" / "b.png").size == (2 * 192, 384 + 62)


def test_names_that_would_meet_keep_their_own_overlay(tmp_path: Path) -> None:
    run(PredictionWriter(tmp_path, 0.5), [[film("a/b.png"), film("a_b.png")]])
    assert len(list((tmp_path / "overlays").iterdir())) == 2


def test_what_was_finished_stays_when_the_run_ends_early(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        run(PredictionWriter(tmp_path, 0.5, overlays=False), [[film("a.png")], [film("b.png")]], fail=True)
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert [r["name"] for r in rows] == ["a.png"]
    assert not (tmp_path / "predictions.json").exists()
