"""The films that a report shows: best, median and worst, and the loudest false alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np
import torch

from monai_tbkd.metrics import Predictions
from monai_tbkd.metrics.predictor_measures import served_boxes
from monai_tbkd.report.color_key import color_key
from monai_tbkd.report.film_overlays import read_film
from monai_tbkd.report.film_pictures import panel_pictures
from monai_tbkd.report.html_page import called, image, jpeg_uri, words
from monai_tbkd.report.prediction_table import as_written
from monai_tbkd.transforms import MapToBoxes, Panel, film_box_mask, rescale_boxes

ORDER = ("teacher", "control", "student")

Fit = Callable[[Mapping[str, Any]], MapToBoxes]


class ChosenFilms(NamedTuple):
    """Indices of films of the reported split."""

    best: list[int]
    median: list[int]
    worst: list[int]
    """By union-mask IoU, no film in two of them."""
    false_alarms: list[int]
    """Films without TB, the highest score first."""


def film_ious(items: Sequence[Mapping[str, Any]], maps: np.ndarray, to_boxes: MapToBoxes) -> np.ndarray:
    """Union-mask IoU of each film ``(N,)``, nan for films without known boxes, as the comparison has them.

    Args:
        items: datalist items.
        maps: TB maps ``(N, h, w)`` of 0-1.
        to_boxes: whose mask, at its threshold, is compared.
    """
    grid = to_boxes.to_mask.size[0]
    values = []
    for item, tb_map in zip(items, maps, strict=True):
        if not item["boxes"]:
            values.append(np.nan)
            continue
        true = film_box_mask(item, grid)
        mask = to_boxes.to_mask(torch.from_numpy(np.asarray(tb_map, dtype=np.float32))[None])[0].numpy()
        values.append(float((mask & true).sum() / max((mask | true).sum(), 1)))
    return np.array(values)


def choose_films(ious: np.ndarray, scores: np.ndarray | None, positive: np.ndarray, number: int = 3) -> ChosenFilms:
    """Films to show.

    Args:
        ious: `film_ious`.
        scores: of the films ``(N,)``, or None.
        positive: which have TB, bool ``(N,)``.
        number: of each kind, at most.

    Example:
        >>> choose_films(np.array([0.1, 0.9, 0.5, np.nan]), np.array([0, 0, 0, 1.0]), np.arange(4) < 3, 1)
        ChosenFilms(best=[1], median=[2], worst=[0], false_alarms=[3])
    """
    known = np.flatnonzero(~np.isnan(ious))
    order = [int(i) for i in known[np.argsort(-ious[known], kind="stable")]]
    each = min(number, max(1, len(order) // 3))
    best = order[:each]
    worst = order[each:][-each:]
    middle = order[len(best) : len(order) - len(worst)]
    start = (len(middle) - min(each, len(middle))) // 2
    others = np.flatnonzero(~positive) if scores is not None else np.zeros(0, dtype=int)
    loudest = [] if scores is None else [int(i) for i in others[np.argsort(-scores[others], kind="stable")]]
    return ChosenFilms(best, middle[start : start + each], worst, loudest[:number])


def film_figures(
    items: Sequence[Mapping[str, Any]],
    predictions: Mapping[str, Mapping[str, Predictions]],
    result: Mapping[str, Any],
    fit: Fit,
    main: str,
    number: int = 3,
) -> str:
    """HTML with the chosen films: the film with its true boxes, then each network's map and boxes.

    Args:
        items: datalist items of the reported split.
        predictions: by network, with a ``test`` split in the order of the items.
        result: of the comparison, for operating points.
        fit: from an operating point to the box fitting that was scored.
        main: the network whose films are best or worst.
        number: films of each kind, at most.
    """
    names = [n for n in ORDER if n in predictions] + [n for n in predictions if n not in ORDER]
    fitted = {name: fit(result["predictors"][name]["operating_point"]) for name in names}
    ious = {name: film_ious(items, predictions[name]["test"].maps, fitted[name]) for name in names}
    positive = np.array([item["class_name"] == "tb" for item in items])
    scores = predictions[main]["test"].scores
    chosen = choose_films(ious[main], scores, positive, number)
    gate = result["predictors"][main]["operating_point"]["score_threshold"]

    def films(indices: Sequence[int]) -> str:
        return "".join(_film(items[i], i, names, predictions, fitted, ious) for i in indices)

    of = f"of {int((~np.isnan(ious[main])).sum())} TB films with boxes of the reported split, "
    by = f"by {called(main)}'s union-mask IoU"
    parts = [color_key()]
    for title, indices, text in (
        ("Best", chosen.best, f"The highest {of}{by}."),
        ("Median", chosen.median, f"Around the middle {of}{by}: what to expect of a film."),
        ("Worst", chosen.worst, f"The lowest {of}{by}."),
        (
            "Highest scores without tuberculosis",
            chosen.false_alarms,
            f"Of {int((~positive).sum())} films without TB, those with {called(main)}'s highest scores"
            + (f"; boxes are drawn from a score of {100 * gate:.0f}." if gate is not None else "."),
        ),
    ):
        if indices:
            parts.append(f'<h3>{title}</h3>\n<p class="basis">{text}</p>\n{films(indices)}')
    return "\n".join(parts)


def _film(
    item: Mapping[str, Any],
    index: int,
    names: Sequence[str],
    predictions: Mapping[str, Mapping[str, Predictions]],
    fitted: Mapping[str, MapToBoxes],
    ious: Mapping[str, np.ndarray],
) -> str:
    film = read_film(item["image"])
    panels = [Panel("", true_boxes=item["boxes"] or [])]
    title = escape(as_written(str(item["name"])))
    number = len(item["boxes"] or [])
    boxes_there = f"{number} true {'box' if number == 1 else 'boxes'}" if item["boxes"] is not None else "boxes unknown"
    label = words(str(item["class_name"]))
    captions = [f"film, {boxes_there}"]
    for name in names:
        test, to_boxes = predictions[name]["test"], fitted[name]
        tb_map = torch.from_numpy(np.asarray(test.maps[index], dtype=np.float32))[None]
        score = None if test.scores is None else float(test.scores[index])
        found = served_boxes(test, index, to_boxes)
        boxes = rescale_boxes(found.boxes, to_boxes.to_mask.size, film.shape)
        panels.append(Panel("", tb_map, boxes=boxes, box_scores=found.scores))
        iou = ious[name][index]
        parts = [] if np.isnan(iou) else [f"IoU {iou:.2f}"]
        parts += [] if score is None else [f"score {100 * score:.0f}"]
        parts.append(f"{len(boxes)} {'box' if len(boxes) == 1 else 'boxes'}")
        captions.append(f"{name.replace('_', ' ')}: {', '.join(parts)}")
    cells = []
    for picture, caption in zip(panel_pictures(film, panels, 280), captions):
        alt = f"{as_written(str(item['name']))}, {caption}"
        cells.append(f"<div>{image(jpeg_uri(picture), alt)}{escape(caption)}</div>")
    return (
        f'<figure class="film"><figcaption><b>{title}</b>, label: {label}</figcaption>'
        f'<div class="panels" style="--panels:{len(panels)}">{"".join(cells)}</div></figure>'
    )
