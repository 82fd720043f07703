"""How alike two maps of the same film are, film by film."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from monai.metrics import SSIMMetric
from scipy.stats import rankdata

from monai_tbkd.transforms import stretch_map

_SIDE = 64  # maps of any grid are compared on this one; SSIM's window is 11 cells of it

DEFINITIONS = {
    "ssim": f"structural similarity of two maps, each stretched to 0-1 and brought to {_SIDE} x {_SIDE} cells",
    "spearman": "rank correlation of two maps' cells; 1: the same order, 0: none in common",
    "iou": "IoU of two maps' masks, each at its network's own threshold; films on which both are empty take no part",
    "chance": "the same of one map and the other's map of the next film: what maps share that do not look at the film",
}


def structural_similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """SSIM (Wang et al., IEEE TIP 2004; MONAI's, Gaussian window) of stretched maps.

    Args:
        one: ``(N, h, w)``, any range; a flat map becomes 0 everywhere.
        other: ``(N, h, w)``.

    Returns:
        ``(N,)``, 1 for maps that are alike.

    Example:
        >>> maps = np.random.default_rng(0).random((2, 8, 8))
        >>> structural_similarity(maps, 3 * maps + 1).round(4)
        array([1., 1.])
    """
    _check(one, other)
    pair = [
        F.interpolate(
            stretch_map(torch.from_numpy(np.asarray(maps, dtype=np.float64)))[:, None].float(),
            size=(_SIDE, _SIDE),
            mode="bilinear",
            align_corners=False,
        )
        for maps in (one, other)
    ]
    values: np.ndarray = torch.as_tensor(SSIMMetric(spatial_dims=2, data_range=1.0)(*pair)).flatten().double().numpy()
    return values


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's correlation of the cells of two maps.

    Args:
        one: ``(N, h, w)``.
        other: ``(N, h, w)``.

    Returns:
        ``(N,)`` of -1 to 1; 0 where a map is flat and says nothing.

    Example:
        >>> ramp = np.arange(4.0).reshape(1, 2, 2)
        >>> rank_correlation(ramp, np.exp(ramp)), rank_correlation(ramp, -ramp)
        (array([1.]), array([-1.]))
    """
    _check(one, other)
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (one, other)]
    left, right = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    spread = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    result: np.ndarray = np.divide((left * right).sum(axis=1), spread, out=np.zeros(len(one)), where=spread > 0)
    return result


def mask_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of masks ``(N, h, w)`` bool, ``(N,)``; nan where both are empty."""
    _check(one, other)
    both, either = (one & other).sum(axis=(1, 2)), (one | other).sum(axis=(1, 2))
    result: np.ndarray = np.divide(both, either, out=np.full(len(one), np.nan), where=either > 0)
    return result


def _check(one: np.ndarray, other: np.ndarray) -> None:
    if one.ndim != 3 or one.shape != other.shape:
        raise ValueError(f"Maps are {one.shape} and {other.shape}; expected both (films, rows, columns).")
