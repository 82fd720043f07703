from __future__ import annotations

import base64
import html
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pytest
import torch
from PIL import Image

from monai_tbkd.__main__ import main
from monai_tbkd.data import ImageWarning, ReasonCode
from monai_tbkd.data.readers.image_turn import ImageTurn
from monai_tbkd.report import ImageReports
from monai_tbkd.report.image_pictures import ImagePicture, fit_side, map_layer, thumbnail
from monai_tbkd.report.image_reports import AT_ONCE, batch_page, image_page, page_stem, write_reports
from monai_tbkd.results import PredictionTable
from monai_tbkd.results.prediction_table import COLUMNS
from monai_tbkd.transforms.map_to_boxes import upsample_map
from monai_tbkd.transforms.overlay import blend_map
from tests.report.parsed_page import Page

NASTY = '<script>alert("1")</script>&.dcm'
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SETTINGS = {"voi": "first", "thresholds": {"map_threshold": 0.5}, "model_version": "v<1>"}


def row(**values: Any) -> dict[str, Any]:
    given = {
        "name": NASTY, "path": f"/images/{NASTY}", "status": "done", "source_format": "dicom", "height": 40,
        "width": 20, "pixel_steps": "first VOI window applied; inverted", "score_0_100": 80.0,
        "threshold_0_100": 62.5, "threshold_id": "a test", "decision": "TB suggestive", "n_boxes": 1,
        "boxes": [[1.0, 2.0, 10.0, 30.0, 0.9]], "model_version": "v<1>", "seconds": 0.1, "sop_instance_uid": "1.2.3",
    }  # fmt: skip
    return {**dict.fromkeys(COLUMNS), **given, **values}


def refused(reason: str = "NOT_CHEST", status: str = "refused") -> dict[str, Any]:
    none = dict.fromkeys(
        ("score_0_100", "threshold_0_100", "threshold_id", "decision", "n_boxes", "boxes", "pixel_steps")
    )
    return row(status=status, reason=reason, detail=f"why it was <b>{status}</b>", **none)


def picture(boxes: bool = True, tb_map: bool = True) -> ImagePicture:
    image = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    there = torch.tensor([[1.0, 2.0, 10.0, 30.0]])
    return ImagePicture(
        image, (40, 20), there if boxes else None, torch.tensor([0.9]) if boxes else None,
        torch.full((1, 4, 4), 0.25) if tb_map else None,
    )  # fmt: skip


def pictures_in(text: str) -> list[Image.Image]:
    found = re.findall(r"data:image/(?:jpeg|png);base64,([^\"]+)", text)
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in found]


def test_an_image_with_boxes() -> None:
    text = image_page(row(warnings="AGE_UNKNOWN; VIEW_UNKNOWN"), picture(), "../predictions.html")
    page = Page(text)
    assert page.text.count("Research use only, not for diagnosis.") == 2
    assert "Score 80.0 of 100, at or above the threshold of 62.5; 1 box." in page.text
    assert 'aria-label="Score 80.0 of 100, threshold 62.5"' in text
    assert page.row("1")[1:] == ["90", "1", "2", "10", "30"]
    for code in (ImageWarning.AGE_UNKNOWN, ImageWarning.VIEW_UNKNOWN):
        assert code in page.text
        assert code.meaning in page.text
    for words in ("First VOI window applied", "Inverted", "v<1>", "a test", "1.2.3"):
        assert words in page.text
    image, layer = pictures_in(text)  # once each, though two panels show the image
    assert image.size == (320, 640)
    assert layer.size == (96, 192)
    # the same box on both panels, in the image's own pixels
    assert text.count('viewBox="0 0 20 40"') == 2
    assert text.count('<rect x="1.0" y="2.0" width="9.0" height="28.0"/>') == 2


def test_it_loads_nothing_and_names_are_text() -> None:
    text = image_page(row(), picture(), "../predictions.html")
    page = Page(text)
    assert {load.partition(",")[0] for load in page.loads} == {
        "../predictions.html", "#image-picture", "data:image/jpeg;base64", "data:image/png;base64",
    }  # fmt: skip
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'\"" in text
    assert "script" not in page.tags
    assert NASTY in page.text


@pytest.mark.parametrize("reason", ["NOT_CHEST", "CORRUPT"])
def test_a_refused_image_has_its_reason_and_no_score(reason: str) -> None:
    code = ReasonCode(reason)
    shown = None if code.is_failure else picture(boxes=False, tb_map=False)
    page = Page(image_page(refused(reason, "failed" if code.is_failure else "refused"), shown))
    assert code.meaning[1:] in page.text
    assert f"({code})" in page.text
    assert ("The image cannot be shown." in page.text) == code.is_failure
    assert "of 100" not in page.text
    assert "why it was <b>" in page.text
    assert page.tags.count("svg") == (0 if code.is_failure else 1)
    assert "What was done to the pixels" not in page.text


