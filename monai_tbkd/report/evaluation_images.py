"""Images of an evaluation with each network's map and boxes, for its report and as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from monai_tbkd.data.files.atomic_write import atomic_write
from monai_tbkd.data.files.own_results import save_marked
from monai_tbkd.metrics import Comparison, Predictions
from monai_tbkd.metrics.predictor_measures import served_boxes
from monai_tbkd.report.html_page import called, picture_uri, words
from monai_tbkd.report.image_pictures import open_image, panel_pictures
from monai_tbkd.results.prediction_table import as_written
from monai_tbkd.transforms import NOTICE, MapToBoxes, Panel, draw_panels, rescale_boxes

BySplit = Mapping[str, Mapping[str, Predictions]]
_ORDER = ("teacher", "control", "student")


class ChosenImages(NamedTuple):
    """Indices of images: best, median and worst by union-mask IoU, none twice; the highest scores without TB."""

    best: list[int]
    median: list[int]
    worst: list[int]
    false_alarms: list[int]


def choose_images(ious: np.ndarray, scores: np.ndarray | None, positive: np.ndarray, number: int = 3) -> ChosenImages:
    """Choose at most so many images of each kind by IoU, score and class, each ``(N,)``.

    Example:
        >>> choose_images(np.array([0.1, 0.9, 0.5, np.nan]), np.array([0, 0, 0, 1.0]), np.arange(4) < 3, 1)
        ChosenImages(best=[1], median=[2], worst=[0], false_alarms=[3])
    """
    known, others = np.flatnonzero(~np.isnan(ious)), np.flatnonzero(~positive)
    order = [int(i) for i in known[np.argsort(-ious[known], kind="stable")]]
    each = min(number, max(1, len(order) // 3))
    best, worst = order[:each], order[each:][-each:]
    middle = order[len(best) : len(order) - len(worst)]
    start = (len(middle) - min(each, len(middle))) // 2
    loudest = [] if scores is None else [int(i) for i in others[np.argsort(-scores[others], kind="stable")]]
    return ChosenImages(best, middle[start : start + each], worst, loudest[:number])


def image_groups(
    comparison: Comparison, predictions: BySplit, result: Mapping[str, Any], main: str
) -> list[dict[str, Any]]:
    """Draw the best, median and worst images of the main network, and its false alarms with the highest scores.

    Arguments as of `write_evaluation_page`. The groups have ``title``, ``text`` and ``images``.
    """
    items, positive = comparison.items["test"], comparison.truth["test"].tb
    names = [n for n in _ORDER if n in predictions] + [n for n in predictions if n not in _ORDER]
    fitted = _fitted(comparison, result, names)
    ious = {name: comparison.measured[name].union_mask_iou for name in names}
    chosen = choose_images(ious[main], predictions[main]["test"].scores, positive)
    gate = result["predictors"][main]["operating_point"]["score_threshold"]
    of = f"of {int((~np.isnan(ious[main])).sum())} TB images with boxes of the reported split, "
    by = f"by {called(main)}'s union-mask IoU"
    alarms = f"Of {int((~positive).sum())} images without TB, those with {called(main)}'s highest scores"
    alarms += f"; boxes are drawn from a score of {100 * gate:.0f}." if gate is not None else "."
    groups = (
        ("Best", chosen.best, f"The highest {of}{by}."),
        ("Median", chosen.median, f"Around the middle {of}{by}: what to expect of an image."),
        ("Worst", chosen.worst, f"The lowest {of}{by}."),
        ("Highest scores without tuberculosis", chosen.false_alarms, alarms),
    )

    def image(index: int) -> dict[str, Any]:
        item, title = items[index], as_written(str(items[index]["name"]))
        gray = open_image(item["image"])[0]
        number = None if item["boxes"] is None else len(item["boxes"])
        there = "boxes unknown" if number is None else f"{number} true {'box' if number == 1 else 'boxes'}"
        panels, captions = [Panel("", true_boxes=item["boxes"] or [])], [f"image, {there}"]
        for name, panel, score, found in network_panels(index, gray.shape, {n: predictions[n] for n in names}, fitted):
            panels.append(panel)
            iou = ious[name][index]
            said = [f"IoU {iou:.2f}"] * (not np.isnan(iou)) + ([] if score is None else [f"score {100 * score:.0f}"])
            said.append(f"{found} {'box' if found == 1 else 'boxes'}")
            captions.append(f"{name.replace('_', ' ')}: {', '.join(said)}")
        pictures = [picture_uri(picture, quality=84) for picture in panel_pictures(gray, panels, 280)]
        return {"title": title, "label": words(str(item["class_name"])), "panels": list(zip(pictures, captions))}

    return [
        {"title": title, "text": text, "images": list(map(image, indices))}
        for title, indices, text in groups
        if indices
    ]


def network_panels(
    index: int, size: Sequence[int], predictions: BySplit, fitted: Mapping[str, MapToBoxes]
) -> Iterator[tuple[str, Panel, float | None, int]]:
    """Yield each network's name, map with boxes, score and number of boxes of the image at an index."""
    for name, by_split in predictions.items():
        test, to_boxes = by_split["test"], fitted[name]
        tb_map = torch.from_numpy(np.asarray(test.maps[index], dtype=np.float32))[None]
        found = served_boxes(test, index, to_boxes)
        boxes = rescale_boxes(found.boxes, to_boxes.to_mask.size, size)
        score = None if test.scores is None else float(test.scores[index])
        yield name, Panel("", tb_map, boxes=boxes, box_scores=found.scores), score, len(boxes)


def write_image_overlays(
    folder: str | Path, comparison: Comparison, predictions: BySplit, result: Mapping[str, Any], number: int
) -> list[Path]:
    """Write ``<image>.png`` for some images: the true boxes, then each network's map and boxes.

    Three quarters of the images have TB; they are evenly spread over the split, not picked by quality. Other arguments
    as of `write_evaluation_page`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()  # nothing of an earlier evaluation may be taken for this one's
    items, positive = comparison.items["test"], comparison.truth["test"].tb
    tb, other = np.flatnonzero(positive).tolist(), np.flatnonzero(~positive).tolist()
    tb = [i for i in tb if items[i]["boxes"]] or tb
    shown = {name: predictions[name] for name in _ORDER if name in predictions}
    fitted = _fitted(comparison, result, shown)
    written = []
    for index in _spread(tb, number - number // 4) + _spread(other, number // 4):
        item = items[index]
        image = open_image(item["image"])[0]
        panels = [Panel("image, true boxes", true_boxes=item["boxes"] or [])]
        for name, panel, score, found in network_panels(index, image.shape, shown, fitted):
            panel.caption = f"{name}: score {100 * (score or 0):.0f}, {found} boxes"
            panels.append(panel)
        path = folder / (str(item["name"]).replace("/", "_").rsplit(".", 1)[0] + ".png")
        title = f"{item['name']}   label: {item['class_name']}"
        picture = draw_panels(image, panels, title, panel_size=320, notice=str(result.get("notice", NOTICE)))
        with atomic_write(path) as part:
            save_marked(picture, part, "PNG")
        written.append(path)
    return written


def _fitted(comparison: Comparison, result: Mapping[str, Any], names: Iterable[str]) -> dict[str, MapToBoxes]:
    return {name: comparison.box_fitting(result["predictors"][name]["operating_point"]) for name in names}


def _spread(indices: Sequence[int], number: int) -> list[int]:
    """Take at most ``number`` of the indices, evenly spread over their order."""
    if len(indices) <= number:
        return list(indices)
    return [indices[int(i)] for i in np.linspace(0, len(indices) - 1, max(number, 0))]
