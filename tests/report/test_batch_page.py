from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from monai_tbkd.report.batch_page import AT_ONCE, batch_page
from tests.report.parsed_page import Page
from tests.report.test_image_page import NASTY, refused, row

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SETTINGS = {"voi": "first", "thresholds": {"map_threshold": 0.5}, "model_version": "v<1>"}


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
