"""How unlike other films each place of a film is, without any label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SHRINKAGE = 1e-2
"""Of covariances, towards the same variance in every direction."""


def place_anomaly(
    features: NDArray[np.floating], rows: NDArray[np.int64], reach: int = 1, kept: float = 0.75, passes: int = 2
) -> NDArray[np.float32]:
    """Mahalanobis distance of each place's features from what films have there, after PaDiM (Defard et al. 2020).

    Films have to lie alike, as cuts to the lungs do. Unlike PaDiM's, the films that it is fitted on may be diseased: a
    lesion covers a place in few of them, so the median is the middle, and the covariance is of the films nearest to it.

    Args:
        features: ``(N, D, h, w)`` of films that lie alike.
        rows: films that it is fitted on.
        reach: neighbors on each side that count as the same place for the covariance.
        kept: share of the nearest places that the covariance is fitted on again.
        passes: how often.

    Returns:
        ``(N, h, w)``; 0 is the median of the fitted films at a place, 1 their standard deviation there.

    Raises:
        ValueError: fewer than two films to fit on.
    """
    if len(rows) < 2:
        raise ValueError(f"Place anomaly is fitted on two films or more, not {len(rows)}.")
    values = np.asarray(features, dtype=np.float32)
    centered = values - np.median(values[rows], axis=0)
    fitted = centered[rows]
    count, size, height, width = values.shape
    distance = np.zeros((count, height, width), dtype=np.float32)
    for i in range(height):
        for j in range(width):
            place = np.s_[max(0, i - reach) : i + reach + 1], np.s_[max(0, j - reach) : j + reach + 1]
            around = fitted[:, :, place[0], place[1]].transpose(0, 2, 3, 1).reshape(-1, size)
            precision = _precision(around)
            for _ in range(passes):
                far = _squared(around, precision)
                precision = _precision(around[far <= np.quantile(far, kept)])
            distance[:, i, j] = np.sqrt(np.maximum(_squared(centered[:, :, i, j], precision), 0))
    spread = np.maximum(distance[rows].std(axis=0), 1e-9)
    return np.asarray((distance - np.median(distance[rows], axis=0)) / spread, dtype=np.float32)


def _precision(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    covariance = rows.T @ rows / len(rows)
    size = len(covariance)
    ridge = max(_SHRINKAGE * float(np.trace(covariance)) / size, 1e-9)
    return np.asarray(np.linalg.inv(covariance + ridge * np.eye(size, dtype=np.float32)), dtype=np.float32)


def _squared(rows: NDArray[np.floating], precision: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.einsum("nd,nd->n", rows @ precision, rows))
