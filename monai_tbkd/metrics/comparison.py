"""Teacher, control, student and blind baselines, measured alike."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR, MEAN_MAP, SHUFFLED, blind_maps
from monai_tbkd.metrics.bootstrap import Statistic, kept_groups, paired_differences, weighted_mean
from monai_tbkd.metrics.image_level import weighted_image_level
from monai_tbkd.metrics.operating_point import (
    SCORE_SELECTIONS,
    SELECTIONS,
    choose_map_threshold,
    choose_score_threshold,
    maps_in_mode,
)
from monai_tbkd.metrics.predictor_measures import Predictions, PredictorMeasures
from monai_tbkd.metrics.split_truth import SplitTruth
from monai_tbkd.transforms import MapToBoxes

logger = logging.getLogger(__name__)

PACKAGES = ("monai_tbkd", "monai", "torch", "numpy", "scipy", "pytorch-ignite", "pillow", "pydicom", "nibabel", "itk")


def versions() -> dict[str, str]:
    """Return Python's version and those of the packages that numbers may depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@dataclass(eq=False)
class Comparison:
    """Scores predictors on a reported split, with everything that is chosen chosen on a selection split.

    Each predictor, blind ones included, goes through the same steps: its map threshold and its score threshold are
    chosen on the selection split, boxes are fitted by the same settings. Images whose boxes are unknown take no part in
    localization; where no reported image has any, localization and blind baselines are left out. Where images have
    patient ids, intervals are over patients.

    Raises:
        ValueError: a split without images, or an image in both splits.
    """

    train_items: Sequence[Mapping[str, Any]]  # datalist items; their boxes fit the blind location prior and no more
    select_items: Sequence[Mapping[str, Any]]
    test_items: Sequence[Mapping[str, Any]]
    grid: int = 256  # cells along each side of the square grid on which masks are compared
    mode: str = "absolute"  # this and the next two: see `MapToBoxes`
    smallest_area: float = 0.002
    largest_number: int = 8
    resamples: int = 2000  # of the bootstrap; 0 measures images one by one and leaves out all means
    seed: int = 0
    selection: str = "boxes"  # see `choose_map_threshold`; becomes fraction where no image to choose on has boxes
    lung_field_dir: str | os.PathLike[str] | None = None  # of lung masks by image name, for the lung field alone
    score_selection: str = "youden"  # see `choose_score_threshold`

    def __post_init__(self) -> None:
        for key, known in (("selection", SELECTIONS), ("score_selection", SCORE_SELECTIONS)):
            if getattr(self, key) not in known:
                raise ValueError(f"{key} is {getattr(self, key)!r}; expected one of {known}.")
        _refuse_overlap(self.select_items, self.test_items)
        self.items = {"select": list(self.select_items), "test": list(self.test_items)}
        for split, items in self.items.items():
            if not items:
                raise ValueError(
                    f"The {split} split has no image; give it some with --{split} (a fraction of the images)."
                )
        self.truth = {split: SplitTruth(items, self.grid) for split, items in self.items.items()}
        without = self.selection == "boxes" and not self.truth["select"].boxed.any()
        self.selection = "fraction" if without else self.selection
        self.localizes = bool(self.truth["test"].boxed.any())
        self.blind = blind_maps(self.train_items, self.items, self.grid, self.lung_field_dir)
        self.fit = {key: getattr(self, key) for key in ("mode", "smallest_area", "largest_number")}
        said = {
            "No reported image has boxes or outlines of lesions: localization is left out.": not self.localizes,
            "No training image has boxes: there is no blind prior.": self.localizes and BLIND_PRIOR not in self.blind,
            "No image of the selection split has boxes: map thresholds are chosen without any.": without,
        }
        self.left_out = [sentence for sentence, is_so in said.items() if is_so]  # what the numbers lack, in sentences
        for sentence in self.left_out:
            logger.warning("%s", sentence)
        self.measured: dict[str, PredictorMeasures] = {}
        """By predictor, what the last run measured on the reported split, image by image."""

    def run(
        self,
        predictors: Mapping[str, Mapping[str, Predictions]],
        given: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Measure and compare predictors.

        Args:
            predictors: by name, such as ``student``; each with predictions for ``select`` and ``test``.
            given: operating points by predictor, in the form of `choose`, of those for which nothing is to be chosen;
                they need no predictions for ``select``.

        Returns:
            JSON-able: ``left_out``, ``splits`` and ``predictors`` with numbers, thresholds and paired differences.
        """
        everyone = {**predictors, **(self._blind(predictors) if self.localizes else {})}
        rows: dict[str, dict[str, Any]] = {}
        measured: dict[str, PredictorMeasures] = {}
        for name, by_split in everyone.items():
            points = dict(given[name]) if given and name in given else self.choose(by_split["select"])
            measured[name] = self.measure(by_split["test"], points, by_split.get("select"))
            summary = measured[name].summary() if self.resamples else {}
            rows[name] = {"blind": name not in predictors, **summary, "operating_point": points}
        self.measured = measured
        result = {"splits": {s: truth.counts() for s, truth in self.truth.items()}, "predictors": rows}
        if not self.resamples:
            return result
        tb, boxed = self.truth["test"].tb, self.truth["test"].boxed
        ious = {name: weighted_mean(each.union_mask_iou[boxed]) for name, each in measured.items() if self.localizes}
        scores = {name: each.scores for name, each in measured.items() if each.scores is not None}
        both = bool(tb.any() and not tb.all())
        aucs = {name: weighted_image_level("auc", values, tb) for name, values in scores.items() if both}
        iou_minus, auc_minus = self._differences(ious, boxed), self._differences(aucs, np.ones_like(tb))
        for name, row in rows.items():
            if self.localizes:
                row["union_mask_miou_minus"] = iou_minus[name]
            if not row["blind"]:
                others = dict.fromkeys(other for other in predictors if other != name)
                row["auc_minus"] = {**others, **auc_minus.get(name, {})}
                if BLIND_PRIOR in rows:
                    row["above_blind_prior"] = bool(row["union_mask_miou_minus"][BLIND_PRIOR]["low"] > 0)
        return {"left_out": self.left_out, **result}

    def _differences(self, statistics: Mapping[str, Statistic], images: np.ndarray) -> dict[str, dict[str, Any]]:
        """Compute paired differences ``[predictor][other]`` of a statistic of some images of the reported split."""
        patients = kept_groups(self.truth["test"].patients, images)
        found = paired_differences(statistics, int(images.sum()), self.resamples, self.seed, patients)
        return {name: {other: each.as_dict() for other, each in row.items()} for name, row in found.items()}

    @property
    def settings(self) -> dict[str, Any]:
        """What numbers depend on beside the images and the predictors."""
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

    def measure(
        self, test: Predictions, points: Mapping[str, Any], select: Predictions | None = None
    ) -> PredictorMeasures:
        """Measure a predictor on the reported split at an operating point; ``select`` is for its temperature."""
        tb, scores = self.truth["select"].tb, None
        if select is not None and select.scores is not None and tb.any() and not tb.all():
            scores = np.asarray(select.scores, dtype=float), tb
        test = test._replace(maps=self._resized(test.maps))
        return PredictorMeasures(self.truth["test"], test, self.box_fitting(points), self.resamples, self.seed, scores)

    def _blind(self, predictors: Mapping[str, Mapping[str, Predictions]]) -> dict[str, dict[str, Predictions]]:
        blind = {name: {s: Predictions(m, None) for s, m in maps.items()} for name, maps in self.blind.items()}
        source = predictors.get("student") or next(iter(predictors.values()), None)
        if source is not None and "select" in source:
            # A location prior without a box: the mean activation of a network's maps.
            mean = self._resized(source["select"].maps)[self.truth["select"].tb].mean(axis=0)
            blind[MEAN_MAP] = {
                s: Predictions(np.repeat(mean[None], len(items), axis=0), None) for s, items in self.items.items()
            }
            for split, each in source.items():
                order = np.random.default_rng(self.seed).permutation(len(each.maps))
                blind.setdefault(SHUFFLED, {})[split] = Predictions(each.maps[order], None)
        return blind

    def on_grid(self, maps: np.ndarray) -> np.ndarray:
        """Maps ``(N, h, w)`` as ``(N, grid, grid)``, on the scale of the mode's thresholds."""
        return maps_in_mode(self._resized(maps), self.mode)

    def _resized(self, maps: np.ndarray) -> np.ndarray:
        size = (self.grid, self.grid)
        tensor = torch.from_numpy(np.asarray(maps, dtype=np.float32))[:, None]
        if tensor.shape[-2:] != size:
            tensor = F.interpolate(tensor, size, mode="bilinear", align_corners=False)
        return tensor[:, 0].numpy()


def _refuse_overlap(select: Sequence[Mapping[str, Any]], test: Sequence[Mapping[str, Any]]) -> None:
    for key, what in (("name", "images"), ("image", "image files"), ("patient_id", "patients")):
        there = {str(item[key]) for item in select if item.get(key)}
        both = sorted(there & {str(item[key]) for item in test if item.get(key)})
        if both:
            first = "" if key == "patient_id" else f" (first: {both[0]})"
            raise ValueError(
                f"{len(both)} {what} are in the selection split and in the reported one{first}; a threshold must not "
                "be chosen on images that are reported."
            )
