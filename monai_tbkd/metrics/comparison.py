"""Teacher, control, student and blind baselines, measured alike."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR, MEAN_MAP, SHUFFLED, blind_maps
from monai_tbkd.metrics.bootstrap import bootstrap_mean
from monai_tbkd.metrics.image_level import weighted_image_level
from monai_tbkd.metrics.operating_point import (
    SCORE_SELECTIONS,
    SELECTIONS,
    choose_map_threshold,
    choose_score_threshold,
)
from monai_tbkd.metrics.predictor_measures import Predictions, PredictorMeasures
from monai_tbkd.metrics.split_truth import SplitTruth
from monai_tbkd.metrics.weighted_bootstrap import bootstrap_draws, interval_of_draws
from monai_tbkd.transforms import MapToBoxes, stretch_map

logger = logging.getLogger(__name__)


class Comparison:
    """Scores predictors on a reported split, with everything that is chosen chosen on a selection split.

    Each predictor, blind ones included, goes through the same steps: its map threshold is chosen on the TB films of the
    selection split, its score threshold is the one with the best sensitivity plus specificity there, boxes are fitted
    by the same settings. Films whose boxes are unknown take no part in localization; where no reported film has any,
    localization and blind baselines are left out. Where films have patient ids, intervals are over patients.

    Args:
        train_items: datalist items; their boxes fit the blind location prior and nothing else.
        select_items: films of the selection split.
        test_items: films of the reported split.
        grid: cells along each side of the square grid on which masks are compared.
        mode: ``absolute`` or ``relative`` thresholds, see :class:`~monai_tbkd.transforms.MapToBoxes`.
        smallest_area: see there.
        largest_number: see there.
        resamples: bootstrap samples; 0 measures images one by one and leaves out all means.
        seed: of the bootstrap.
        selection: how the map threshold is chosen on the selection split: ``boxes`` (best mean union-mask IoU), or
            without any box ``otsu`` or ``fraction``; see `choose_map_threshold`. Where the selection split has no
            boxes, ``boxes`` becomes ``fraction``.
        score_selection: how the score threshold is chosen there, see `choose_score_threshold`.
        lung_field_dir: a folder of lung masks by film name, for the baseline that is the lung field alone; or None.

    Raises:
        ValueError: a split without films, or a film in both splits.
    """

    def __init__(
        self,
        train_items: Sequence[Mapping[str, Any]],
        select_items: Sequence[Mapping[str, Any]],
        test_items: Sequence[Mapping[str, Any]],
        grid: int = 256,
        mode: str = "absolute",
        smallest_area: float = 0.002,
        largest_number: int = 8,
        resamples: int = 2000,
        seed: int = 0,
        selection: str = "boxes",
        lung_field_dir: str | os.PathLike[str] | None = None,
        score_selection: str = "youden",
    ) -> None:
        if selection not in SELECTIONS:
            raise ValueError(f"selection is {selection!r}; expected one of {SELECTIONS}.")
        if score_selection not in SCORE_SELECTIONS:
            raise ValueError(f"score_selection is {score_selection!r}; expected one of {SCORE_SELECTIONS}.")
        self.score_selection = score_selection
        _refuse_overlap(select_items, test_items)
        self.grid, self.mode = grid, mode
        self.items = {"select": list(select_items), "test": list(test_items)}
        for split, items in self.items.items():
            if not items:
                raise ValueError(f"The {split} split has no film; give it some with --{split} (a share of the films).")
        self.truth = {split: SplitTruth(items, grid) for split, items in self.items.items()}
        without = selection == "boxes" and not self.truth["select"].boxed.any()
        self.selection = "fraction" if without else selection
        self.localizes = bool(self.truth["test"].boxed.any())
        self.blind = blind_maps(train_items, self.items, grid, lung_field_dir)
        self.fit: dict[str, Any] = {"mode": mode, "smallest_area": smallest_area, "largest_number": largest_number}
        self.resamples, self.seed = resamples, seed
        self.left_out = [
            *(["No reported image has boxes or outlines of lesions: localization is left out."] * (not self.localizes)),
            *(
                ["No training image has boxes: there is no blind prior."]
                * (self.localizes and BLIND_PRIOR not in self.blind)
            ),
            *(["No image of the selection split has boxes: map thresholds are chosen without any."] * without),
        ]
        """What the numbers lack, in sentences."""
        for sentence in self.left_out:
            logger.warning("%s", sentence)
        self.measured: dict[str, PredictorMeasures] = {}
        """By predictor, what the last run measured on the reported split, film by film."""

    def run(
        self,
        predictors: Mapping[str, Mapping[str, Predictions]],
        given: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Compare.

        Args:
            predictors: by name, such as ``student``; each with predictions for ``select`` and ``test``.
            given: operating points by predictor, in the form of `choose`, of those for which nothing is to be chosen;
                they need no predictions for ``select``.

        Returns:
            JSON-able: ``left_out``, ``splits`` and ``predictors``, each of the latter with its numbers and intervals,
            its thresholds and where they were chosen, and paired differences to every other predictor.
        """
        everyone = {**predictors, **(self._blind(predictors) if self.localizes else {})}
        rows: dict[str, dict[str, Any]] = {}
        measured: dict[str, PredictorMeasures] = {}
        for name, by_split in everyone.items():
            points = dict(given[name]) if given and name in given else self.choose(by_split["select"])
            test = by_split["test"]._replace(maps=self.on_grid(by_split["test"].maps))
            measured[name] = PredictorMeasures(
                self.truth["test"],
                test,
                points["map_threshold"],
                self.box_fitting(points),
                self.box_fitting({**points, "score_threshold": None}),
                self.resamples,
                self.seed,
                self._select_scores(by_split.get("select")),
            )
            blind = name not in predictors
            summary = measured[name].summary() if self.resamples else {}
            rows[name] = {"blind": blind, **summary, "operating_point": points}
        self.measured = measured
        result = {"splits": {s: truth.counts() for s, truth in self.truth.items()}, "predictors": rows}
        if not self.resamples:
            return result
        for name, row in rows.items():
            mine, others = measured[name], [other for other in rows if other != name]
            if self.localizes:
                row["union_mask_miou_minus"] = {other: self._miou_minus(mine, measured[other]) for other in others}
            if not row["blind"]:
                row["auc_minus"] = {o: self._auc_minus(mine, measured[o]) for o in others if o in predictors}
                if BLIND_PRIOR in rows:
                    row["above_blind_prior"] = bool(row["union_mask_miou_minus"][BLIND_PRIOR]["low"] > 0)
        return {"left_out": self.left_out, **result}

    @property
    def settings(self) -> dict[str, Any]:
        """What numbers depend on beside the films and the predictors."""
        return {
            "grid": self.grid,
            **self.fit,
            "selection": self.selection,
            "score_selection": self.score_selection,
            "bootstrap_resamples": self.resamples,
            "seed": self.seed,
        }

    def choose(self, select: Predictions) -> dict[str, Any]:
        """The thresholds of a predictor, chosen on the selection split.

        Returns:
            ``map_threshold``, ``score_threshold`` (None for a blind predictor), ``chosen_on`` and ``mode``.
        """
        truth, maps = self.truth["select"], self.on_grid(select.maps)
        threshold, how = choose_map_threshold(maps, truth.masks, truth.tb, self.selection)
        return {
            "map_threshold": threshold,
            "score_threshold": choose_score_threshold(select.scores, truth.tb, self.score_selection),
            "mode": self.mode,
            "chosen_on": f"select split, {how}",
        }

    def box_fitting(self, points: Mapping[str, Any]) -> MapToBoxes:
        """Maps to boxes as a predictor with this operating point is scored."""
        return MapToBoxes(
            (self.grid, self.grid),
            threshold=points["map_threshold"],
            score_threshold=points["score_threshold"] or 0.0,
            **self.fit,
        )

    def _select_scores(self, select: Predictions | None) -> tuple[np.ndarray, np.ndarray] | None:
        tb = self.truth["select"].tb
        if select is None or select.scores is None or tb.all() or not tb.any():
            return None
        return np.asarray(select.scores, dtype=float), tb

    def _blind(self, predictors: Mapping[str, Mapping[str, Predictions]]) -> dict[str, dict[str, Predictions]]:
        blind = {name: {s: Predictions(m, None) for s, m in maps.items()} for name, maps in self.blind.items()}
        source = predictors.get("student") or next(iter(predictors.values()), None)
        if source is not None and "select" in source:
            # A location prior without a box: where a network's maps light up on average.
            mean = self.on_grid(source["select"].maps)[self.truth["select"].tb].mean(axis=0)
            blind[MEAN_MAP] = {
                s: Predictions(np.repeat(mean[None], len(items), axis=0), None) for s, items in self.items.items()
            }
            blind[SHUFFLED] = {s: _shuffled(each, self.seed) for s, each in source.items()}
        return blind

    def _miou_minus(self, one: PredictorMeasures, other: PredictorMeasures) -> dict[str, Any]:
        difference = one.union_mask_iou - other.union_mask_iou
        patients = self.truth["test"].patients
        return bootstrap_mean(difference, self.resamples, seed=self.seed, groups=patients).as_dict()

    def _auc_minus(self, one: PredictorMeasures, other: PredictorMeasures) -> dict[str, Any] | None:
        truth = self.truth["test"]
        if one.scores is None or other.scores is None or truth.tb.all() or not truth.tb.any():
            return None
        n, seed, patients = len(truth.tb), self.seed, truth.patients
        statistics = [weighted_image_level("auc", scores, truth.tb) for scores in (one.scores, other.scores)]
        draws = [bootstrap_draws(s, n, self.resamples, seed, patients) for s in statistics]
        values = [float(s(np.ones((1, n)))[0]) for s in statistics]
        return interval_of_draws(draws[0] - draws[1], values[0] - values[1], n).as_dict()

    def on_grid(self, maps: np.ndarray) -> np.ndarray:
        """Maps ``(N, h, w)`` as ``(N, grid, grid)``, stretched to 0-1 where the mode is relative."""
        tensor = torch.from_numpy(np.asarray(maps, dtype=np.float32))[:, None]
        if tensor.shape[-2:] != (self.grid, self.grid):
            tensor = F.interpolate(tensor, size=(self.grid, self.grid), mode="bilinear", align_corners=False)
        return (stretch_map(tensor) if self.mode == "relative" else tensor)[:, 0].numpy()


def _shuffled(predictions: Predictions, seed: int) -> Predictions:
    order = np.random.default_rng(seed).permutation(len(predictions.maps))
    return Predictions(predictions.maps[order], None)


def _refuse_overlap(select: Sequence[Mapping[str, Any]], test: Sequence[Mapping[str, Any]]) -> None:
    for key, what in (("name", "films"), ("image", "film files"), ("patient_id", "patients")):
        there = {str(item[key]) for item in select if item.get(key)}
        both = sorted(there & {str(item[key]) for item in test if item.get(key)})
        if both:
            first = "" if key == "patient_id" else f" (first: {both[0]})"
            raise ValueError(
                f"{len(both)} {what} are in the selection split and in the reported one{first}; a threshold must not "
                "be chosen on films that are reported."
            )
