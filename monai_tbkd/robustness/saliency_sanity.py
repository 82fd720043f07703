"""Check whether maps show what networks have learned: Adebayo's randomization, Arun's repeatability and utility."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.metrics import SSIMMetric
from scipy.stats import rankdata
from torch import nn

from monai_tbkd.metrics import Predictions, bootstrap_mean, union_iou_sweep
from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.networks import ActivationMapNet, SymmetricMapNet
from monai_tbkd.networks.checkpoint import load_finished
from monai_tbkd.robustness.image_predictor import ImagePredictor
from monai_tbkd.transforms import stretch_map

if TYPE_CHECKING:
    from monai_tbkd.robustness.robustness_study import RobustnessStudy

logger = logging.getLogger(__name__)

_SIDE = 64  # maps of any grid are compared on this one; SSIM's window is 11 cells of it

DEFINITIONS = {
    "ssim": f"structural similarity of two maps, each stretched to 0-1 and brought to {_SIDE} x {_SIDE} cells",
    "spearman": "rank correlation of two maps' cells; 1: the same order, 0: none in common",
    "iou": "IoU of two maps' masks, each at its network's own threshold; images on which both are empty take no part",
    "chance": (
        "the same of one map and the other's map of the next image: what maps share that do not look at the image"
    ),
    "cascade": (
        "the head, then the stages below it one after another down to the stem, get random weights; agreement of the "
        "map with that of the trained network. A map that stays as it was does not show what was learned"
    ),
    "reproducibility": "agreement of two networks' maps of the same images",
    "repeatability": "the same of students that differ in their seed only",
    "localization_utility": "union-mask mIoU minus that of the blind location prior, each at its own threshold",
}


def structural_similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute MONAI's SSIM of stretched maps ``(N, h, w)``: ``(N,)``, 1 for maps that are alike.

    Example:
        >>> maps = np.random.default_rng(0).random((2, 8, 8))
        >>> structural_similarity(maps, 3 * maps + 1).round(4)
        array([1., 1.])
    """
    pair = [
        F.interpolate(
            stretch_map(torch.from_numpy(np.asarray(maps, dtype=np.float64)))[:, None].float(),
            size=(_SIDE, _SIDE),
            mode="bilinear",
            align_corners=False,
        )
        for maps in (one, other)
    ]
    return torch.as_tensor(SSIMMetric(spatial_dims=2, data_range=1.0)(*pair)).flatten().double().numpy()


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute Spearman's correlation of the cells of maps ``(N, h, w)``: ``(N,)``; 0 where a map is flat.

    Example:
        >>> ramp = np.arange(4.0).reshape(1, 2, 2)
        >>> rank_correlation(ramp, np.exp(ramp)), rank_correlation(ramp, -ramp)
        (array([1.]), array([-1.]))
    """
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (one, other)]
    left, right = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    spread = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    return np.divide((left * right).sum(axis=1), spread, out=np.zeros(len(one)), where=spread > 0)


def mask_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute the IoU of masks ``(N, h, w)`` bool, ``(N,)``; nan where both are empty."""
    both, either = (one & other).sum(axis=(1, 2)), (one | other).sum(axis=(1, 2))
    return np.divide(both, either, out=np.full(len(one), np.nan), where=either > 0)


