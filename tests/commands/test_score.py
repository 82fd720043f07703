"""The score command: other programs' maps and boxes, measured as our own networks are."""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from monai_tbkd.__main__ import main
from monai_tbkd.data import load_datalist
from monai_tbkd.transforms import image_box_mask
from tests.conftest import REPOSITORY, open_bundle
from tests.metrics.test_box_metrics import pycocotools_numbers
from tests.report.test_evaluation_page import BlankCanvas

pytestmark = pytest.mark.bundle

FAST = ["--select", "0.34", "--grid", "64", "--bootstrap_resamples", "50"]
Write = Callable[..., list[str]]


def metrics_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_tbkd.report.evaluation_charts.FigureCanvasSVG", BlankCanvas)


@pytest.fixture(scope="module")
def splits(phantoms: Path) -> dict[str, Any]:
    return load_datalist(str(phantoms), select=0.34)


@pytest.fixture
def maps(splits: dict[str, Any], tmp_path: Path) -> Path:
    """Good maps of other sizes, by the names of the images."""
    folder = tmp_path / "cam"
    for split in ("select", "test"):
        for i, item in enumerate(splits[split]):
            path = (folder / item["name"]).with_suffix(".npy")
            path.parent.mkdir(parents=True, exist_ok=True)
            side = (32, 64, 128)[i % 3]
            np.save(path, 0.1 + 0.8 * image_box_mask(item, side).astype(np.float32))
    return folder


def command(phantoms: Path, tmp_path: Path, *more: object) -> list[str]:
    return ["score", "--dataset_dir", str(phantoms), "--output_dir", str(tmp_path / "out"), *FAST, *map(str, more)]


@pytest.mark.usefixtures("undrawn")
def test_our_own_network_s_maps_score_as_evaluate_says(trained: Path, phantoms: Path, tmp_path: Path) -> None:
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(trained / "models"), "output_dir": str(tmp_path / "again")}
    workflow = open_bundle(["train", "evaluate"], **where)
    workflow.initialize()
    study = workflow.parser.get_parsed_content("evaluate::study")
    found = study._predict("student")
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "score"])
        for split, predictions in found.items():
            for item, tb_map, score in zip(study.comparison.items[split], predictions.maps, predictions.scores):
                path = tmp_path / "maps" / (item["name"] + ".npy")
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, tb_map)
                writer.writerow([item["name"], repr(float(score))])
    given = ("--maps", f"student={tmp_path / 'maps'}", "--scores", f"student={tmp_path / 'scores.csv'}")
    assert main(command(phantoms, tmp_path, *given, "--smallest_area", "0.002")) == 0
    mine, theirs = metrics_of(tmp_path / "out"), metrics_of(trained / "out")
    assert mine["splits"] == theirs["splits"]
    for key, number in theirs["predictors"]["student"].items():
        if key == "operating_point":  # sums of a network may differ in their last bit from one run to the next
            assert mine["predictors"]["student"][key] == {k: pytest.approx(v) for k, v in number.items()}
        elif not key.endswith("_minus"):
            assert mine["predictors"]["student"][key] == number, key
    for blind in ("blind_prior", "center_box", "mean_map"):
        own = mine["predictors"]["student"]["union_mask_miou_minus"][blind]
        assert own == theirs["predictors"]["student"]["union_mask_miou_minus"][blind]