def test_an_image_of_another_kind_has_a_score_and_no_decision() -> None:
    none = dict.fromkeys(("threshold_0_100", "threshold_id", "decision", "n_boxes", "boxes"))
    text = image_page(row(detail="calibrated on pictures", warnings="OTHER_INPUT_KIND", **none), picture(boxes=False))
    page = Page(text)
    assert "Score 80.0, no decision" in page.text
    assert "calibrated on pictures" in page.text
    assert 'aria-label="Score 80.0 of 100, no threshold"' in text
    assert "<rect" not in text


def test_a_score_just_below_its_threshold_does_not_look_like_it() -> None:
    near = row(score_0_100=62.47, decision="not TB suggestive", n_boxes=0, boxes=[])
    assert "Score 62.47 of 100, below the threshold of 62.50; no box." in Page(image_page(near, picture())).text


def test_without_a_map_the_page_says_so() -> None:
    page = Page(image_page(row(), picture(tb_map=False)))
    assert "The map was not kept" in page.text
    assert page.tags.count("svg") == 1


def test_the_layer_over_the_image_is_what_the_overlay_shows() -> None:
    tb_map = torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(0))
    image = np.random.default_rng(0).integers(0, 255, (32, 48), dtype=np.uint8)
    layer = map_layer(tb_map, image.shape, side=48).convert("RGBA")
    assert layer.size == (48, 32)
    over = Image.alpha_composite(Image.fromarray(image).convert("RGBA"), layer).convert("RGB")
    expected = blend_map(image, upsample_map(tb_map, (32, 48))[0].numpy())
    assert np.abs(np.asarray(over).astype(int) - expected.astype(int)).max() <= 3  # two roundings to 8 bits


def test_a_thumbnail_has_boxes_where_they_are() -> None:
    there = ImagePicture(np.zeros((8, 8), np.uint8), (40, 20), torch.tensor([[10.0, 20.0, 20.0, 40.0]]))
    small = np.asarray(thumbnail(there, 80))
    assert small.shape == (80, 40, 3)
    assert tuple(small[-1, -1]) == (255, 196, 0)
    assert tuple(small[40, 20]) == (255, 196, 0)
    assert small[:39].max() == 0
    assert fit_side((1, 3000), 64) == (1, 64)


def test_the_same_image_gives_the_same_page(tmp_path: Path) -> None:
    assert image_page(row(), picture()) == image_page(row(), picture())


def images(number: int = 12) -> list[dict[str, Any]]:
    """Every kind of row; scores go up by threes and have halves, which are rounded."""
    rows = []
    for i in range(number):
        score = (37.25 + 3 * i) % 100
        found = score >= 62.5
        decision = "TB suggestive" if found else "not TB suggestive"
        rows.append(row(name=f"f{i}.png", score_0_100=score, decision=decision, n_boxes=i % 3 if found else 0))
    none = dict.fromkeys(("threshold_0_100", "threshold_id", "decision", "n_boxes", "boxes"))
    rows.append(row(name="other.dcm", score_0_100=100.0, warnings="OTHER_INPUT_KIND; AGE_UNKNOWN", **none))
    rows.append({**refused("NOT_FRONTAL"), "name": "lateral.dcm"})
    rows.append({**refused("CORRUPT", "failed"), "name": NASTY})
    return rows


