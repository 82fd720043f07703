from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from monai_tbkd.results.prediction_table import COLUMNS, PredictionTable

IMAGES = [{"name": name} for name in ("a.png", 'b, "c".png', "ü\udce9.png", "two\nlines.png", "e.png")]


def row(name: str, **values: Any) -> dict[str, Any]:
    given = {"status": "done", "score_0_100": 12.5, "n_boxes": 1, "boxes": [[1.0, 2.0, 3.0, 4.0, 0.5]], "decision": "-"}
    return {**dict.fromkeys(COLUMNS), "name": name, **given, **values}


def fill(folder: Path, number: int = 5, **options: Any) -> PredictionTable:
    table = PredictionTable(folder, **options)
    for image in table.start(IMAGES)[:number]:
        table.append(row(image["name"]))
    return table


def names(folder: Path) -> list[str]:
    rows = list(csv.DictReader((folder / "predictions.csv").open(newline="", encoding="utf-8")))
    images = json.loads((folder / "predictions.json").read_text())["images"]
    assert [f["name"] for f in images] == [r["name"] for r in rows]
    return [r["name"] for r in rows]


def test_both_files_are_complete_after_every_row(tmp_path: Path) -> None:
    table = PredictionTable(tmp_path, {"model_version": "1"})
    assert table.start(IMAGES) == IMAGES
    for number, image in enumerate(IMAGES, start=1):
        table.append(row(image["name"]))
        assert len(names(tmp_path)) == number
    assert names(tmp_path) == ["a.png", 'b, "c".png', "ü\\udce9.png", "two\\nlines.png", "e.png"]
    content = json.loads((tmp_path / "predictions.json").read_text())
    assert content["settings"] == {"model_version": "1"}
    assert content["images"][0]["boxes"] == [[1.0, 2.0, 3.0, 4.0, 0.5]]
    assert content["images"][0]["reason"] is None


def test_a_run_is_gone_on_with_where_it_was_cut_at_any_byte(tmp_path: Path) -> None:
    fill(tmp_path / "whole").finish()
    whole = (tmp_path / "whole" / "predictions.csv").read_bytes()
    for cut in range(len(whole) - 1, whole.index(b"\n"), -7):
        folder = tmp_path / str(cut)
        fill(folder)
        (folder / "predictions.csv").write_bytes(whole[:cut])
        left = (table := PredictionTable(folder, resume=True)).start(IMAGES)
        assert len(left) + len(table.rows) == len(IMAGES)
        assert len(table.rows) == whole[:cut].count(b"\n") - 1
        for image in left:
            table.append(row(image["name"]))
        table.finish()
        assert (folder / "predictions.csv").read_bytes() == whole
        assert (folder / "predictions.json").read_bytes() == (tmp_path / "whole" / "predictions.json").read_bytes()


def test_images_that_came_later_stand_in_their_place_and_gone_ones_keep_their_row(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    table = PredictionTable(tmp_path, resume=True)
    later = [{"name": "0.png"}, *IMAGES[1:]]
    for image in table.start(later):
        table.append(row(image["name"]))
    table.finish()
    assert names(tmp_path) == ["0.png", 'b, "c".png', "ü\\udce9.png", "two\\nlines.png", "e.png", "a.png"]


def test_another_model_is_not_gone_on_with(tmp_path: Path) -> None:
    fill(tmp_path, 2, settings={"model_version": "1"})
    with pytest.raises(ValueError, match=r"model_version: '1' there, '2' now"):
        PredictionTable(tmp_path, {"model_version": "2"}, resume=True).start(IMAGES)
    assert len(names(tmp_path)) == 2


def test_a_torn_json_is_no_reason_to_start_anew(tmp_path: Path) -> None:
    fill(tmp_path, 3, settings={"model_version": "1"})
    whole = (tmp_path / "predictions.json").read_bytes()
    (tmp_path / "predictions.json").write_bytes(whole[:-60])
    table = PredictionTable(tmp_path, {"model_version": "1"}, resume=True)
    assert len(table.start(IMAGES)) == 2
    assert len(names(tmp_path)) == 3


def test_what_has_failed_is_tried_again(tmp_path: Path) -> None:
    table = PredictionTable(tmp_path)
    table.start(IMAGES)
    table.append(row("a.png", status="failed", reason="CORRUPT"))
    table.append(row(IMAGES[1]["name"], status="refused", reason="NOT_CHEST"))
    left = PredictionTable(tmp_path, resume=True).start(IMAGES)
    assert left[0]["name"] == "a.png"
    assert names(tmp_path) == [IMAGES[1]["name"]]


@pytest.mark.parametrize("damage", ["columns", "settings", "numbers"])
def test_foreign_files_are_not_gone_on_with(tmp_path: Path, damage: str) -> None:
    fill(tmp_path, 2)
    if damage == "columns":
        (tmp_path / "predictions.csv").write_text("a,b\n1,2\n")
    elif damage == "numbers":
        table = tmp_path / "predictions.csv"
        table.write_text(table.read_text().replace("12.5", "high"))
    else:
        (tmp_path / "predictions.json").write_text("{")
    with pytest.raises(ValueError, match="start anew"):
        PredictionTable(tmp_path, resume=True).start(IMAGES)


def test_a_run_from_the_start_says_what_it_replaces(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, 2)
    with caplog.at_level(logging.INFO):
        assert PredictionTable(tmp_path).start(IMAGES) == IMAGES
    assert "2 rows of an earlier run are replaced" in caplog.text
    assert names(tmp_path) == []


def test_failures_are_counted_and_refusals_are_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = PredictionTable(tmp_path)
    table.start(IMAGES)
    table.append(row("a.png", status="refused", reason="NOT_CHEST"))
    table.append(row("e.png", status="failed", reason="CORRUPT"))
    with caplog.at_level(logging.INFO):
        table.finish()
    assert table.failed == 1
    assert "1 refused, 1 failed" in caplog.text
    assert "CORRUPT: 1 (the file is cut short or damaged), first e.png" in caplog.text


def test_names_that_a_spreadsheet_would_run_are_text_in_the_table_and_exact_when_read_again(tmp_path: Path) -> None:
    images = [{"name": name} for name in ("=1+1.png", "+1-2.png", "@SUM(1+1).png", "-5", "'=a.png", "a;=b.png")]
    table = PredictionTable(tmp_path)
    for image in table.start(images)[:4]:
        table.append(row(image["name"], detail="=cmd()", score_0_100=-0.5))
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert [cell["name"] for cell in cells] == ["'=1+1.png", "'+1-2.png", "'@SUM(1+1).png", "-5"]
    assert cells[0]["detail"] == "'=cmd()"
    assert cells[0]["score_0_100"] == "-0.5"
    again = PredictionTable(tmp_path, resume=True)
    left = again.start(images)
    assert left == images[4:]
    assert [each["name"] for each in again.rows] == [image["name"] for image in images[:4]]
    assert again.rows[0]["detail"] == "=cmd()"
    for image in left:
        again.append(row(image["name"]))
    again.finish()
    named = [image["name"] for image in images]
    assert [each["name"] for each in PredictionTable(tmp_path).earlier_rows()] == named
    assert [each["name"] for each in json.loads((tmp_path / "predictions.json").read_text())["images"]] == named