def test_maps_of_any_size_are_scored_beside_blind_baselines(
    phantoms: Path, splits: Any, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(phantoms, tmp_path, "--maps", f"grad_cam={maps}")) == 0
    result = metrics_of(tmp_path / "out")
    row = result["predictors"]["grad_cam"]
    assert row["union_mask_miou"]["value"] > 0.9
    assert row["auc"]["value"] == 1.0  # no scores given: the largest value of each map
    assert row["operating_point"]["chosen_on"].startswith("select split")
    read = result["provenance"]["inputs"]["grad_cam"]
    assert read["files"] == len(splits["select"]) + len(splits["test"]) and read["images_without"] == 0
    printed = capsys.readouterr().out
    assert "grad_cam" in printed and "above the blind prior" in printed and "center_box" in printed
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Grad cam is <strong>above the blind prior</strong>" in page
    assert "Maps and boxes that were made elsewhere" in page and read["sha256"] in page
    assert "Networks trained" not in page
    with (tmp_path / "out" / "images.csv").open(newline="") as file:
        images = list(csv.DictReader(file))
    ious = [float(f["grad_cam.union_mask_iou"]) for f in images if f["grad_cam.union_mask_iou"]]
    assert np.mean(ious) == pytest.approx(row["union_mask_miou"]["value"], abs=1e-6)


@pytest.mark.usefixtures("undrawn")
def test_boxes_from_maps_are_drawn_as_asked(phantoms: Path, maps: Path, tmp_path: Path) -> None:
    found = {}
    for name, more in {"plain": (), "large": ("--smallest_area", "0.3", "--largest_number", "1")}.items():
        given = ("--maps", f"cam={maps}", "--map_threshold", "0.5", "--score_threshold", "0.5")
        assert main([*command(phantoms, tmp_path / name, *given), *more]) == 0
        found[name] = metrics_of(tmp_path / name / "out")
    drawn = found["large"]["provenance"]["evaluation"]
    assert (drawn["smallest_area"], drawn["largest_number"]) == (0.3, 1)
    plain, large = (found[name]["predictors"]["cam"]["best_box_iou"]["value"] for name in ("plain", "large"))
    assert plain > 0.6 and large == 0  # no lesion takes three tenths of the image


@pytest.mark.usefixtures("undrawn")
def test_scales(phantoms: Path, splits: Any, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(phantoms, tmp_path, "--maps", f"cam={maps}")) == 0
    plain = metrics_of(tmp_path / "out")["predictors"]["cam"]
    for path in maps.rglob("*.npy"):
        np.save(path, 20 * np.load(path).astype(np.float64) - 7)
    assert main(command(phantoms, tmp_path, "--maps", f"cam={maps}")) == 2
    error = capsys.readouterr().err
    assert "values from -5 to " in error and "expected 0 to 1" in error and "--scale image" in error
    assert main(command(phantoms, tmp_path, "--maps", f"cam={maps}", "--scale", "all")) == 0
    scaled = metrics_of(tmp_path / "out")["predictors"]["cam"]
    for key in ("union_mask_miou", "pointing_game", "auc"):
        assert scaled[key]["value"] == pytest.approx(plain[key]["value"], abs=0.02), key
    # each image by its own range: how much the maps of two images differ is lost, where they point is not
    for i, path in enumerate(sorted(maps.rglob("*.npy"))):
        np.save(path, np.load(path) * (1 + i))
    assert main(command(phantoms, tmp_path, "--maps", f"cam={maps}", "--scale", "image")) == 0
    own = metrics_of(tmp_path / "out")["predictors"]["cam"]
    assert own["union_mask_miou"]["value"] == pytest.approx(plain["union_mask_miou"]["value"], abs=0.02)


def results_of(splits: Any, tmp_path: Path, seed: int = 0) -> tuple[Path, Path, dict[str, tuple[Any, Any]]]:
    """Results and annotations in COCO's form, and the boxes by image."""
    rng = np.random.default_rng(seed)
    results, images, boxes = [], [], {}
    for n, item in enumerate([*splits["select"], *splits["test"]], start=10):
        height, width = item["size"]
        images.append({"id": n, "file_name": item["name"], "height": height, "width": width})
        found = []
        for x0, y0, x1, y1 in item["boxes"] or []:
            jitter = rng.integers(-4, 5, 2)
            found.append([max(x0 + jitter[0], 0), max(y0 + jitter[1], 0), min(x1, width), min(y1, height)])
        for _ in range(rng.integers(0, 3)):
            x, y = rng.integers(0, 90, 2)
            found.append([x, y, x + 20, y + 25])
        marks = rng.random(len(found)).round(4)
        boxes[item["name"]] = (np.array(found, dtype=float).reshape(-1, 4), marks)
        results += [
            {"image_id": n, "category_id": 1, "score": float(s),
             "bbox": [float(b[0]), float(b[1]), float(b[2] - b[0]), float(b[3] - b[1])]}
            for b, s in zip(found, marks)
        ]  # fmt: skip
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "coco.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    return tmp_path / "results.json", tmp_path / "coco.json", boxes


