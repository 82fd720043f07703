"""Signals of active learning: which images an annotator should see next."""

from __future__ import annotations

import numpy as np
from scipy.special import entr


def map_disagreement(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute the Jensen-Shannon divergence of two networks' TB probabilities ``(N, h, w)``, mean over cells, ``(N,)``.

    Query by committee with two members (McCallum and Nigam, ICML 1998; Settles, "Active Learning Literature Survey",
    2009, section 3.2), here a teacher and its student.

    Raises:
        ValueError: other shapes, or values that are no probabilities.
    """
    p, q = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if p.ndim != 3 or p.shape != q.shape:
        raise ValueError(f"Maps are {p.shape} and {q.shape}; expected both (images, rows, columns).")
    for maps in (p, q):
        if not bool(((maps >= 0) & (maps <= 1)).all()):
            raise ValueError("A map holds nan, or a value beyond 0 to 1; expected probabilities.")

    def entropy(x: np.ndarray) -> np.ndarray:
        return (entr(x) + entr(1 - x)) / np.log(2)

    divergence = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    return np.maximum(divergence, 0.0).mean(axis=(1, 2))  # rounding can leave a hair below 0


def score_uncertainty(scores: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Compute how near scores ``(N,)`` are to the threshold: 1 on it, 0 at the end of the scale on either side.

    Uncertainty sampling (Lewis and Gale, SIGIR 1994) with the model's threshold in place of one half.

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
    return 1 - np.divide(away, span, out=np.zeros_like(away), where=span > 0)
