"""Check whether maps show what networks have learned: Adebayo's randomization, Arun's repeatability and utility."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from monai.metrics import SSIMMetric
from scipy.stats import rankdata
from torch import nn

from monai_tbkd.metrics import Predictions, bootstrap_mean, union_iou_sweep
from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.networks import ActivationMapNet, SymmetricMapNet
from monai_tbkd.networks.checkpoint import load_finished
from monai_tbkd.transforms import stretch_map, upsample_map

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
    """Compute MONAI's SSIM of stretched maps ``(N, h, w)``: ``(N,)``, 1 for maps that are alike."""
    pair = [
        upsample_map(stretch_map(torch.from_numpy(maps.astype(np.float64))), (_SIDE, _SIDE))[:, None]
        for maps in (one, other)
    ]
    return torch.as_tensor(SSIMMetric(spatial_dims=2, data_range=1.0)(*pair)).flatten().double().numpy()


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute Spearman's correlation of the cells of maps ``(N, h, w)``: ``(N,)``; 0 where a map is flat."""
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


class _Maps(NamedTuple):
    """Maps of a network."""

    log_odds: np.ndarray  # of the chosen images, on the network's own grid
    masks: np.ndarray  # of the chosen images, at the network's own threshold
    ious: np.ndarray  # union-mask IoU of all images of the split


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
        self._study = study
        tb = np.flatnonzero(study.truth.tb)
        self._chosen = tb[np.linspace(0, len(tb) - 1, min(len(tb), self.largest_number)).round().astype(int)]
        self._images = [study.images["test"][i] for i in self._chosen]
        networks = study.predictor.networks
        compared = {name: self._maps(net, study.clean[name], study.points[name]) for name, net in networks.items()}
        repeats = dict(self._repeats())
        blind = {split: Predictions(maps, None) for split, maps in study.comparison.blind[BLIND_PRIOR].items()}
        _, prior = self._masks(blind["test"], study.comparison.choose(blind["select"]))
        return {
            "definitions": DEFINITIONS,
            "images": f"{len(self._images)} TB images of the reported split",
            "cascade": {
                name: self._cascade(net, compared[name].log_odds)
                for name, net in networks.items()
                if isinstance(net, nn.Module)
            },
            "reproducibility": self._pairs(compared),
            **({"repeatability": self._pairs({"student": compared["student"], **repeats})} if repeats else {}),
            "localization_utility": {
                name: study.resampler.mean(each.ious - prior).as_dict()
                for name, each in {**compared, **repeats}.items()
            },
        }

    def _maps(self, network: Any, found: Predictions, point: Mapping[str, Any]) -> _Maps:
        masks, ious = self._masks(found, point)
        return _Maps(self._study.predictor.log_odds(network, self._images), masks[self._chosen], ious)

    def _masks(self, found: Predictions, point: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Masks of all images at a threshold, and their union-mask IoU."""
        maps, threshold = self._study.comparison.on_grid(found.maps), point["map_threshold"]
        ious = union_iou_sweep(maps, self._study.truth.masks, np.array([threshold]))[:, 0]
        return maps >= threshold, ious

    def _repeats(self) -> Iterator[tuple[str, _Maps]]:
        """The students of other seeds, each at its own operating point."""
        for number, path in enumerate(self.repeats, start=1):
            name = f"student of repeat {number}"
            assert self.student is not None  # checked when it was made
            network = load_finished(copy.deepcopy(self.student), path, "student").eval()
            alone = copy.copy(self._study.predictor)
            alone.networks = {name: network}
            select, test = (alone(self._study.images[split]).predictions[name] for split in ("select", "test"))
            yield name, self._maps(network, test, self._study.comparison.choose(select))

    def _cascade(self, network: nn.Module, trained: np.ndarray) -> dict[str, Any]:
        rows = {"trained": self._agreement(trained, trained)}
        for stage, changed in cascading_randomization(network, self.seed):
            logger.info("Randomized down to %s.", stage)
            rows[stage] = self._agreement(trained, self._study.predictor.log_odds(changed, self._images))
        rows["chance"] = self._agreement(trained, np.roll(trained, 1, axis=0))
        return rows

    def _pairs(self, maps: Mapping[str, _Maps]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for (one, first), (other, second) in combinations(sorted(maps.items()), 2):
            if first.log_odds.shape != second.log_odds.shape:
                logger.warning("The maps of %s and %s are on different grids and are not compared.", one, other)
                continue
            same, chance = (
                self._agreement(
                    first.log_odds,
                    np.roll(second.log_odds, shift, axis=0),
                    mask_iou(first.masks, np.roll(second.masks, shift, axis=0)),
                )
                for shift in (0, 1)
            )
            found[f"{one} and {other}"] = {**same, "chance": chance}
        return found

    def _agreement(self, one: np.ndarray, other: np.ndarray, ious: np.ndarray | None = None) -> dict[str, Any]:
        numbers = {"ssim": structural_similarity(one, other), "spearman": rank_correlation(one, other)}
        if ious is not None:
            numbers["iou"] = ious
        comparison, patients = self._study.comparison, self._study.truth.patients
        groups = None if patients is None else [patients[i] for i in self._chosen]
        return {
            key: bootstrap_mean(values, comparison.resamples, comparison.seed, groups).as_dict()
            for key, values in numbers.items()
        }
