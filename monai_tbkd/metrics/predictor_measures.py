"""All numbers of one predictor on the reported split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import torch

from monai_tbkd.metrics import (
    best_box_iou,
    detection_average_precision,
    false_boxes,
    froc,
    lesion_groups,
    matched_box_iou,
    max_box_acc,
    pixel_average_precision,
    saliency_energy,
    union_mask_iou,
)
from monai_tbkd.metrics.bootstrap import Interval, bootstrap_mean, bootstrap_ratio, group_codes
from monai_tbkd.metrics.calibration import calibration_summary
from monai_tbkd.metrics.image_level import image_level_metrics
from monai_tbkd.metrics.operating_point import specificity_threshold
from monai_tbkd.metrics.pixel_counts import pixel_counts
from monai_tbkd.metrics.pointing_game import PointingGame
from monai_tbkd.metrics.proportions import wilson
from monai_tbkd.metrics.split_truth import SplitTruth
from monai_tbkd.metrics.weighted_bootstrap import Statistic, bootstrap_weighted
from monai_tbkd.transforms import Boxes, MapToBoxes, box_masks
from monai_tbkd.transforms.map_to_boxes import no_boxes

DEFINITIONS: dict[str, str] = {
    **union_mask_iou.DEFINITIONS,
    "box_union_miou": "union-mask mIoU of the union of the predicted boxes, none where the film's score is too low",
    **best_box_iou.DEFINITIONS,
    **matched_box_iou.DEFINITIONS,
    **max_box_acc.DEFINITIONS,
    **pixel_average_precision.DEFINITIONS,
    **saliency_energy.DEFINITIONS,
    **detection_average_precision.DEFINITIONS,
    **froc.DEFINITIONS,
    **false_boxes.DEFINITIONS,
    "pointing_game": "share of TB films whose map is strongest inside a true box",
    "ranking_of_boxes": (
        "for AP, AR and FROC boxes are drawn on every film and ranked by box score times film score; boxes that were "
        "given as such are all taken and ranked by their own score"
    ),
    "auc": "area under the ROC curve, TB against all other films",
    "at_threshold": (
        "sensitivity and specificity at score thresholds of the selection split: operating_point, that of sensitivity "
        "plus specificity, and specificity_70, the lowest with a specificity of 70 % there"
    ),
    "sources": "the same by hospital, where the reported split has several",
    "oracle": "what the threshold that is best on the reported films would have given: an upper bound, no result",
    **{f"groups_{name}": text for name, text in lesion_groups.DEFINITIONS.items()},
}
_CURVE_POINTS = 101


class Predictions(NamedTuple):
    """What a predictor says of the films of a split, in their order."""

    maps: np.ndarray
    """TB maps ``(N, h, w)`` of 0-1."""
    scores: np.ndarray | None
    """TB scores ``(N,)`` of 0-1; None for a predictor that does not look at films."""
    boxes: Sequence[Boxes] | None = None
    """Boxes of a detector, on a square grid with as many cells as its maps; None: boxes are drawn from the maps."""


def served_boxes(predictions: Predictions, index: int, to_boxes: MapToBoxes) -> Boxes:
    """The boxes of a film as they are served: drawn from its map, or a detector's own at or above the threshold.

    Args:
        predictions: of the split.
        index: of the film.
        to_boxes: with the predictor's thresholds; a film whose score is below its gate gets none.

    Example:
        >>> own = Boxes(torch.tensor([[0.0, 0, 2, 2], [2, 2, 4, 4]]), torch.tensor([0.9, 0.3]))
        >>> detector = Predictions(np.zeros((1, 4, 4)), None, [own])
        >>> served_boxes(detector, 0, MapToBoxes((4, 4), threshold=0.5)).boxes
        tensor([[0., 0., 2., 2.]])
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