@pytest.mark.usefixtures("undrawn")
def test_boxes_score_as_pycocotools_says(phantoms: Path, splits: Any, tmp_path: Path) -> None:
    results, coco, boxes = results_of(splits, tmp_path)
    assert main(command(phantoms, tmp_path, "--boxes", f"detector={results}", "--coco", coco)) == 0
    row = metrics_of(tmp_path / "out")["predictors"]["detector"]
    test = splits["test"]
    truth = [np.array(item["boxes"] or [], dtype=float).reshape(-1, 4) for item in test]
    oracle = pycocotools_numbers(*([boxes[item["name"]][part] for item in test] for part in (0, 1)), truth)
    assert row["ap"]["value"] == pytest.approx(oracle[0], abs=1e-6)
    assert row["ap50"]["value"] == pytest.approx(oracle[1], abs=1e-6)
    assert 0.05 < row["ap50"]["value"] < 0.999


@pytest.mark.usefixtures("undrawn")
def test_hand_made_boxes(phantoms: Path, splits: Any, tmp_path: Path) -> None:
    """Half of each true box, and nothing else: each number can be said beforehand."""
    results = [
        {"file_name": item["name"].rsplit("/")[-1], "bbox": [x0, y0, (x1 - x0) / 2, y1 - y0], "score": 0.9}
        for split in ("select", "test")
        for item in splits[split]
        for x0, y0, x1, y1 in (item["boxes"] or [])
    ]
    (tmp_path / "half.json").write_text(json.dumps(results))
    assert main(command(phantoms, tmp_path, "--boxes", tmp_path / "half.json")) == 0
    row = metrics_of(tmp_path / "out")["predictors"]["half"]
    alone = [item for item in splits["test"] if len(item["boxes"] or []) == 1]
    assert alone  # boxes of other images may overlap
    assert row["best_box_iou"]["value"] == pytest.approx(0.5, abs=0.05)
    assert row["box_accuracy"]["0.4"]["value"] > row["box_accuracy"]["0.7"]["value"]
    assert row["pointing_game"]["value"] == 1.0
    assert row["false_boxes_per_image_without_tb"]["value"] == 0.0
    assert row["auc"]["value"] == 1.0
    assert row["operating_point"]["map_threshold"] == pytest.approx(0.9)


def test_thresholds_may_be_given_and_then_only_the_reported_images_are_asked_for(
    phantoms: Path, splits: Any, maps: Path, tmp_path: Path
) -> None:
    for item in splits["select"]:
        (maps / item["name"]).with_suffix(".npy").unlink()
    given = ("--map_threshold", "0.5", "--score_threshold", "0.6")
    assert main(command(phantoms, tmp_path, "--maps", maps, *given)) == 0
    result = metrics_of(tmp_path / "out")
    point = result["predictors"]["cam"]["operating_point"]
    assert (point["map_threshold"], point["score_threshold"]) == (0.5, 0.6)
    assert point["chosen_on"] == "given by hand; not chosen here"
    assert "mean_map" not in result["predictors"]
    assert "were given, not chosen here" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.usefixtures("undrawn")