def stages_from_head(network: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """List the stages of a network of this package, with or without a view around it, from the head to the stem.

    Raises:
        ValueError: there is no such network in it.
    """
    found = next((m for m in network.modules() if isinstance(m, (ActivationMapNet, SymmetricMapNet))), None)
    if found is None:
        raise ValueError(
            f"{type(network).__name__} holds no ActivationMapNet or SymmetricMapNet, whose stages could be randomized."
        )
    backbone = found.backbone
    stages: list[tuple[str, list[nn.Module]]] = [("head", [found.head])]
    if isinstance(found, SymmetricMapNet):
        stages.append(("reduction", [found.reduce]))
    stages += [(name, [getattr(backbone, name)]) for name in ("layer4", "layer3", "layer2", "layer1")]
    stages.append(("stem", [backbone.conv1, backbone.bn1]))
    return [(name, modules) for name, modules in stages if any(True for m in modules for _ in m.parameters())]


def cascading_randomization(network: nn.Module, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """Randomize the stages of a network one after another, from the head on.

    Source: Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, https://arxiv.org/abs/1810.03292.

    Yields:
        The stage that was randomized last, and a copy of the network with it and all stages above it random, in eval
        mode; the same object each time.

    Example:
        >>> [name for name, _ in cascading_randomization(ActivationMapNet("resnet18", width=0.125))]
        ['head', 'layer4', 'layer3', 'layer2', 'layer1', 'stem']
    """
    changed = copy.deepcopy(network).eval()
    for number, (name, modules) in enumerate(stages_from_head(changed)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed * 1000 + number)
            for module in (inner for each in modules for inner in each.modules()):
                reset = getattr(module, "reset_parameters", None)
                if callable(reset):
                    reset()
        yield name, changed


class SaliencySanity:
    """Runs the checks on the TB images of the reported split.

    Args:
        largest_number: at most this many TB images, evenly spread over the split.
        repeats: checkpoints of students of other seeds.
        student: the student's network, into which they are loaded (a copy of it).
        seed: of the random weights.
    """

    def __init__(
        self,
        largest_number: int = 100,
        repeats: Sequence[str | Path] = (),
        student: nn.Module | None = None,
        seed: int = 0,
    ) -> None:
        if repeats and student is None:
            raise ValueError("There are checkpoints of other seeds and no network to load them into; give student.")
        self.largest_number, self.repeats, self.student, self.seed = largest_number, list(repeats), student, seed

    def run(self, study: RobustnessStudy) -> dict[str, Any]:
        """Run all checks of a study that has its operating points and clean predictions.

        Returns:
            JSON-able: ``definitions``, ``images``, ``cascade``, ``reproducibility``, ``repeatability`` and
            ``localization_utility``.
        """
        self._comparison = comparison = study.comparison
        predictor, points, clean = study.predictor, study.points, study.clean
        tb = np.flatnonzero(study.truth.tb)
        self._chosen = tb[np.linspace(0, len(tb) - 1, min(len(tb), self.largest_number)).round().astype(int)]
        chosen = [study.images["test"][i] for i in self._chosen]
        log_odds = {name: predictor.log_odds(net, chosen) for name, net in predictor.networks.items()}
        masks = {name: self._masks(clean[name], points[name]) for name in clean}
        result: dict[str, Any] = {
            "definitions": DEFINITIONS,
            "images": f"{len(chosen)} TB images of the reported split",
            "cascade": {
                name: self._cascade(predictor, net, chosen, log_odds[name])
                for name, net in predictor.networks.items()
                if isinstance(net, nn.Module)
            },
            "reproducibility": self._pairs(log_odds, masks),
        }
        others, other_points = self._other_seeds(predictor, study.images)
        if others:
            maps, masks = {"student": log_odds["student"]}, {"student": masks["student"]}
            for name, (alone, found) in others.items():
                maps[name] = alone.log_odds(alone.networks[name], chosen)
                masks[name] = self._masks(found, other_points[name])
            result["repeatability"] = self._pairs(maps, masks)
        blind = {split: Predictions(maps, None) for split, maps in comparison.blind[BLIND_PRIOR].items()}
        prior = self._ious(blind["test"], comparison.choose(blind["select"]))
        everyone = {**clean, **{name: found for name, (_, found) in others.items()}}
        result["localization_utility"] = {
            name: study.resampler.mean(self._ious(each, {**points, **other_points}[name]) - prior).as_dict()
            for name, each in everyone.items()
        }
        return result

    def _cascade(
        self, predictor: ImagePredictor, network: nn.Module, images: Sequence[Mapping[str, Any]], trained: np.ndarray
    ) -> dict[str, Any]:
        rows = {"trained": self._agreement(trained, trained)}
        for stage, changed in cascading_randomization(network, self.seed):
            logger.info("Randomized down to %s.", stage)
            rows[stage] = self._agreement(trained, predictor.log_odds(changed, images))
        rows["chance"] = self._agreement(trained, np.roll(trained, 1, axis=0))
        return rows

    def _agreement(
        self, one: np.ndarray, other: np.ndarray, masks: tuple[np.ndarray, np.ndarray] | None = None
    ) -> dict[str, Any]:
        numbers = {"ssim": structural_similarity(one, other), "spearman": rank_correlation(one, other)}
        if masks is not None:
            numbers["iou"] = mask_iou(*masks)
        return {key: self._interval(values) for key, values in numbers.items()}

    def _interval(self, values: np.ndarray) -> dict[str, Any]:
        patients = self._comparison.truth["test"].patients
        of_chosen = None if patients is None else [patients[i] for i in self._chosen]
        return bootstrap_mean(values, self._comparison.resamples, self._comparison.seed, of_chosen).as_dict()

    def _masks(self, predictions: Predictions, point: Mapping[str, Any]) -> np.ndarray:
        return self._comparison.on_grid(predictions.maps[self._chosen]) >= point["map_threshold"]

    def _ious(self, predictions: Predictions, point: Mapping[str, Any]) -> np.ndarray:
        maps, masks = self._comparison.on_grid(predictions.maps), self._comparison.truth["test"].masks
        return union_iou_sweep(maps, masks, np.array([point["map_threshold"]]))[:, 0]

    def _pairs(self, maps: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one, other in combinations(sorted(maps), 2):
            if maps[one].shape != maps[other].shape:
                logger.warning("The maps of %s and %s are on different grids and are not compared.", one, other)
                continue
            agreement = self._agreement(maps[one], maps[other], (masks[one], masks[other]))
            chance = self._agreement(
                maps[one], np.roll(maps[other], 1, axis=0), (masks[one], np.roll(masks[other], 1, axis=0))
            )
            found[f"{one} and {other}"] = {**agreement, "chance": chance}
        return found

    def _other_seeds(
        self, predictor: ImagePredictor, images: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> tuple[dict[str, tuple[ImagePredictor, Predictions]], dict[str, dict[str, Any]]]:
        """Predictors of the students of other seeds, their predictions, and their operating points."""
        found, points = {}, {}
        for number, path in enumerate(self.repeats, start=1):
            name = f"student of repeat {number}"
            assert self.student is not None  # checked when it was made
            alone = copy.copy(predictor)
            alone.networks = {name: load_finished(copy.deepcopy(self.student), path, "student").eval()}
            points[name] = self._comparison.choose(alone(images["select"]).predictions[name])
            found[name] = alone, alone(images["test"]).predictions[name]
        return found, points
