"""All numbers of one predictor on the reported split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import torch

from monai_tbkd.metrics import box_metrics, map_metrics, max_box_acc
from monai_tbkd.metrics.bootstrap import (
    Statistic,
    bootstrap_intervals,
    bootstrap_mean,
    bootstrap_ratio,
    group_codes,
    kept_groups,
    wilson,
)
from monai_tbkd.metrics.calibration import calibration_summary
from monai_tbkd.metrics.image_level import image_level_metrics
from monai_tbkd.metrics.map_metrics import PixelCounts, pixel_counts
from monai_tbkd.metrics.operating_point import maps_in_mode, specificity_threshold
from monai_tbkd.metrics.split_truth import GROUP_DEFINITIONS, SplitTruth
from monai_tbkd.transforms import Boxes, MapToBoxes, box_masks, rescale_boxes
from monai_tbkd.transforms.map_to_boxes import no_boxes

DEFINITIONS: dict[str, str] = {
    **map_metrics.DEFINITIONS,
    "box_union_miou": "union-mask mIoU of the union of the predicted boxes, none where the image's score is too low",
    **box_metrics.DEFINITIONS,
    **max_box_acc.DEFINITIONS,
    "pointing_game": "fraction of TB images whose map is strongest inside a true box",
    "ranking_of_boxes": (
        "for AP, AR and FROC boxes are drawn on every image and ranked by box score times image score; boxes that were "
        "given as such are all taken and ranked by their own score"
    ),
    "auc": "area under the ROC curve, TB against all other images",
    "at_threshold": (
        "sensitivity and specificity at score thresholds of the selection split: operating_point, that of sensitivity "
        "plus specificity, and specificity_70, the lowest with a specificity of 70 % there"
    ),
    "sources": "the same by hospital, where the reported split has several",
    "oracle": "what the threshold that is best on the reported images would have given: an upper bound, no result",
    **{f"groups_{name}": text for name, text in GROUP_DEFINITIONS.items()},
}
_CURVE_STEPS = np.linspace(0, 1, 101)


class Predictions(NamedTuple):
    """What a predictor says of the images of a split, in their order."""

    maps: np.ndarray  # TB maps (N, h, w) of 0-1
    scores: np.ndarray | None  # TB scores (N,) of 0-1; None for a predictor that does not see the images
    boxes: Sequence[Boxes] | None = None
    """Boxes of a detector, on a square grid with as many cells as its maps; None: boxes are drawn from the maps."""


def served_boxes(predictions: Predictions, index: int, to_boxes: MapToBoxes) -> Boxes:
    """Return the boxes of an image as they are served: drawn from its map, or a detector's at or above the threshold.

    An image whose score is below the gate of ``to_boxes`` gets none.
    """
    score = None if predictions.scores is None else float(predictions.scores[index])
    if predictions.boxes is None:
        tb_map = np.asarray(predictions.maps[index], dtype=np.float32)
        return to_boxes(torch.from_numpy(tb_map)[None], score)
    if score is not None and score < to_boxes.score_threshold:
        return no_boxes()
    boxes, scores = predictions.boxes[index]
    above = scores >= to_boxes.to_mask.threshold
    return Boxes(boxes[above], scores[above])


def box_predictions(
    items: Sequence[Mapping[str, Any]],
    boxes: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray],
    image_scores: np.ndarray | None,
    grid: int,
) -> Predictions:
    """Make predictions of a detector's boxes: as they are for metrics of boxes, painted with their scores for maps.

    Args:
        items: datalist items of a split.
        boxes: by image name ``(n, 4)`` in image pixels; images without a box need not be in it.
        scores: by image name ``(n,)`` of 0-1; where boxes overlap, the map has the higher one.
        image_scores: ``(N,)`` of 0-1, or None: the highest score of the image's boxes, 0 without one.
        grid: cells along each side.
    """
    maps, on_grid = np.zeros((len(items), grid, grid), dtype=np.float32), []
    for i, item in enumerate(items):
        own = torch.from_numpy(np.asarray(boxes.get(item["name"], np.zeros((0, 4))), dtype=float))
        marks = np.asarray(scores.get(item["name"], np.zeros(0)), dtype=np.float32)
        scaled = rescale_boxes(own, item["size"], (grid, grid))
        on_grid.append(Boxes(scaled, torch.from_numpy(marks)))
        for box, mark in zip(scaled.numpy(), marks, strict=True):
            painted = box_masks(box[None], (grid, grid))
            maps[i][painted] = np.maximum(maps[i][painted], mark)
    highest = np.array([float(max(scores.get(item["name"], ()), default=0.0)) for item in items])
    return Predictions(maps, highest if image_scores is None else image_scores, on_grid)


@dataclass(eq=False)
class PredictorMeasures:
    """Measures a predictor image by image on the reported split, and summarizes with intervals."""

    truth: SplitTruth
    predictions: Predictions  # maps on the truth's grid
    to_boxes: MapToBoxes  # with thresholds that were chosen elsewhere
    resamples: int = 2000
    seed: int = 0
    select: tuple[np.ndarray, np.ndarray] | None = None
    """Scores and TB of the selection split's images, which a temperature is fitted on; None: none is."""

    def __post_init__(self) -> None:
        predictions, to_boxes = self.predictions, self.to_boxes
        self.maps = maps_in_mode(predictions.maps, to_boxes.to_mask.mode)
        self.scores, self.map_threshold = predictions.scores, to_boxes.to_mask.threshold
        self.cuts = {"operating_point": to_boxes.score_threshold}  # score thresholds, all chosen elsewhere
        if self.select is not None:
            self.cuts["specificity_70"] = specificity_threshold(*self.select)
        self.boxes = [served_boxes(predictions, i, to_boxes).boxes.double().numpy() for i in range(len(self.maps))]
        """Boxes ``(n, 4)`` per image as served, on the grid."""
        if predictions.boxes is None:
            image_scores = np.ones(len(self.maps)) if self.scores is None else self.scores
            every = [to_boxes(torch.from_numpy(m)[None]) for m in predictions.maps]  # which brings them to the mode
        else:  # a detector has ranked its boxes itself
            image_scores, every = np.ones(len(self.maps)), list(predictions.boxes)
        self.ranked = [
            (each.boxes.double().numpy(), each.scores.double().numpy() * score)
            for each, score in zip(every, image_scores, strict=True)
        ]  # boxes of every image and what they are ranked by

    @cached_property
    def _counts(self) -> tuple[np.ndarray, PixelCounts]:
        """All thresholds that any number needs, and the pixel counts of images with known boxes at them."""
        steps = np.unique([*map_metrics.PXAP_THRESHOLDS, *_CURVE_STEPS, self.map_threshold])
        return steps, pixel_counts(self.maps, self.truth.masks, steps, images=self.truth.known)

    def _counts_at(self, thresholds: Sequence[float] | np.ndarray) -> PixelCounts:
        steps, counts = self._counts
        at = np.searchsorted(steps, thresholds)
        return counts._replace(hit=counts.hit[:, at], predicted=counts.predicted[:, at])

    @cached_property
    def union_mask_iou(self) -> np.ndarray:
        """``(N,)``, nan for images without boxes: what predictors are compared by, image by image."""
        return map_metrics.union_iou(self._counts_at([self.map_threshold]))[:, 0]

    @cached_property
    def box_union_iou(self) -> np.ndarray:
        """``(N,)``, the same of the union of the predicted boxes."""
        n, found = self.truth.grid, np.full(len(self.boxes), np.nan)
        for i in np.flatnonzero(self.truth.boxed):
            true, boxes = self.truth.masks[i], self.boxes[i]
            drawn = box_masks(boxes, (n, n)) if len(boxes) else np.zeros_like(true)
            found[i] = (drawn & true).sum() / (drawn | true).sum()
        return found

    @cached_property
    def pointing(self) -> np.ndarray:
        """``(N,)``, 1 where the map is strongest in a true box, 0 elsewhere, nan for images without boxes."""
        maps, masks = (torch.from_numpy(each)[:, None] for each in (self.maps, self.truth.masks))
        return torch.as_tensor(map_metrics.PointingGame()(maps, masks)).numpy()[:, 0]

    @cached_property
    def best_ious(self) -> list[np.ndarray]:
        """``(m,)`` per image: the IoU of each true box with the served box that meets it best."""
        return [box_metrics.best_box_ious(p, t) for p, t in zip(self.boxes, self.truth.boxes, strict=True)]

    def summary(self) -> dict[str, Any]:
        """Return every number with its interval and the number of images behind it, JSON-able."""
        numbers = self._image_level()
        if len(self.truth.sources) > 1:
            numbers["sources"] = {name: self._of_source(images) for name, images in self.truth.sources.items()}
        if not self.truth.boxed.any():
            return numbers
        return {**self._regions(), **self._boxes(), **self._detections(), **numbers, **self._by_group()}

    def _regions(self) -> dict[str, Any]:
        boxed = self.truth.boxed
        everywhere = map_metrics.union_iou(self._counts_at([self.map_threshold]), ~self.truth.tb)[:, 0]
        energy = map_metrics.saliency_energy(self.maps, self.truth.masks)
        pooled = PixelCounts(*(each[boxed] for each in self._counts_at(map_metrics.PXAP_THRESHOLDS)))
        sweep = map_metrics.union_iou(self._counts_at(_CURVE_STEPS))
        curve = np.nanmean(sweep[boxed], axis=0)
        best = int(curve.argmax())
        (pxap,) = self._weighted(lambda w: map_metrics.pixel_average_precision(pooled, w)[:, None], boxed)
        return {
            "union_mask_miou": self._mean(self.union_mask_iou),
            "union_mask_miou_all_images": self._mean(everywhere),
            "box_union_miou": self._mean(self.box_union_iou),
            "pointing_game": self._fraction(self.pointing),
            "proportional_energy": self._mean(energy.proportional_energy),
            "average_saliency_focus": self._mean(energy.average_saliency_focus),
            "pxap": pxap,
            "threshold_curve": {"thresholds": _rounded(_CURVE_STEPS), "union_mask_miou": _rounded(curve)},
            "oracle": {"map_threshold": float(_CURVE_STEPS[best]), "union_mask_miou": self._mean(sweep[:, best])},
        }

    def _boxes(self) -> dict[str, Any]:
        truth, boxed = self.truth, self.truth.boxed
        number = np.array([len(t) for t in truth.boxes], dtype=float)
        sums = np.where(number > 0, [b.sum() for b in self.best_ious], np.nan)
        accuracy = {}
        for level in box_metrics.ACCURACY_LEVELS:
            hits = np.array([(best >= level).sum() for best in self.best_ious])
            accuracy[f"{level:g}"] = self._ratio(np.where(number > 0, hits, np.nan), number)
        pairs = [box_metrics.match_boxes(p, t) for p, t in zip(self.boxes, truth.boxes, strict=True)]
        overlap = np.where(boxed, [total for total, _ in pairs], np.nan)
        unpaired = np.array([len(boxes) - paired for boxes, (_, paired) in zip(self.boxes, pairs, strict=True)])
        stretched = np.stack([(m - m.min()) / max(float(np.ptp(m)), 1e-12) for m in self.maps[boxed]])
        ious = max_box_acc.image_box_ious(stretched, [truth.boxes[i] for i in np.flatnonzero(boxed)])

        def box_acc(w: np.ndarray) -> np.ndarray:
            largest, every = max_box_acc.max_box_acc(ious.largest, w, (0.5,)), max_box_acc.max_box_acc(ious.every, w)
            return np.stack([largest[:, 0], every.mean(axis=1)], axis=1)

        false = np.where(truth.tb, np.nan, [float(len(b)) for b in self.boxes])
        return {
            "best_box_iou": self._ratio(sums, number),
            "box_accuracy": accuracy,
            "box_matched_miou": self._ratio(overlap, number + unpaired),
            "box_matched_miou_true": self._ratio(overlap, number),
            **dict(zip(max_box_acc.DEFINITIONS, self._weighted(box_acc, boxed), strict=True)),
            "false_boxes_per_image_without_tb": self._mean(false),
            "images_without_tb_with_false_box": self._fraction(np.where(truth.tb, np.nan, false > 0)),
        }

    def _detections(self) -> dict[str, Any]:
        known = np.flatnonzero(self.truth.known)
        boxes, ranks = ([self.ranked[i][part] for i in known] for part in (0, 1))
        true = [self.truth.boxes[i] for i in known]
        matched, events = box_metrics.match_detections(boxes, ranks, true), box_metrics.froc_events(boxes, ranks, true)

        def precision_and_recall(w: np.ndarray) -> np.ndarray:
            # Blind predictors rank the boxes of all images alike; which come first must not matter.
            ap = box_metrics.average_precision(matched, w, ties_together=True)
            recall = box_metrics.average_recall(matched, w)
            return np.stack([ap[:, 0], ap.mean(axis=1), recall.mean(axis=1)], axis=1)

        found = self._weighted(precision_and_recall, self.truth.known)
        numbers: dict[str, Any] = dict(zip(("ap50", "ap", "ar"), found, strict=True))
        without_tb = ~self.truth.tb[known]
        for name, counted in (("froc", None), *([("froc_without_tb", without_tb)] if without_tb.any() else [])):
            statistic = partial(box_metrics.froc_sensitivity, events, counted=counted)
            rates = (f"{rate:g}" for rate in box_metrics.FALSE_RATES)
            numbers[name] = dict(zip(rates, self._weighted(statistic, self.truth.known), strict=True))
        return numbers

    def _image_level(self) -> dict[str, Any]:
        tb = self.truth.tb
        if self.scores is None or tb.all() or not tb.any():
            return {"auc": None}
        scores = np.asarray(self.scores, dtype=float)
        numbers = image_level_metrics(scores, tb, self.truth.patients, self.resamples, self.seed)
        calibration = calibration_summary(scores, tb, self.truth.patients, self.resamples, self.seed, self.select)
        if self.select is None:
            # A temperature of the images that it is reported on would be an oracle's.
            calibration["temperature_scaling"] = None
        return {
            **{name: each.as_dict() for name, each in numbers.items()},
            "at_threshold": self._decisions(np.ones(len(tb), dtype=bool)),
            "calibration": calibration,
        }

    def _decisions(self, images: np.ndarray) -> dict[str, Any]:
        """Sensitivity and specificity on some images at the thresholds that were chosen elsewhere."""
        scores, tb = np.asarray(self.scores, dtype=float), self.truth.tb
        return {
            name: {
                "threshold": cut,
                "sensitivity": self._fraction(np.where(images & tb, scores >= cut, np.nan)),
                "specificity": self._fraction(np.where(images & ~tb, scores < cut, np.nan)),
            }
            for name, cut in self.cuts.items()
        }

    def _of_source(self, images: np.ndarray) -> dict[str, Any]:
        """Numbers of one hospital: those of a split that has nothing else, in short."""
        tb, patients = self.truth.tb[images], kept_groups(self.truth.patients, images)
        numbers: dict[str, Any] = {"images": int(images.sum()), "tb_images": int(tb.sum()), "auc": None}
        if self.scores is not None and tb.any() and not tb.all():
            scores = np.asarray(self.scores, dtype=float)[images]
            level = image_level_metrics(scores, tb, patients, self.resamples, self.seed)
            numbers |= {name: level[name].as_dict() for name in ("auc", "sensitivity_at_specificity_70")}
            numbers["at_threshold"] = self._decisions(images)
        if self.truth.boxed[images].any():
            of = {"union_mask_miou": self.union_mask_iou, "box_union_miou": self.box_union_iou}
            numbers |= {name: self._mean(np.where(images, values, np.nan)) for name, values in of.items()}
            numbers["pointing_game"] = self._fraction(np.where(images, self.pointing, np.nan))
        return numbers

    def _by_group(self) -> dict[str, Any]:
        (image_of_box, box_groups), n = self.truth.box_groups, len(self.boxes)
        per_box = np.concatenate([*self.best_ious, np.zeros(0)])
        groups: dict[str, Any] = {}
        for by, parts in self.truth.image_groups.items():
            groups[by] = {}
            for name, images in parts.items():
                row = {"union_mask_miou": self._mean(np.where(images, self.union_mask_iou, np.nan))}
                if name in box_groups[by]:
                    chosen = box_groups[by][name]
                    number = np.bincount(image_of_box[chosen], minlength=n)
                    sums = np.bincount(image_of_box[chosen], per_box[chosen], minlength=n)
                    row["best_box_iou"] = self._ratio(np.where(number > 0, sums, np.nan), number)
                groups[by][name] = row
        return {"groups": groups}

    def _mean(self, values: np.ndarray) -> dict[str, Any]:
        return bootstrap_mean(values, self.resamples, self.seed, self.truth.patients).as_dict()

    def _fraction(self, values: np.ndarray) -> dict[str, Any]:
        interval = self._mean(values)
        if interval["value"] in (0.0, 1.0):
            # All images alike: every resample is the same, which would pass for certainty.
            known = ~np.isnan(values)
            codes = group_codes(kept_groups(self.truth.patients, known), int(known.sum()))
            number = int(codes.max()) + 1
            limits = wilson(np.array(interval["value"] * number), np.array(number))
            interval |= {"low": round(float(limits.low), 6), "high": round(float(limits.high), 6)}
        return interval

    def _ratio(self, top: np.ndarray, bottom: np.ndarray) -> dict[str, Any]:
        return bootstrap_ratio(top, bottom, self.resamples, self.seed, self.truth.patients).as_dict()

    def _weighted(self, statistic: Statistic, images: np.ndarray) -> list[dict[str, Any]]:
        """Intervals of a statistic of weights of some images, a column each."""
        patients = kept_groups(self.truth.patients, images)
        intervals = bootstrap_intervals(statistic, int(images.sum()), self.resamples, self.seed, patients)
        return [each.as_dict() for each in intervals]


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(v), 5) for v in values]