def test_images_without_a_map_are_counted_as_empty_if_asked(
    phantoms: Path, splits: Any, maps: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    lost = next(item for item in splits["test"] if item["class_name"] == "tb")
    (maps / lost["name"]).with_suffix(".npy").unlink()
    assert main(command(phantoms, tmp_path, "--maps", maps)) == 2
    error = capsys.readouterr().err
    assert f"no map of 1: {lost['name']}" in error and "--missing empty" in error
    with caplog.at_level(logging.WARNING):
        assert main(command(phantoms, tmp_path, "--maps", maps, "--missing", "empty")) == 0
    assert "counted as empty" in caplog.text
    result = metrics_of(tmp_path / "out")
    assert result["provenance"]["inputs"]["cam"]["images_without"] == 1
    number = sum(item["class_name"] == "tb" for item in splits["test"])
    assert result["predictors"]["cam"]["pointing_game"]["n"] == number  # it counts, with nothing on it
    assert result["predictors"]["cam"]["union_mask_miou"]["value"] < 1 - 0.9 / number


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.full((4, 4), np.nan), "16 of 16 values are nan or infinite"),
        (np.array([[0.0, np.inf]]), "1 of 2 values are nan or infinite"),
        (np.full((2, 2), 1e300), "nan or infinite"),
        (np.zeros((3, 4, 4)), "shape (3, 4, 4); expected (rows, columns)"),
        (np.zeros(5), "shape (5,); expected"),
        (np.zeros((0, 4)), "shape (0, 4); expected"),
        (np.array([["a"]]), "expected an array of real numbers"),
        (np.array([[{}]], dtype=object), "cannot be read as a NumPy array"),
        (b"not numpy", "cannot be read as a NumPy array"),
        (np.full((4, 4), 1.5), "values from 1.5 to 1.5; expected 0 to 1"),
    ],
)
def test_a_map_that_is_none_is_named(
    content: Any, message: str, phantoms: Path, splits: Any, maps: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = (maps / splits["test"][0]["name"]).with_suffix(".npy")
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    assert main(command(phantoms, tmp_path, "--maps", maps)) == 2
    error = capsys.readouterr().err
    assert str(path) in error and message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
def test_maps_of_strange_images(
    phantoms: Path, maps: Path, tmp_path: Path, splits: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    train = (maps / splits["train"][0]["name"]).with_suffix(".npy")  # known, and not asked for
    np.save(train, np.zeros((2, 2)))
    assert main(command(phantoms, tmp_path, "--maps", maps)) == 0
    np.save(maps / "other.npy", np.zeros((2, 2)))
    assert main(command(phantoms, tmp_path, "--maps", maps)) == 2
    assert "not in the data set, 1: other.npy" in capsys.readouterr().err
    assert main(command(phantoms, tmp_path, "--maps", maps, "--extra", "ignore")) == 0
    twice = maps / (splits["test"][0]["name"] + ".npy")
    np.save(twice, np.zeros((2, 2)))
    assert main(command(phantoms, tmp_path, "--maps", maps, "--extra", "ignore")) == 2
    assert "has two maps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": 1.5}, "entry 0 (from 0): score 1.5; expected 0 to 1"),
        ({"score": None}, "expected four numbers and one"),
        ({"bbox": [1, 2, 0, 4]}, "width and height above 0"),
        ({"bbox": [1, 2, float("nan"), 4]}, "finite"),
        ({"bbox": [500, 2, 4, 4]}, "lies outside"),
        ({"bbox": [1, 2, 3]}, "expected four numbers and one"),
        ({"image_id": 99999}, "image_id 99999 is not among the images"),
        ({"file_name": "no.png"}, "not in the data set, 1: no.png"),
    ],
)
def test_a_box_that_is_none_is_named(
    change: dict[str, Any], message: str, phantoms: Path, splits: Any, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    results, coco, _ = results_of(splits, tmp_path)
    content = json.loads(results.read_text())
    content[0] |= change
    results.write_text(json.dumps(content))
    assert main(command(phantoms, tmp_path, "--boxes", results, "--coco", coco)) == 2
    error = capsys.readouterr().err
    assert message in error and "results.json" in error


def test_boxes_by_id_want_annotations_in_the_data_set_s_pixels(
    phantoms: Path, splits: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, coco, _ = results_of(splits, tmp_path)
    assert main(command(phantoms, tmp_path, "--boxes", results)) == 2
    assert "--coco" in capsys.readouterr().err
    content = json.loads(coco.read_text())
    content["images"][0]["width"] *= 2
    coco.write_text(json.dumps(content))
    assert main(command(phantoms, tmp_path, "--boxes", results, "--coco", coco)) == 2
    assert "boxes have to be in the data set's pixels" in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn")
def test_what_is_left_out_or_doubtful_is_said_and_counted(
    phantoms: Path, splits: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results, coco, _ = results_of(splits, tmp_path)
    content = json.loads(results.read_text())
    height, width = splits["test"][0]["size"]
    name = splits["test"][0]["name"]
    content.append({"file_name": name, "category_id": 1, "score": 0.5, "bbox": [width - 9, height - 9, 12, 5]})
    content.append({"file_name": name, "category_id": 2, "score": 0.5, "bbox": [1, 2, 30, 40]})
    content.append({"file_name": "no.png", "category_id": 1, "score": 0.5, "bbox": [1, 2, 30, 40]})
    results.write_text(json.dumps(content))
    given = ("--boxes", f"detector={results}", "--coco", coco, "--category_ids", "1", "--extra", "ignore")
    high = ("--map_threshold", "1", "--score_threshold", "0.5")
    with caplog.at_level(logging.WARNING):
        assert main(command(phantoms, tmp_path, *given, *high)) == 0
    read = metrics_of(tmp_path / "out")["provenance"]["inputs"]["detector"]
    assert read["boxes_in_file"] == len(content)
    assert (
        read["boxes_of_other_categories"] == read["boxes_of_other_images"] == read["boxes_clipped_by_over_a_pixel"] == 1
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    said = (
        "are of other categories",
        "not in the data set",
        "more than a pixel beyond",
        "reaches the map_threshold 1,",
    )
    for text, warning in zip(said, read["warnings"], strict=True):
        assert text in warning and warning in caplog.text and warning in page


@pytest.mark.usefixtures("undrawn")
def test_a_detector_that_found_nothing_is_scored_and_warned_of(phantoms: Path, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("[]")
    assert main(command(phantoms, tmp_path, "--boxes", tmp_path / "none.json")) == 0
    result = metrics_of(tmp_path / "out")
    assert result["predictors"]["none"]["union_mask_miou"]["value"] == 0
    assert result["provenance"]["inputs"]["none"]["warnings"] == [
        "it holds no box, so that nothing is found on any image."
    ]


def test_scores_of_other_images_alone_are_refused_and_scores_all_alike_are_said(
    phantoms: Path, splits: Any, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, names = tmp_path / "s.csv", [item["name"] for split in ("select", "test") for item in splits[split]]
    given = ("--maps", f"cam={maps}", "--scores", table, "--missing", "empty")
    table.write_text("name,score\nother/a.png,0.5\n")
    assert main(command(phantoms, tmp_path, *given)) == 2
    error = capsys.readouterr().err
    assert f"s.csv: no score of any of the {len(names)} images asked for; found 1: other/a.png" in error
    table.write_text("name,score_0_100\n" + "".join(f"{name},0.5\n" for name in names))
    assert main(command(phantoms, tmp_path, *given)) == 0
    (warning,) = metrics_of(tmp_path / "out")["provenance"]["inputs"]["cam"]["warnings"]
    assert "images have the score 0.005, so that nothing tells them apart" in warning


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "Nothing to score"),
        (("--maps", "blind_prior={maps}"), "blind_prior names two predictors"),
        (("--maps", "{maps}", "--maps", "{maps}"), "cam is given twice"),
        (("--maps", "{maps}", "--scores", "other=x.csv"), "--scores are of other"),
        (("--maps", "{maps}", "--map_threshold", "0.5"), "Give both"),
        (("--maps", "nowhere"), "there is no such folder"),
        (("--boxes", "nowhere.json"), "cannot be read as JSON"),
    ],
)
def test_what_cannot_be_asked(
    more: tuple[str, ...], message: str, phantoms: Path, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(phantoms, tmp_path, *(each.format(maps=maps) for each in more))) == 2
    assert message in capsys.readouterr().err


def test_scores_are_read_strictly(
    phantoms: Path, splits: Any, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [item["name"] for split in ("select", "test") for item in splits[split]]
    table = tmp_path / "scores.csv"

    def score(*lines: str) -> str:
        table.write_text("\n".join(["name,score", *lines]) + "\n")
        assert main(command(phantoms, tmp_path, "--maps", maps, "--scores", table)) == 2
        return capsys.readouterr().err

    assert "line 2: score is 'nan'; expected 0 to 1" in score(f"{names[0]},nan")
    assert "line 3: " in score(f"{names[0]},0.5", f"{names[0]},0.5")
    assert f"no score of {len(names) - 1}: " in score(f"{names[0]},0.5")
    table.write_text("image,p\n")
    assert main(command(phantoms, tmp_path, "--maps", maps, "--scores", table)) == 2
    assert "columns image, p; expected name and score" in capsys.readouterr().err


def test_which_images_are_in_which_split_can_be_asked(phantoms: Path, splits: Any, tmp_path: Path) -> None:
    table = tmp_path / "images.csv"
    assert main(["score", "--dataset_dir", str(phantoms), "--select", "0.34", "--list_images", str(table)]) == 0
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["name"], row["split"]) for row in rows} == {
        (item["name"], split) for split, items in splits.items() for item in items
    }
    assert all(Path(row["image"]).is_file() for row in rows)


def test_several_methods_are_compared_in_pairs(phantoms: Path, splits: Any, maps: Path, tmp_path: Path) -> None:
    results, coco, _ = results_of(splits, tmp_path)
    given = ("--maps", f"cam={maps}", "--boxes", f"detector={results}", "--coco", coco)
    assert main(command(phantoms, tmp_path, *given)) == 0
    rows = metrics_of(tmp_path / "out")["predictors"]
    there, back = (rows[a]["union_mask_miou_minus"][b] for a, b in (("cam", "detector"), ("detector", "cam")))
    assert there["value"] == pytest.approx(-back["value"]) and there["value"] > 0
    assert "cam minus detector" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.usefixtures("undrawn")
def test_the_document_s_grad_cam_example_runs(phantoms: Path, tmp_path: Path) -> None:
    text = (REPOSITORY / "docs" / "evaluation.md").read_text(encoding="utf-8")
    (example,) = (each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "save_grad_cam" in each)
    scope: dict[str, Any] = {}
    exec(example, scope)  # our own document
    torch.manual_seed(0)
    network = torch.nn.Sequential()
    network.add_module("last", torch.nn.Conv2d(1, 4, 3, stride=4))
    network.add_module("pool", torch.nn.AdaptiveAvgPool2d(1))
    network.add_module("flat", torch.nn.Flatten())
    network.add_module("head", torch.nn.Linear(4, 2))
    network.eval()

    def prepare(path: str) -> torch.Tensor:
        return torch.from_numpy(np.asarray(Image.open(path).convert("L"), dtype=np.float32) / 255)[None, None]

    images = tmp_path / "images.csv"
    assert main(["score", "--dataset_dir", str(phantoms), "--select", "0.34", "--list_images", str(images)]) == 0
    scope["save_grad_cam"](network, "last", prepare, images, tmp_path / "cam")
    given = ("--maps", tmp_path / "cam", "--scores", tmp_path / "cam" / "scores.csv", "--scale", "all")
    assert main(command(phantoms, tmp_path, *given)) == 0
    assert metrics_of(tmp_path / "out")["predictors"]["cam"]["union_mask_miou"]["n"] == 5
    # the largest value of a raw map is where the network is most of the opinion that it is TB
    values = [np.load(path) for path in (tmp_path / "cam").rglob("*.npy")]
    assert min(v.min() for v in values) >= 0 and max(v.max() for v in values) > 0
