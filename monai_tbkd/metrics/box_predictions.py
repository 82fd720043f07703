"""A detector's boxes as predictions that stand beside maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from monai_tbkd.metrics.predictor_measures import Predictions
from monai_tbkd.transforms import Boxes, box_masks, rescale_boxes


def box_predictions(
    items: Sequence[Mapping[str, Any]],
    boxes: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray],
    film_scores: np.ndarray | None,
    grid: int,
) -> Predictions:
    """Boxes as they are for metrics of boxes, and painted with their scores for metrics of maps.

    Args:
        items: datalist items of a split.
        boxes: by film name ``(n, 4)`` in film pixels; films without a box need not be in it.
        scores: by film name ``(n,)`` of 0-1.
        film_scores: ``(N,)`` of 0-1, or None: the highest score of the film's boxes, 0 without one.
        grid: cells along each side.

    Returns:
        Predictions in the order of the items; where boxes overlap, the map has the higher score.

    Example:
        >>> film = {"name": "a", "size": [8, 8]}
        >>> found = box_predictions([film], {"a": np.array([[0, 0, 4, 4]])}, {"a": np.array([0.5])}, None, grid=2)
        >>> found.maps[0].tolist(), found.scores.tolist()
        ([[0.5, 0.0], [0.0, 0.0]], [0.5])
    """
    maps, on_grid = np.zeros((len(items), grid, grid), dtype=np.float32), []
    for i, item in enumerate(items):
        own = torch.from_numpy(np.asarray(boxes.get(item["name"], np.zeros((0, 4))), dtype=float))
        marks = np.asarray(scores.get(item["name"], np.zeros(0)), dtype=np.float32)
        scaled = rescale_boxes(own, item["size"], (grid, grid))
        on_grid.append(Boxes(scaled, torch.from_numpy(marks)))
        for box, mark in zip(scaled.numpy(), marks, strict=True):
            painted = box_masks(box[None], (grid, grid))
            maps[i][painted] = np.maximum(maps[i][painted], mark)
    highest = np.array([float(max(scores.get(item["name"], ()), default=0.0)) for item in items])
    return Predictions(maps, highest if film_scores is None else film_scores, on_grid)
