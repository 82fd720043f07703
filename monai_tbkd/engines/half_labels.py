"""Labels of a film's left and right half: from boxes, from the film's own asymmetry, or from maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_REACH = 0.15


def side_labels(items: Sequence[Mapping[str, Any]]) -> NDArray[np.int64]:
    """Whether the left and the right half of each film have a box, ``(N, 2)``; left is the picture's.

    A box that reaches over the middle by less than 15 % of its width counts for one half alone.

    Args:
        items: datalist items with ``boxes`` and ``size``.
    """
    labels = np.zeros((len(items), 2), dtype=np.int64)
    for row, item in enumerate(items):
        middle = item["size"][1] / 2
        for left, _, right, _ in item["boxes"] or []:
            labels[row, 0] |= min(right, middle) - left > _REACH * (right - left)
            labels[row, 1] |= right - max(left, middle) > _REACH * (right - left)
    return labels


def asymmetry_labels(
    asymmetry: NDArray[np.floating], rows: NDArray[np.int64], share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Half-film labels of TB films without any box: of the films that are least alike on both sides, the denser side.

    Args:
        asymmetry: ``(N, 2)``, of :func:`~monai_tbkd.transforms.lung_asymmetry`.
        rows: training films.
        share: of them that get labels.

    Returns:
        ``(N, 2)`` labels of left and right, and the rows that have them.
    """
    scaled = asymmetry / np.maximum(asymmetry[rows].std(axis=0), 1e-9)
    both = scaled.mean(axis=1)
    labels = np.stack([both < 0, both >= 0], axis=1).astype(np.int64)
    kept = rows[np.argsort(-np.abs(both[rows]), kind="stable")[: max(1, round(share * len(rows)))]]
    return labels, np.sort(kept)


def confident_half_labels(
    scores: NDArray[np.floating], rows: NDArray[np.int64], positive_share: float, negative_share: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Labels of the halves that a map is surest of; each film has TB, so its better half always counts as diseased.

    Args:
        scores: ``(N, 2)`` of halves.
        rows: films whose halves are ranked.
        positive_share: of these halves that count as diseased.
        negative_share: of these halves, the lowest, that count as free of TB.

    Returns:
        ``(N, 2)`` labels, and which of them are known.
    """
    low, high = np.quantile(scores[rows], [negative_share, 1 - positive_share])
    labels = (scores >= high).astype(np.int64)
    known = (scores >= high) | (scores <= low)
    better = np.arange(len(scores)), scores.argmax(axis=1)
    labels[better], known[better] = 1, True
    return labels, known
