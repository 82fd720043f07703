"""What worse images, cues that are no disease, and missing lungs do to finished networks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_tbkd.data.audit.image_scan import image_thumbnail
from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.metrics import Comparison, Predictions, union_iou_sweep
from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.metrics.shortcut_reference import shortcut_reference, shortcut_verdict
from monai_tbkd.robustness import corruptions, cues, occlusion
from monai_tbkd.robustness.corruptions import CORRUPTIONS, CorruptImage, gray_image, image_seed
from monai_tbkd.robustness.cues import SOURCE_STYLE, add_cue, match_style, quantiles
from monai_tbkd.robustness.image_predictor import ImagePredictor, Looked
from monai_tbkd.robustness.occlusion import black_out, hidden_positions, lung_masks
from monai_tbkd.robustness.resampled import ImageResampler, Resampled, mean_of, plain_tree, tree_minus
from monai_tbkd.robustness.robustness_table import robustness_table
from monai_tbkd.robustness.saliency_sanity import SaliencySanity
from monai_tbkd.transforms import NOTICE, box_masks, upsample_map

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1

DEFINITIONS: dict[str, Any] = {
    "corruptions": corruptions.DEFINITIONS,
    "cues": cues.DEFINITIONS,
    "occlusions": occlusion.DEFINITIONS,
    "severity": "0 is the clean image, bit for bit; levels of 1 to 5 stand under corruption_levels",
    "auc": "area under the ROC curve, TB against all other images",
    "auc_against_health": (
        "the same against healthy images alone: other diseases, such as a large heart, may show outside the lungs"
    ),
    "union_mask_miou": "union-mask mIoU of TB images with boxes, at the network's own map threshold",
    "auc_drop": "1 - AUC / clean AUC; all of what lies above chance is lost at 1 - 0.5 / clean AUC",
    "union_mask_miou_drop": "1 - mIoU / clean mIoU",
    "mean": "of a kind: the mean over severities above 0; mean_relative_drop: over kinds as well",
    "decision": "score at or above the network's own score threshold, chosen on the selection split's clean images",
    "flips_to_tb": "fraction of images that are called TB in this condition and were not when clean",
    "flips_to_not_tb": "fraction of images that were called TB when clean and are not in this condition",
    "score_change": "mean over images of the score with the cue minus the score of the same image without it",
    "energy_on_cue": "mean over images of the fraction of the map's sum that lies on the cue",
    "energy_there_without": "the same fraction at the same position on the same image without the cue",
    "boxes_on_cue": (
        "fraction of boxes with at least a tenth of their own area on the cue, or with at least half of the cue in them"
    ),
    "boxes_there_without": "the same at the same place on the same image without the cue",
    "differences": "one network minus another in the same resamples of the same images",
    "interval": "95 % percentile bootstrap over all images of the split, over patients where they are known",
}
_BOX_FRACTION, _CUE_FRACTION = 0.1, 0.5


class RobustnessStudy:
    """Runs networks over corruptions, cues and occlusions of the reported split, each at its own operating point.

    Args:
        predictor: of the networks that are compared.
        comparison: truth of the splits, how thresholds are chosen and boxes drawn; the images of its ``test`` items are
            changed, those of its ``select`` items give thresholds and styles.
        images: by split (``select``, ``test``), in the order of the comparison's items: dicts with ``image``
            ``(1, H, W)`` uint8, ``name`` and ``tb``.
        corruption_levels: by kind, the levels of severity 1, 2, ...; see `CorruptImage`.
        severities: which of them are run.
        corruption_kinds: which of the kinds; None: all that have levels.
        cue_kinds: any of `CUES`.
        occlusion_kinds: any of `OCCLUSIONS`.
        frame: width of the frame of ``frame_only`` as a fraction of the image's side.
        lung_field_dir: lung masks by image name; None takes the stand-in, see `lung_masks`.
        cues_there: by kind, names of images that bear such a cue already; they take no part in that cue's numbers.
        sanity: saliency sanity checks to run as well, or None.
        output_dir: gets ``robustness.json``; None writes nothing.
        facts: kept in it.

    Raises:
        ValueError: unknown kinds, or severities without a level.
    """

    def __init__(
        self,
        predictor: ImagePredictor,
        comparison: Comparison,
        images: Mapping[str, Sequence[Mapping[str, Any]]],
        corruption_levels: Mapping[str, Sequence[float]],
        severities: Sequence[int] = (1, 2, 3, 4, 5),
        corruption_kinds: Sequence[str] | None = None,
        cue_kinds: Sequence[str] = cues.CUES,
        occlusion_kinds: Sequence[str] = occlusion.OCCLUSIONS,
        frame: float = 0.094,
        lung_field_dir: str | Path | None = None,
        cues_there: Mapping[str, set[str]] | None = None,
        sanity: SaliencySanity | None = None,
        output_dir: str | Path | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        for what, asked, known in (
            ("corruptions", corruption_levels, CORRUPTIONS),
            ("corruptions", corruption_kinds or (), tuple(corruption_levels)),
            ("cues", cue_kinds, cues.CUES),
            ("occlusions", occlusion_kinds, occlusion.OCCLUSIONS),
        ):
            unknown = [kind for kind in asked if kind not in known]
            if unknown:
                raise ValueError(f"Unknown {what}: {', '.join(unknown)}; expected some of {', '.join(known)}.")
        for kind, levels in corruption_levels.items():
            if any(not 1 <= s <= len(levels) for s in severities):
                raise ValueError(
                    f"Severities are {list(severities)} and {kind} has {len(levels)} levels; expected 1 to "
                    f"{len(levels)} (0 is the clean image and always run)."
                )
        if BLIND_PRIOR not in comparison.blind or not comparison.localizes:
            raise ValueError(
                "No reported image, or no training image, has boxes; a robustness study needs both, so give it "
                "such data."
            )
        self.predictor, self.comparison, self.images = predictor, comparison, images
        chosen = corruption_levels if corruption_kinds is None else corruption_kinds
        self.levels, self.severities = {kind: list(corruption_levels[kind]) for kind in chosen}, sorted(severities)
        self.cue_kinds, self.occlusion_kinds, self.frame = list(cue_kinds), list(occlusion_kinds), frame
        self.lung_field_dir, self.cues_there = lung_field_dir, cues_there or {}
        self.sanity, self.facts = sanity, dict(facts or {})
        self.output_dir = None if output_dir is None else Path(output_dir)
        self.truth = comparison.truth["test"]
        self.names = [item["name"] for item in comparison.items["test"]]
        self.resampler = ImageResampler(len(self.names), comparison.resamples, comparison.seed, self.truth.patients)

    def run(self) -> dict[str, Any]:
        """Run everything, write ``robustness.json`` and log the tables; returns its content."""
        logger.info("Choosing operating points on %d clean images.", len(self.images["select"]))
        select = self.predictor(self.images["select"]).predictions
        self.points = {name: self.comparison.choose(each) for name, each in select.items()}
        self.clean = self._look("clean").predictions
        self.trees: dict[str, dict[str, Any]] = {
            name: {"clean": self._summary(name, found), "corruptions": {}, "cues": {}, "occlusions": {}}
            for name, found in self.clean.items()
        }
        self._corruptions()
        self._cues()
        lungs = self._occlusions()
        result = {
            "schema_version": SCHEMA_VERSION,
            "notice": NOTICE,
            "definitions": DEFINITIONS,
            **self.facts,
            "splits": {split: truth.counts() for split, truth in self.comparison.truth.items()},
            "corruption_levels": self.levels,
            "lungs": lungs,
            "without_detail": self._without_detail(),
            "networks": {
                name: {"operating_point": self.points[name], **plain_tree(tree)} for name, tree in self.trees.items()
            },
            "differences": {
                f"{one} minus {other}": plain_tree(tree_minus(self.trees[one], self.trees[other]))
                for one, other in (("student", "control"), ("teacher", "control"), ("student", "teacher"))
                if one in self.trees and other in self.trees
            },
        }
        if self.sanity is not None:
            result["saliency_sanity"] = self.sanity.run(self)
        if self.output_dir is not None:
            write_json(self.output_dir / "robustness.json", result)
        logger.info("\n%s", robustness_table(result))
        return result

    def _look(self, condition: str, change: Any = None) -> Looked:
        logger.info("Looking at %d images: %s.", len(self.names), condition)
        return self.predictor(self.images["test"], change)

    def _summary(self, name: str, found: Predictions) -> dict[str, Resampled]:
        threshold = np.array([self.points[name]["map_threshold"]])
        ious = union_iou_sweep(self.comparison.on_grid(found.maps), self.truth.masks, threshold)[:, 0]
        return {
            "auc": self.resampler.auc(_scores(found), self.truth.tb),
            "union_mask_miou": self.resampler.mean(ious),
        }

    def _flips(self, name: str, found: Predictions, use: np.ndarray | bool = True) -> dict[str, Resampled]:
        threshold = self.points[name]["score_threshold"]
        before, called = (_scores(each) >= threshold for each in (self.clean[name], found))
        return {
            "flips_to_tb": self.resampler.mean(np.where(use, called & ~before, np.nan)),
            "flips_to_not_tb": self.resampler.mean(np.where(use, before & ~called, np.nan)),
        }

    def _corruptions(self) -> None:
        for kind, levels in self.levels.items():
            for severity in self.severities:
                corrupt = CorruptImage(kind, levels[severity - 1], self.comparison.seed)
                for name, found in self._look(f"{kind}, severity {severity}", corrupt).predictions.items():
                    clean = self.trees[name]["clean"]
                    numbers = self._summary(name, found._replace(maps=corrupt.turn_back(found.maps, self.names)))
                    drops = {f"{key}_drop": numbers[key].relative_drop(clean[key]) for key in numbers}
                    entry = {**numbers, **drops, **self._flips(name, found)}
                    self.trees[name]["corruptions"].setdefault(kind, {})[str(severity)] = entry
        for tree in self.trees.values():
            by_kind = tree["corruptions"]
            for by_severity in by_kind.values():
                by_severity["mean"] = {
                    key: mean_of([each[key] for each in by_severity.values()])
                    for key in ("auc_drop", "union_mask_miou_drop")
                }
            if by_kind:
                tree["mean_relative_drop"] = {
                    key: mean_of([each["mean"][f"{key}_drop"] for each in by_kind.values()]) for key in tree["clean"]
                }

    def _cues(self) -> None:
        for kind in self.cue_kinds:
            change: Any = partial(add_cue, kind=kind, grid=self.truth.grid, seed=self.comparison.seed)
            if kind == SOURCE_STYLE and (change := self._style()) is None:
                continue
            use = np.array([name not in self.cues_there.get(kind, ()) for name in self.names])
            looked = self._look(f"with {kind.replace('_', ' ')}", change)
            for name, found in looked.predictions.items():
                moved, tb = np.where(use, _scores(found) - _scores(self.clean[name]), np.nan), self.truth.tb
                numbers = {
                    "score_change": self.resampler.mean(moved),
                    "score_change_tb": self.resampler.mean(np.where(tb, moved, np.nan)),
                    "score_change_without_tb": self.resampler.mean(np.where(tb, np.nan, moved)),
                    **self._flips(name, found, use),
                }
                if looked.cue_masks is not None:
                    numbers |= self._on_cue(name, found, looked.cue_masks, use)
                self.trees[name]["cues"][kind] = numbers

    def _style(self) -> Any:
        by_class: dict[bool, list[torch.Tensor]] = {True: [], False: []}
        for image in self.images["select"]:
            by_class[bool(image["tb"][0])].append(gray_image(image["image"]))
        if not all(by_class.values()):
            logger.warning(
                "The selection split has images of one class only: no style of the other, so it is left out."
            )
            return None
        return partial(match_style, styles={tb: quantiles(by_class[not tb]) for tb in by_class})

    def _on_cue(self, name: str, found: Predictions, masks: np.ndarray, use: np.ndarray) -> dict[str, Resampled]:
        result = {}
        draw = self.comparison.box_fitting(self.points[name])
        for suffix, predictions in (("on_cue", found), ("there_without", self.clean[name])):
            energy, touching, number = np.full((3, len(masks)), np.nan)
            for i in np.flatnonzero(use):
                tb_map = torch.from_numpy(predictions.maps[i])[None]
                on_grid = upsample_map(tb_map, masks.shape[1:])[0].numpy().astype(float)
                energy[i] = on_grid[masks[i]].sum() / on_grid.sum() if on_grid.sum() > 0 else 0.0
                boxes = draw(tb_map, float(_scores(predictions)[i])).boxes.numpy()
                touching[i], number[i] = sum(box_touches(box, masks[i]) for box in boxes), len(boxes)
            result[f"energy_{suffix}"] = self.resampler.mean(energy)
            result[f"boxes_{suffix}"] = self.resampler.ratio(touching, number)
        result["energy_gain"] = result["energy_on_cue"] - result["energy_there_without"]
        return result

    def _occlusions(self) -> str:
        """Hide the lungs; returns what they are taken to be, in words."""
        items = self.comparison.items["test"]
        lungs, source = lung_masks(
            items, self.comparison.blind[BLIND_PRIOR]["test"][0], self.truth.grid, self.lung_field_dir
        )
        healthy = np.array([item["class_name"] == "health" for item in items])
        for kind in self.occlusion_kinds:
            hidden = hidden_positions(kind, lungs, self.frame)
            by_name = {name: hidden[i % len(hidden)] for i, name in enumerate(self.names)}
            change = partial(black_out, hidden=by_name)
            for name, found in self._look(kind.replace("_", " "), change).predictions.items():
                scores, tb = _scores(found), self.truth.tb
                auc = self.resampler.auc(scores, tb)
                against_health = self.resampler.auc(scores, tb, tb | healthy) if healthy.any() else None
                self.trees[name]["occlusions"][kind] = {
                    "auc": auc,
                    "auc_minus_clean": auc - self.trees[name]["clean"]["auc"],
                    **({"auc_against_health": against_health} if against_health else {}),
                    **self._flips(name, found),
                }
        return source

    def _without_detail(self) -> dict[str, Any]:
        """How well linear models that see no lung, or no detail, separate the labels of the reported images."""
        looks = [image_thumbnail(gray_image(image["image"])[0].float().numpy()) for image in self.images["test"]]
        groups = self.truth.patients or [None] * len(self.names)
        found = shortcut_reference(
            np.stack([thumbnail for thumbnail, _ in looks]),
            np.stack([statistics for _, statistics in looks]),
            self.truth.tb,
            [f"patient:{patient}" if patient else f"name:{name}" for patient, name in zip(groups, self.names)],
        )
        return {"auc": {name: each.as_dict() for name, each in found.items()}, "meaning": shortcut_verdict(found)}


def _scores(predictions: Predictions) -> np.ndarray:
    return np.asarray(predictions.scores)


def box_touches(box: np.ndarray, cue: np.ndarray) -> bool:
    """Tell whether a box ``(4,)`` is drawn on a cue ``(H, W)`` bool: a tenth of it is cue, or half of the cue is in it.

    The first is for long cues, such as borders, the second for small ones in a large box.
    """
    inside = box_masks(box[None], (cue.shape[0], cue.shape[1]))
    shared = int((inside & cue).sum())
    return shared > 0 and shared >= min(_BOX_FRACTION * int(inside.sum()), _CUE_FRACTION * int(cue.sum()))


def image_subset(items: Sequence[Mapping[str, Any]], largest_number: int | None) -> list[Mapping[str, Any]]:
    """Keep about so many of a split's images, classes in the split's proportions, the same ones each time.

    At least one of each class is kept; None keeps all.
    """
    if largest_number is None or largest_number >= len(items):
        return list(items)
    if largest_number < 1:
        raise ValueError(f"{largest_number} images were asked for; expected at least 1, or null for all.")
    kept = set()
    for class_name in {item["class_name"] for item in items}:
        names = sorted((i["name"] for i in items if i["class_name"] == class_name), key=image_seed)
        kept |= set(names[: max(1, round(largest_number * len(names) / len(items)))])
    return [item for item in items if item["name"] in kept]


def refuse_cropped_images(lung_crop: bool) -> None:
    """Raise a ValueError for images that are cropped to their lungs, whose maps could not be brought back."""
    if lung_crop:
        raise ValueError(
            "lung_crop is true: the robustness study lays its corruptions and cues on whole images and can't follow a "
            "cut yet; evaluate such a model with evaluate.yaml alone."
        )
