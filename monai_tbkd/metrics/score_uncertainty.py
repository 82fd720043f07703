"""How little a film's score says of it."""

from __future__ import annotations

import numpy as np


def score_uncertainty(scores: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """How near scores are to the threshold that decides on a film: uncertainty sampling with two classes.

    Source: Lewis and Gale, "A Sequential Algorithm for Training Text Classifiers", SIGIR 1994; there the threshold is
    one half, here it is the model's own.

    Args:
        scores: of 0-1, ``(N,)``.
        threshold: of 0-1.

    Returns:
        ``(N,)``: 1 on the threshold, 0 at the end of the scale on either side.

    Raises:
        ValueError: a threshold or a score beyond 0 to 1.

    Example:
        >>> score_uncertainty(np.array([0.0, 0.3, 0.6, 0.8, 1.0]), threshold=0.6)
        array([0. , 0.5, 1. , 0.5, 0. ])
    """
    s = np.asarray(scores, dtype=np.float64)
    if not 0 <= threshold <= 1 or not bool(((s >= 0) & (s <= 1)).all()):
        raise ValueError(f"The threshold is {threshold} and scores are {s}; expected 0 to 1.")
    span = np.where(s < threshold, threshold, 1 - threshold)
    away = np.abs(s - threshold)
    result: np.ndarray = 1 - np.divide(away, span, out=np.zeros_like(away), where=span > 0)
    return result