def data_of(text: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    return json.loads(found)


def test_counts_reasons_and_rows() -> None:
    rows = images()
    page = Page(batch_page(rows, SETTINGS, {"f1.png": ("pages/f1.html", "t/f1.jpg")}))
    tiles = dict(zip(*[iter(re.findall(r'<span class="(?:what|value)">([^<]*)', batch_page(rows, SETTINGS, {})))] * 2))
    assert tiles == {
        "all images": "15", "TB suggestive": "3", "not TB suggestive": "9", "scored, no decision": "1",
        "refused": "1", "failed": "1",
    }  # fmt: skip
    assert page.row("NOT_FRONTAL")[2] == page.row("CORRUPT")[2] == page.row("AGE_UNKNOWN")[2] == "1"
    first = [cells[1] for cells in page.rows if len(cells) == 6][1:]
    assert first[0] == "other.dcm"  # the highest score
    assert set(first) == {r["name"] for r in rows}
    assert first[-2:] == ["lateral.dcm", NASTY]  # without a score: last, and there
    assert "15 images. Threshold 62.5 of 100 (a test)." in page.text
    assert "voi" in page.text
    assert page.row("thresholds, map_threshold")[1] == "0.5"


def test_it_loads_pictures_beside_it_and_nothing_else() -> None:
    text = batch_page(images(), SETTINGS, {"f1.png": ("image_reports/f1.html", "image_reports/thumbnails/f1.jpg")})
    page = Page(text)
    links = {load for load in page.loads if not load.startswith("#")}
    assert links == {"image_reports/f1.html", "image_reports/thumbnails/f1.jpg"}
    assert page.tags.count("script") == 2  # the data, which do not run, and the one that the policy names
    assert "default-src 'none'; img-src data: 'self' file:; style-src 'unsafe-inline'; script-src 'sha256-" in text
    assert "alert(" not in re.sub(r"&lt;script&gt;.*?&lt;/script&gt;|\\u003cscript.*?\\u003c/script", "", text)
    assert NASTY in {image[0] for image in data_of(text)["images"]}


def test_ten_thousand_images_are_a_file_of_two_megabytes_and_a_hundred_rows() -> None:
    rows = [row(name=f"folder {i % 10}/image {i}.dcm", score_0_100=i / 100) for i in range(10_000)]
    links = {r["name"]: (f"image_reports/{quote(r['name'])}.html", f"thumbnails/{quote(r['name'])}.jpg") for r in rows}
    text = batch_page(rows, SETTINGS, links)
    assert len(text) < 2_500_000
    assert sum(len(cells) == 6 for cells in Page(text).rows) == AT_ONCE + 1
    assert len(data_of(text)["images"]) == 10_000


def test_a_bar_has_the_images_that_its_link_shows() -> None:
    rows = [row(score_0_100=s) for s in (0.0, 4.99, 5.0, 62.5, 99.9, 100.0)]
    text = batch_page(rows, SETTINGS, {})
    bars = re.findall(r'<a href="#min=(\d+)&amp;max=(\d+)" title="(\d+) images? with', text)
    assert bars == [("0", "5", "2"), ("5", "10", "1"), ("60", "65", "1"), ("95", "100", "2")]
    assert "left:62.50%" in text


def test_no_images_and_no_scores_are_pages_too() -> None:
    assert "0 images. No threshold was in use." in Page(batch_page([], {}, {})).text
    assert "Scores of" not in Page(batch_page([refused()], {}, {})).text
    assert "nothing was doubted" in Page(batch_page([row()], {}, {})).text
    assert "killed here" in Page(batch_page([row()], {}, {}, "killed here")).text


def shown(path: Path, hash_: str = "") -> tuple[str, list[list[str]], str]:
    """Count, rows and HTML of the table's body as a browser has them."""
    if CHROMIUM is None:
        pytest.skip("no chromium to open the page in")
    profile = path.parent / "profile"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000",
               f"--user-data-dir={profile}", "--dump-dom", f"{path.as_uri()}{hash_}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (count,) = re.findall(r'<p class="found-count" role="status">([^<]*)', done.stdout)
    body = re.findall(r'<div class="images wide".*?<tbody>(.*?)</tbody>', done.stdout, re.DOTALL)[0]
    return count, [cells for cells in Page(body).rows if len(cells) == 6], body


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "predictions.html"
    links = {"f1.png": ("image_reports/f1.html", "image_reports/thumbnails/f1.jpg")}
    path.write_text(batch_page(images(150), SETTINGS, links), encoding="utf-8")
    return path


@pytest.mark.system
def test_the_script_draws_the_rows_that_stand_there_without_it(page: Path) -> None:
    count, rows, body = shown(page)
    assert count == "153 of 153 images, the first 100 shown"
    assert len(rows) == AT_ONCE
    standing = re.findall(r'<div class="images wide".*?<tbody>(.*?)</tbody>', page.read_text(), re.DOTALL)[0]
    assert html.unescape(body) == html.unescape(standing)


@pytest.mark.system
@pytest.mark.parametrize(
    ("hash_", "names"),
    [
        ("#show=refused", ["lateral.dcm"]),
        ("#show=failed", [NASTY]),
        ("#why=AGE_UNKNOWN", ["other.dcm"]),
        ("#q=F14.PNG", ["f14.png"]),
        ("#q=f14&sort=name", ["f14.png", *(f"f14{i}.png" for i in range(10))]),
        ("#min=98&max=100&sort=score", ["f87.png", "f54.png", "other.dcm"]),
        ("#min=35&max=40&sort=-score&q=f0", ["f0.png"]),
    ],
)
def test_filters_and_orders(page: Path, hash_: str, names: list[str]) -> None:
    count, rows, _ = shown(page, hash_)
    assert [cells[1] for cells in rows] == names
    assert count.startswith(f"{len(names)} of 153 images")


@pytest.mark.system
def test_images_without_a_value_are_last_in_every_order(page: Path) -> None:
    for order in ("score", "boxes", "-boxes"):
        _, rows, _ = shown(page, f"#q=.dcm&sort={order}")
        assert rows[-1][1] in ("lateral.dcm", NASTY), order


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
    text = (out / "image_reports" / "a #1.png.html").read_text(encoding="utf-8")
    assert '<rect x="10.0" y="20.0" width="50.0" height="60.0"/>' in text
    assert "The map was not kept" in text
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