class PredictorMeasures:
    """Measures a predictor film by film, and sums up with intervals.

    Args:
        truth: of the reported split.
        predictions: its maps ``(N, grid, grid)`` on the truth's grid, and scores.
        map_threshold: chosen elsewhere.
        gated: maps to boxes as they are served: none on films whose score is too low.
        ungated: the same without the gate, for metrics that go over all thresholds themselves.
        resamples: bootstrap samples.
        seed: of the bootstrap.
        select: scores and TB of the selection split's films, which a temperature is fitted on; None: none is.
    """

    def __init__(
        self,
        truth: SplitTruth,
        predictions: Predictions,
        map_threshold: float,
        gated: MapToBoxes,
        ungated: MapToBoxes,
        resamples: int = 2000,
        seed: int = 0,
        select: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self.select = select
        self.truth, self.maps, self.scores = truth, predictions.maps, predictions.scores
        self.map_threshold, self.resamples, self.seed = map_threshold, resamples, seed
        self.cuts = {"operating_point": gated.score_threshold}
        """Score thresholds, all chosen elsewhere."""
        if select is not None:
            self.cuts["specificity_70"] = specificity_threshold(*select)
        drawn = [served_boxes(predictions, i, gated) for i in range(len(self.maps))]
        self.boxes = [each.boxes.double().numpy() for each in drawn]
        """Boxes ``(n, 4)`` a film as served, on the grid."""
        if predictions.boxes is None:
            film_scores = np.ones(len(self.maps)) if self.scores is None else self.scores
            every = [ungated(torch.from_numpy(m)[None]) for m in self.maps]
        else:  # a detector has ranked its boxes itself
            film_scores, every = np.ones(len(self.maps)), list(predictions.boxes)
        self.ranked = [
            (each.boxes.double().numpy(), each.scores.double().numpy() * score)
            for each, score in zip(every, film_scores, strict=True)
        ]
        """Boxes of every film and what they are ranked by."""

    @cached_property
    def union_mask_iou(self) -> np.ndarray:
        """``(N,)``, nan for films without boxes: what predictors are compared by, film by film."""
        steps = np.array([self.map_threshold])
        return union_mask_iou.union_iou_sweep(self.maps, self.truth.masks, steps)[:, 0]

    @cached_property
    def box_union_iou(self) -> np.ndarray:
        """``(N,)``, the same of the union of the predicted boxes."""
        n = self.truth.grid
        boxed = np.stack([box_masks(b, (n, n)) if len(b) else np.zeros((n, n), bool) for b in self.boxes])
        return union_mask_iou.union_iou_sweep(boxed.astype(np.float32), self.truth.masks, np.array([0.5]))[:, 0]

    @cached_property
    def pointing(self) -> np.ndarray:
        """``(N,)``, 1 where the map is strongest in a true box, 0 elsewhere, nan for films without boxes."""
        game = PointingGame()
        game(torch.from_numpy(self.maps)[:, None], torch.from_numpy(self.truth.masks)[:, None])
        return torch.as_tensor(game.get_buffer()).numpy()[:, 0]

    def summary(self) -> dict[str, Any]:
        """Every number with its interval and the number of films behind it, JSON-able."""
        numbers = self._image_level()
        if len(self.truth.sources) > 1:
            numbers["sources"] = {name: self._of_source(films) for name, films in self.truth.sources.items()}
        if not self.truth.boxed.any():
            return numbers
        return {**self._regions(), **self._boxes(), **self._detections(), **numbers, **self._by_group()}

    def _regions(self) -> dict[str, Any]:
        truth = self.truth
        without_tb = ~truth.tb
        everywhere = union_mask_iou.union_iou_sweep(
            self.maps, truth.masks, np.array([self.map_threshold]), without_tb=without_tb
        )[:, 0]
        energy = saliency_energy.saliency_energy(self.maps, truth.masks)
        boxed_maps, boxed_masks = self.maps[truth.boxed], truth.masks[truth.boxed]
        counts = pixel_counts(boxed_maps, boxed_masks, pixel_average_precision.PXAP_THRESHOLDS)
        steps = np.linspace(0, 1, _CURVE_POINTS)
        sweep = union_mask_iou.union_iou_sweep(self.maps, truth.masks, steps)
        curve = np.nanmean(sweep[truth.boxed], axis=0)
        best = int(curve.argmax())
        return {
            "union_mask_miou": self._mean(self.union_mask_iou),
            "union_mask_miou_all_films": self._mean(everywhere),
            "box_union_miou": self._mean(self.box_union_iou),
            "pointing_game": self._share(self.pointing),
            "proportional_energy": self._mean(energy.proportional_energy),
            "average_saliency_focus": self._mean(energy.average_saliency_focus),
            "pxap": self._weighted(lambda w: pixel_average_precision.pixel_average_precision(counts, w), truth.boxed),
            "threshold_curve": {"thresholds": _rounded(steps), "union_mask_miou": _rounded(curve)},
            "oracle": {"map_threshold": float(steps[best]), "union_mask_miou": self._mean(sweep[:, best])},
        }

    def _boxes(self) -> dict[str, Any]:
        truth = self.truth
        best = [best_box_iou.best_box_ious(p, t) for p, t in zip(self.boxes, truth.boxes, strict=True)]
        number = np.array([len(t) for t in truth.boxes], dtype=float)
        sums = np.where(number > 0, [b.sum() for b in best], np.nan)
        hits = np.where(number[:, None] > 0, best_box_iou.box_hits(best), np.nan)
        pairs = [matched_box_iou.match_boxes(p, t) for p, t in zip(self.boxes, truth.boxes, strict=True)]
        overlap = np.where(truth.boxed, [p.iou_sum for p in pairs], np.nan)
        matched = {
            name: self._ratio(overlap, np.array([p.denominator(kind) for p in pairs], dtype=float))
            for name, kind in (("box_matched_miou", "all"), ("box_matched_miou_true", "true"))
        }
        stretched = np.stack([(m - m.min()) / max(float(np.ptp(m)), 1e-12) for m in self.maps])
        ious = {c: max_box_acc.film_box_ious(stretched, truth.boxes, components=c) for c in max_box_acc.COMPONENTS}
        false = false_boxes.false_boxes(self.boxes, ~truth.tb)
        return {
            "best_box_iou": self._ratio(sums, number),
            "box_accuracy": {
                f"{level:g}": self._ratio(hits[:, i], number) for i, level in enumerate(best_box_iou.ACCURACY_LEVELS)
            },
            **matched,
            "max_box_acc": self._weighted(
                lambda w: max_box_acc.max_box_acc(ious["largest"][truth.boxed], (0.5,), w).accuracy[:, 0], truth.boxed
            ),
            "max_box_acc_v2": self._weighted(
                lambda w: max_box_acc.max_box_acc(ious["all"][truth.boxed], weights=w).accuracy.mean(axis=1),
                truth.boxed,
            ),
            "false_boxes_per_film_without_tb": self._mean(false),
            "films_without_tb_with_false_box": self._share(np.where(np.isnan(false), np.nan, false > 0)),
        }

    def _detections(self) -> dict[str, Any]:
        known = np.flatnonzero(self.truth.known)
        boxes, ranks = ([self.ranked[i][part] for i in known] for part in (0, 1))
        true = [self.truth.boxes[i] for i in known]
        matched = detection_average_precision.match_detections(boxes, ranks, true)
        events = froc.froc_events(boxes, ranks, true)
        without_tb = ~self.truth.tb[known]

        def precision(levels: list[int] | None) -> Statistic:
            # Blind predictors rank the boxes of all films alike; which come first must not matter.
            return lambda w: detection_average_precision.average_precision(matched, w, levels, True).mean(axis=1)

        numbers: dict[str, Any] = {
            "ap50": self._weighted(precision([0]), self.truth.known),
            "ap": self._weighted(precision(None), self.truth.known),
            "ar": self._weighted(
                lambda w: detection_average_precision.average_recall(matched, weights=w).mean(axis=1), self.truth.known
            ),
        }
        for name, counted in (("froc", None), ("froc_without_tb", without_tb)):
            if counted is not None and not counted.any():
                continue
            numbers[name] = {
                f"{rate:g}": self._weighted(partial(_found_at, events, rate, counted), self.truth.known)
                for rate in froc.FALSE_RATES
            }
        return numbers

    def _image_level(self) -> dict[str, Any]:
        tb = self.truth.tb
        if self.scores is None or tb.all() or not tb.any():
            return {"auc": None}
        scores = np.asarray(self.scores, dtype=float)
        numbers = image_level_metrics(scores, tb, self.truth.patients, self.resamples, seed=self.seed)
        fixed: Mapping[str, Any] = {"resamples": self.resamples, "seed": self.seed}
        calibration = calibration_summary(scores, tb, self.truth.patients, **fixed, fit_on=self.select)
        if self.select is None:
            # A temperature of the films that it is reported on would be an oracle's.
            calibration["temperature_scaling"] = None
        return {
            **{name: each.as_dict() for name, each in numbers.items()},
            "at_threshold": self._decisions(np.ones(len(tb), dtype=bool)),
            "calibration": calibration,
        }

    def _decisions(self, films: np.ndarray) -> dict[str, Any]:
        """Sensitivity and specificity on some films at the thresholds that were chosen elsewhere."""
        scores, tb = np.asarray(self.scores, dtype=float), self.truth.tb
        return {
            name: {
                "threshold": cut,
                "sensitivity": self._share(np.where(films & tb, scores >= cut, np.nan)),
                "specificity": self._share(np.where(films & ~tb, scores < cut, np.nan)),
            }
            for name, cut in self.cuts.items()
        }

    def _of_source(self, films: np.ndarray) -> dict[str, Any]:
        """Numbers of one hospital: those of a split that has nothing else, in short."""
        tb, patients = self.truth.tb[films], self.truth.patients
        numbers: dict[str, Any] = {"films": int(films.sum()), "tb_films": int(tb.sum()), "auc": None}
        if self.scores is not None and tb.any() and not tb.all():
            own = None if patients is None else [p for p, use in zip(patients, films, strict=True) if use]
            level = image_level_metrics(
                np.asarray(self.scores, dtype=float)[films], tb, own, self.resamples, seed=self.seed
            )
            numbers |= {name: level[name].as_dict() for name in ("auc", "sensitivity_at_specificity_70")}
            numbers["at_threshold"] = self._decisions(films)
        if self.truth.boxed[films].any():
            of = {"union_mask_miou": self.union_mask_iou, "box_union_miou": self.box_union_iou}
            numbers |= {name: self._mean(np.where(films, values, np.nan)) for name, values in of.items()}
            numbers["pointing_game"] = self._share(np.where(films, self.pointing, np.nan))
        return numbers

    def _by_group(self) -> dict[str, Any]:
        truth = self.truth
        best = [best_box_iou.best_box_ious(p, t) for p, t in zip(self.boxes, truth.boxes, strict=True)]
        per_box = np.concatenate([*best, np.zeros(0)])
        fixed: Mapping[str, Any] = {"resamples": self.resamples, "seed": self.seed, "patients": truth.patients}
        films = lesion_groups.film_means_by_group(self.union_mask_iou, truth.film_groups, **fixed)
        boxes = lesion_groups.box_means_by_group(per_box, truth.box_groups, **fixed)
        return {
            "groups": {
                by: {
                    name: {
                        "union_mask_miou": interval.as_dict(),
                        **({"best_box_iou": boxes[by][name].as_dict()} if name in boxes.get(by, {}) else {}),
                    }
                    for name, interval in groups.items()
                }
                for by, groups in films.items()
            }
        }

    def _mean(self, values: np.ndarray) -> dict[str, Any]:
        return bootstrap_mean(values, self.resamples, seed=self.seed, groups=self.truth.patients).as_dict()

    def _share(self, values: np.ndarray) -> dict[str, Any]:
        interval = self._mean(values)
        if interval["value"] in (0.0, 1.0):
            # All films alike: every resample is the same, which would pass for certainty.
            known = ~np.isnan(values)
            patients = self.truth.patients
            kept = None if patients is None else [p for p, use in zip(patients, known, strict=True) if use]
            number = int(group_codes(kept, int(known.sum())).max()) + 1
            limits = wilson(np.array([interval["value"] * number]), np.array([number]))
            interval |= {"low": round(float(limits.low[0]), 6), "high": round(float(limits.high[0]), 6)}
        return interval

    def _ratio(self, top: np.ndarray, bottom: np.ndarray) -> dict[str, Any]:
        return bootstrap_ratio(top, bottom, self.resamples, seed=self.seed, groups=self.truth.patients).as_dict()

    def _weighted(self, statistic: Statistic, films: np.ndarray) -> dict[str, Any]:
        patients = self.truth.patients
        kept = None if patients is None else [p for p, use in zip(patients, films, strict=True) if use]
        n = int(films.sum())
        if n == 0:
            return Interval(np.nan, np.nan, np.nan, 0).as_dict()
        return bootstrap_weighted(
            lambda w: _columns(statistic(w)), n, self.resamples, seed=self.seed, groups=kept
        ).as_dict()


def _found_at(events: froc.FrocEvents, rate: float, counted: np.ndarray | None, weights: np.ndarray) -> np.ndarray:
    return np.asarray(froc.froc_sensitivity(events, (rate,), weights, counted)[:, 0])


def _columns(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=float).reshape(len(values))


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(v), 5) for v in values]
