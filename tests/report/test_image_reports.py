from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.__main__ import main
from monai_tbkd.data.readers.image_turn import ImageTurn
from monai_tbkd.report import ImageReports
from monai_tbkd.report.image_reports import page_stem, write_reports
from monai_tbkd.results import PredictionTable
from tests.report.parsed_page import Page
from tests.report.test_image_page import refused, row


def images_in(folder: Path) -> list[dict]:
    """Two images, one refused by a rule and one that is gone."""
    folder.mkdir()
    for i, name in enumerate(("a #1.png", "b.png", "lateral.png")):
        values = np.random.default_rng(i).integers(0, 255, (200, 150), dtype=np.uint8)
        Image.fromarray(values).save(folder / name)
    size = {"height": 200, "width": 150, "source_format": "png"}
    return [
        row(name="a #1.png", path=str(folder / "a #1.png"), boxes=[[10.0, 20.0, 60.0, 80.0, 0.9]], **size),
        row(name="sub/b.png", path=str(folder / "b.png"), **size),
        {**refused("NOT_FRONTAL"), "name": "lateral.png", "path": str(folder / "lateral.png")},
        {**refused("NOT_READABLE", "failed"), "name": "gone.png", "path": str(folder / "gone.png")},
    ]


def written(out: Path, rows: list[dict], reports: ImageReports | None) -> PredictionTable:
    table = PredictionTable(out, {"voi": "first"}, reports=reports)
    table.start([{"name": each["name"]} for each in rows])
    for each in rows:
        if reports is not None:
            reports.add(each)
        table.append(each)
    table.finish()
    return table


def test_every_image_has_a_page_and_every_link_leads_to_one(tmp_path: Path) -> None:
    rows, out = images_in(tmp_path / "images"), tmp_path / "out"
    written(out, rows, ImageReports(out, side=64))
    pages = sorted(path.name for path in (out / "image_reports").glob("*.html"))
    assert len(pages) == 4
    assert len(list((out / "image_reports" / "thumbnails").iterdir())) == 3  # all but the one that is gone
    page = Page((out / "predictions.html").read_text(encoding="utf-8"))
    links = [load for load in page.loads if load.startswith("image_reports/")]
    assert len(set(links)) == 4 + 3
    assert all((out / unquote(load)).is_file() for load in links)
    for name in pages:
        image = Page((out / "image_reports" / name).read_text(encoding="utf-8"))
        assert "../predictions.html" in image.loads


def test_the_command_makes_pages_of_a_run_that_had_none(tmp_path: Path) -> None:
    rows, out = images_in(tmp_path / "images"), tmp_path / "out"
    written(out, rows, None)
    assert not (out / "predictions.html").exists()
    assert main(["report", str(out)]) == 0
    assert len(list((out / "image_reports").glob("*.html"))) == 4
    html = (out / "image_reports" / "a #1.png.html").read_text(encoding="utf-8")
    assert '<rect x="10.0" y="20.0" width="50.0" height="60.0"/>' in html
    assert "The map was not kept" in html
    # what is there, is kept: it may have a map
    (out / "image_reports" / "a #1.png.html").write_text("kept")
    write_reports(out)
    assert (out / "image_reports" / "a #1.png.html").read_text() == "kept"


def test_boxes_of_a_turned_image_are_upright_on_its_page() -> None:
    boxes, size = [[1.0, 2.0, 10.0, 30.0, 0.9]], (40, 20)
    for letters in ("", "T", "R", "C", "TR", "TC", "RC", "TRC"):
        turn = ImageTurn.from_text(letters)
        assert turn.boxes_upright(turn.boxes_as_stored(boxes, size), size) == boxes


def test_nothing_of_an_earlier_run_is_left(tmp_path: Path) -> None:
    rows, out = images_in(tmp_path / "images"), tmp_path / "out"
    written(out, rows, ImageReports(out))
    written(out, rows[:1], None)
    assert not (out / "predictions.html").exists()
    assert not list((out / "image_reports").glob("*.html"))
    assert not list((out / "image_reports" / "thumbnails").iterdir())


def test_stems_are_file_names_and_no_two_images_share_one() -> None:
    names = ["a.png", "a", "a.dcm", "b/a.png", "b_a.png", "c:d", "c_d", ".a", "_a", "x" * 300, "x" * 301, "ü" * 200]
    stems = [page_stem(name) for name in names]
    assert len(set(stems)) == len(names)
    assert all("/" not in s and ":" not in s and not s.startswith(".") and len(s.encode()) < 200 for s in stems)


def test_a_file_that_is_no_inference_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "predictions.json").write_text(json.dumps({"settings": {}, "images": [{"name": "a"}]}))
    assert main(["report", str(tmp_path)]) == 2
    assert "not what this version's inference" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="output_dir of an inference"):
        write_reports(tmp_path / "none")
