"""From logits on a film's cut to a map of the film: smoothing, a location prior, a threshold, chosen alike for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]


class Processing(NamedTuple):
    """What was chosen."""

    smoothing: float
    """Standard deviation in cells."""
    factor: float
    """Of the map's logits."""
    prior: bool
    """Whether the prior's logits are added."""
    threshold: float
    """A cell counts above it, in logits."""


def place_cells(maps: torch.Tensor, stride: int, pixels: int, cells: int) -> Array:
    """Maps ``(N, h, w)`` of a ResNet on a finer grid, ``(N, cells, cells)``, each cell where it looks.

    Args:
        maps: in logits; cell i looks at pixel ``stride * i``.
        stride: pixels per cell.
        pixels: along each side of the network's input.
        cells: along each side of the finer grid.
    """
    middle = (torch.arange(cells, dtype=torch.float64) + 0.5) * pixels / cells - 0.5
    at = (middle / stride).float() * (2.0 / max(maps.shape[-1] - 1, 1)) - 1.0
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1)[None].expand(len(maps), -1, -1, -1)
    return F.grid_sample(maps[:, None].float(), grid, padding_mode="border", align_corners=True)[:, 0].numpy()


def process(maps: Array, prior: Array, smoothing: float, factor: float, with_prior: bool) -> Array:
    """Smoothed logits times a factor, with the prior's logits added or not.

    Args:
        maps: ``(N, H, W)`` logits.
        prior: logits, ``(H, W)`` or ``(N, H, W)``.
        smoothing: standard deviation in cells.
        factor: of the map.
        with_prior: add the prior.
    """
    out = factor * ndimage.gaussian_filter(maps, (0, smoothing, smoothing), mode="nearest")
    return np.asarray(out + prior if with_prior else out, dtype=np.float32)


def choose_processing(
    maps: Array,
    prior: Array,
    mean_iou: Callable[[Array, NDArray[np.float64]], NDArray[np.float64]],
    smoothing: Sequence[float],
    factors: Sequence[float],
    thresholds: int = 60,
) -> Processing:
    """The processing with the best mean union-mask IoU on a selection split.

    Args:
        maps: ``(N, H, W)`` logits of the selection split.
        prior: logits, ``(H, W)`` or ``(N, H, W)``.
        mean_iou: from maps and ``(K,)`` ascending thresholds to ``(K,)``.
        smoothing: standard deviations to try.
        factors: of the map beside the prior to try; without the prior there is nothing to weigh.
        thresholds: how many to try, quantiles of the maps.

    Returns:
        The best; the first of equals.
    """
    best, score = Processing(smoothing[0], 1.0, False, 0.0), -1.0
    for sigma in smoothing:
        for factor, with_prior in [(1.0, False), *((f, True) for f in factors)]:
            tried = process(maps, prior, sigma, factor, with_prior)
            steps = np.unique(np.quantile(tried, np.linspace(0.6, 0.985, thresholds))).astype(np.float64)
            values = mean_iou(tried, steps)
            if values.max() > score:
                score = float(values.max())
                best = Processing(sigma, factor, with_prior, float(steps[int(values.argmax())]))
    return best


def log_odds(probability: NDArray[np.floating]) -> Array:
    """Logits of probabilities, which are kept within 0.001 and 0.999."""
    p = np.clip(probability, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(p / (1 - p)), dtype=np.float32)
