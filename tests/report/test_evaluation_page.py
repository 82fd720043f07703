from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from monai_tbkd.__main__ import main
from monai_tbkd.metrics import Comparison, Predictions
from monai_tbkd.metrics.comparison_table import interval_text
from monai_tbkd.report import write_evaluation_page
from monai_tbkd.report.evaluation_images import choose_images
from monai_tbkd.report.evaluation_page import read_robustness, refresh_evaluation_page
from monai_tbkd.report.image_pictures import panel_pictures
from monai_tbkd.transforms import Panel, image_box_mask
from tests.report.parsed_page import Page

pytestmark = pytest.mark.bundle

GRID = 32
NASTY = '<script>alert("1")</script>&.png'


def items(folder: Path, prefix: str, number: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    found = []
    for i in range(number):
        for kind in ("tb", "health"):
            path = folder / f"{prefix}_{kind}{i}.png"
            Image.fromarray(rng.integers(0, 255, (GRID, GRID), dtype=np.uint8)).save(path)
            x, y = (int(v) for v in rng.integers(0, 18, 2))
            boxes = [[x, y, x + 10, y + 8]] if kind == "tb" else []
            name = f"{prefix}_{kind}{i}{NASTY}"
            found.append({"name": name, "image": str(path), "class_name": kind, "boxes": boxes, "size": [GRID, GRID]})
    return found


def perfect(images: list[dict[str, Any]], noise: float) -> Predictions:
    rng = np.random.default_rng(0)
    maps = np.stack([image_box_mask(i, GRID) for i in images]) * 0.7 + 0.1
    scores = np.array([0.8 if i["class_name"] == "tb" else 0.3 for i in images]) + rng.uniform(-0.19, 0.19, len(images))
    return Predictions(np.clip(maps + rng.normal(0, noise, maps.shape), 0, 1).astype(np.float32), scores)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, dict[str, Any], dict[str, Any]]:
    """A comparison of two networks on images made by hand, its predictions, and its result as ``evaluate`` has it."""
    folder = tmp_path_factory.mktemp("images")
    splits = (items(folder, "t", 10, 0), items(folder, "s", 6, 1), items(folder, "r", 12, 2))
    comparison = Comparison(*splits, grid=GRID, resamples=50)
    predictions = {
        name: {split: perfect(comparison.items[split], noise) for split in ("select", "test")}
        for name, noise in (("control", 0.4), ("student", 0.2))
    }
    result = {
        "schema_version": 2,
        "notice": "research use only, not for diagnosis",
        "definitions": {"auc": "area <under> the curve"},
        "version": "0",
        "provenance": {
            "versions": {"python": "3"},
            "splits_sha256": {"select": "a" * 64, "test": "b" * 64},
            "settings": {"seed": 0, "train_sha256": "c" * 64},
        },
        **comparison.run(predictions),
        "checkpoints": {"student": {"sha256": "d" * 64, "settings": {"seed": 0}}, "control": None},
    }
    return comparison, predictions, result


@pytest.fixture
def write(study: Any, tmp_path: Path) -> Callable[..., tuple[Path, str]]:
    comparison, predictions, result = study

    def run(robustness: dict[str, Any] | None = None, of: dict[str, Any] = result) -> tuple[Path, str]:
        (tmp_path / "metrics.json").write_text(json.dumps(of))
        path = write_evaluation_page(tmp_path, of, comparison, predictions, robustness)
        return path, path.read_text(encoding="utf-8")

    return run


class BlankCanvas:
    """In the place of matplotlib's, which takes longest: charts are made, and not drawn."""

    def __init__(self, figure: Figure) -> None: ...

    def print_svg(self, file: TextIO, metadata: Any) -> None:
        file.write("<svg></svg>")


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_tbkd.report.evaluation_charts.FigureCanvasSVG", BlankCanvas)


