"""How far two networks disagree on where a film shows tuberculosis."""

from __future__ import annotations

import numpy as np

DEFINITION = "Jensen-Shannon divergence of two networks' TB probabilities, cell by cell, in bits; mean over the film"


def map_disagreement(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of two maps, mean over cells.

    Query by committee with two members, here a teacher and its student: each cell is a question with two answers, and
    what is counted is the divergence of the members from their mean. Source: McCallum and Nigam, "Employing EM and
    Pool-Based Active Learning for Text Classification", ICML 1998; Settles, "Active Learning Literature Survey", 2009,
    section 3.2. A film on which both see nothing, at whatever low level, has next to none.

    Args:
        one: TB probabilities ``(N, h, w)`` of 0-1.
        other: ``(N, h, w)``, of the same films on the same grid.

    Returns:
        ``(N,)`` of 0 to 1.

    Raises:
        ValueError: other shapes, or values that are no probabilities.

    Example:
        >>> map_disagreement(np.array([[[0.0, 1.0]]]), np.array([[[1.0, 1.0]]]))
        array([0.5])
    """
    p, q = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if p.ndim != 3 or p.shape != q.shape:
        raise ValueError(f"Maps are {p.shape} and {q.shape}; expected both (films, rows, columns).")
    for maps in (p, q):
        if not bool(((maps >= 0) & (maps <= 1)).all()):
            raise ValueError("A map holds nan, or a value beyond 0 to 1; expected probabilities.")
    divergence = binary_entropy((p + q) / 2) - (binary_entropy(p) + binary_entropy(q)) / 2
    result: np.ndarray = np.maximum(divergence, 0.0).mean(axis=(1, 2))  # rounding can leave a hair below 0
    return result


def binary_entropy(probability: np.ndarray) -> np.ndarray:
    """Entropy of yes and no, in bits; 0 where it is sure, 1 at one half.

    Args:
        probability: of 0-1, any shape.

    Example:
        >>> binary_entropy(np.array([0.0, 0.5, 1.0]))
        array([0., 1., 0.])
    """
    p = np.asarray(probability, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(x > 0, -x * np.log2(x), 0.0) for x in (p, 1 - p)]
    result: np.ndarray = parts[0] + parts[1]
    return result