@pytest.fixture(scope="module")
def text(study: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page as it is without robustness."""
    comparison, predictions, result = study
    folder = tmp_path_factory.mktemp("page")
    (folder / "metrics.json").write_text(json.dumps(result))
    path = write_evaluation_page(folder, result, comparison, predictions)
    return path.read_text(encoding="utf-8")


def test_page_loads_nothing_and_says_what_its_pictures_show(text: str) -> None:
    page = Page(text)
    assert {tag for tag in page.tags if tag in ("script", "link", "iframe", "object", "video", "audio")} == set()
    assert all(load.startswith(("data:image/svg+xml;", "data:image/jpeg;", "#")) for load in page.loads)
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text
    assert page.tags.count("img") > 30
    assert page.without_alt == 0
    assert '<html lang="en">' in text
    assert page.text.count("Research use only, not for diagnosis.") == 2


def test_links_lead_to_sections(text: str) -> None:
    wanted = re.findall(r'href="#(\w+)"', text)
    assert {"localization", "scores", "images", "provenance"} <= set(wanted)
    assert "robustness" not in wanted
    assert all(f'id="{name}"' in text for name in wanted)


def test_every_predictor_is_in_the_headline_with_the_intervals_of_the_metrics(text: str, study: Any) -> None:
    page = Page(text)
    head = next(row for row in page.rows if row[0] == "predictor")
    assert "n = 12" in head[1]
    for name, row in study[2]["predictors"].items():
        cells = page.row(name.replace("_", " "))
        assert cells[1] == interval_text(row["union_mask_miou"]), name
        assert cells[2] == interval_text(row["union_mask_miou_minus"].get("blind_prior"))
        assert cells[3] == interval_text(row["best_box_iou"])
        assert cells[6] == interval_text(row["auc"])
        assert (cells[7] == "blind") == row["blind"]
    details = page.row("AP at IoU 0.5 n = 24")
    assert details[1:] == [interval_text(row["ap50"]) for row in study[2]["predictors"].values()]


@pytest.mark.usefixtures("undrawn")
def test_the_verdict_is_that_of_the_paired_interval(study: Any, tmp_path: Path) -> None:
    result = copy.deepcopy(study[2])
    row = result["predictors"]["student"]
    for low, high, above, says in (
        (0.01, 0.2, True, "<strong>above the blind prior</strong>"),
        (-0.1, 0.2, False, "includes 0"),
        (-0.2, -0.1, False, "lies below 0"),
    ):
        row["union_mask_miou_minus"]["blind_prior"] = {"value": (low + high) / 2, "low": low, "high": high, "n": 12}
        row["above_blind_prior"] = above
        (tmp_path / "metrics.json").write_text(json.dumps(result))
        html = re.findall(r'<div class="verdict.*?</div>', refresh_evaluation_page(tmp_path).read_text(), re.DOTALL)[0]
        assert says in html
        assert f"[{low:.3f}, {high:.3f}], n = 12" in html
        assert ("NOT above" in html) != above


def test_names_of_images_and_definitions_are_escaped(text: str) -> None:
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&amp;.png" in text
    assert "area &lt;under&gt; the curve" in text


def test_images_are_chosen_by_iou_and_score_and_none_twice() -> None:
    ious = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, np.nan, np.nan, np.nan])
    scores = np.array([0.9] * 9 + [0.2, 0.8, 0.5])
    chosen = choose_images(ious, scores, np.arange(12) < 9, number=2)
    assert chosen.best == [8, 7]
    assert chosen.worst == [1, 0]
    assert chosen.median == [5, 4]
    assert chosen.false_alarms == [10, 11]
    for n in range(1, 9):
        few = choose_images(ious[:n], scores[:n], np.ones(n, dtype=bool))
        assert few.best[0] == n - 1
        together = few.best + few.median + few.worst
        assert len(together) == len(set(together))
        assert few.false_alarms == []


def test_panels_are_cut_at_their_edges() -> None:
    image = np.full((20, 40), 128, dtype=np.uint8)
    one, two = panel_pictures(image, [Panel("a"), Panel("b", boxes=torch.tensor([[0.0, 0, 40, 20]]))], 280)
    assert one.size == two.size == (280, 140)
    assert set(np.asarray(one).reshape(-1)) == {128}
    edge = np.asarray(two)
    for corner in (edge[0, 0], edge[-1, -1], edge[0, -1], edge[-1, 0]):
        assert tuple(corner) == (255, 196, 0)


def test_false_alarms_are_the_images_without_tb_with_the_highest_scores(text: str, study: Any) -> None:
    comparison, predictions, _ = study
    scores = predictions["student"]["test"].scores
    without = [i for i, item in enumerate(comparison.items["test"]) if item["class_name"] == "health"]
    first = comparison.items["test"][max(without, key=lambda i: scores[i])]["name"]
    part = text[text.index("Highest scores without") :]
    assert first.removesuffix(NASTY) in re.findall(r"<figcaption><b>(\w+)&lt;", part)[0]


def test_provenance_names_hashes_and_the_missing_record(text: str, study: Any) -> None:
    page = Page(text)
    for letter in "abcd":
        assert letter * 64 in page.text
    assert page.row("python")[1] == "3"
    assert page.row("SHA-256")[1:] == ["d" * 64, "-"]


def robustness(result: dict[str, Any]) -> dict[str, Any]:
    def interval(value: float) -> dict[str, Any]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 12}

    numbers = {"auc": interval(0.5), "union_mask_miou": interval(0.25)}
    row = {
        "clean": numbers,
        "corruptions": {"noise": {"1": numbers, "2": numbers, "mean": {"auc_drop": interval(0.2)}}},
        "mean_relative_drop": {"auc": interval(0.125), "union_mask_miou": interval(0.375)},
        "cues": {"letter": {"score_change": interval(0.625)}},
        "occlusions": {"frame_only": {"auc": interval(0.875)}},
    }
    return {
        "splits": result["splits"],
        "definitions": {"cues": {"letter": "a side letter"}},
        "corruption_levels": {"noise": [1.0, 2.0]},
        "networks": {
            name: {"operating_point": result["predictors"][name]["operating_point"], **row}
            for name in ("student", "control")
        },
    }


def test_robustness_is_shown_and_what_it_lacks_is_left_out(
    write: Any, study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = robustness(study[2])
    page = Page(write(found)[1])
    for value in (0.125, 0.375, 0.625, 0.875):
        assert interval_text({"value": value, "low": value - 0.1, "high": value + 0.1}) in " ".join(page.text.split())
    assert "letter: a side letter" in page.text
    assert "Saliency sanity" not in page.text
    monkeypatch.setattr("monai_tbkd.report.evaluation_charts.FigureCanvasSVG", BlankCanvas)
    for part in ("corruptions", "cues", "occlusions"):
        less = copy.deepcopy(found)
        for row in less["networks"].values():
            row[part] = {}
        assert Page(write(less)[1]).text.count("Robustness") == 2


def test_robustness_of_other_networks_is_left_out(study: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = robustness(study[2])
    assert read_robustness(tmp_path, study[2]) is None
    path = tmp_path / "robustness.json"
    path.write_text(json.dumps(found))
    assert read_robustness(tmp_path, study[2]) == found
    found["networks"]["student"]["operating_point"] = {"map_threshold": 0.9, "score_threshold": 0.9}
    path.write_text(json.dumps(found))
    with caplog.at_level(logging.WARNING):
        assert read_robustness(tmp_path, study[2]) is None
    assert "another student" in caplog.text


@pytest.mark.usefixtures("undrawn")
def test_report_command_adds_robustness_and_keeps_images(write: Any, study: Any) -> None:
    path, before = write()
    (path.parent / "robustness.json").write_text(json.dumps(robustness(study[2])))
    assert main(["report", str(path.parent)]) == 0
    after = path.read_text(encoding="utf-8")
    assert 'id="robustness"' in after
    assert before.count("data:image/jpeg") == after.count("data:image/jpeg") > 30
    assert Page(after).row("student") == Page(before).row("student")
    (path.parent / "metrics.json").write_text(json.dumps({**study[2], "seed": 9}))  # images of other metrics
    assert main(["report", str(path.parent)]) == 0
    other = path.read_text(encoding="utf-8")
    assert "data:image/jpeg" not in other
    assert "Reliability" in other


def test_report_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "give the output_dir of an evaluation" in capsys.readouterr().err
    (tmp_path / "metrics.json").write_text("{}")
    assert main(["report", str(tmp_path)]) == 2
    assert "expected what an evaluation" in capsys.readouterr().err


def test_the_same_evaluation_gives_the_same_page(write: Any, text: str) -> None:
    assert write()[1] == text


@pytest.mark.usefixtures("undrawn")
def test_images_of_one_class_give_a_page_without_scores(study: Any, tmp_path: Path) -> None:
    comparison, _, result = study
    tb = {split: [i for i in images if i["class_name"] == "tb"] for split, images in comparison.items.items()}
    only = Comparison(tb["select"], tb["select"], tb["test"], grid=GRID, resamples=20)
    predictions = {"student": {split: perfect(images, 0.2) for split, images in tb.items()}}
    less = {**result, **only.run(predictions), "checkpoints": {"student": None}}
    path = write_evaluation_page(tmp_path, less, only, predictions)
    text = path.read_text(encoding="utf-8")
    assert 'id="scores"' not in text
    assert 'id="images"' in text


def test_evaluation_writes_it(trained: Path) -> None:
    text = (trained / "out" / "report.html").read_text(encoding="utf-8")
    result = json.loads((trained / "out" / "metrics.json").read_text())
    page = Page(text)
    assert page.row("student")[1] == interval_text(result["predictors"]["student"]["union_mask_miou"])
    assert result["checkpoints"]["student"]["sha256"] in page.text
    assert result["provenance"]["splits_sha256"]["test"] in page.text
