"""How far boxes overlap."""

from __future__ import annotations

import numpy as np

from monai_tbkd.metrics.refuse_nan import refuse_nan


def box_array(boxes: object, what: str = "boxes") -> np.ndarray:
    """Boxes as an array that can be measured.

    Args:
        boxes: anything like ``(n, 4)``: xmin, ymin, xmax, ymax; an empty list is no box.
        what: named in the message.

    Returns:
        ``(n, 4)`` float64.

    Raises:
        ValueError: another shape, nan, or a box whose maximum is below its minimum.
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{what} have shape {array.shape}; expected (n, 4): xmin, ymin, xmax, ymax.")
    refuse_nan(array, what)
    if (array[:, 2:] < array[:, :2]).any():
        raise ValueError(f"In {what} a maximum is below its minimum; expected xmin, ymin, xmax, ymax.")
    return array


def pairwise_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of each box of one set with each of another.

    In float64: MONAI's ``box_iou`` is float32, in which an IoU of 7 / 10 is below 0.7.

    Args:
        first: ``(n, 4)``: xmin, ymin, xmax, ymax; half-open edges, so that a box is xmax - xmin wide.
        second: ``(m, 4)``, on the same grid.

    Returns:
        ``(n, m)`` float64 of 0-1; 0 where both boxes have no area.

    Example:
        >>> pairwise_iou(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 4], [5, 5, 6, 6]]))
        array([[0.5, 0. ]])
    """
    a, b = first[:, None, :], second[None, :, :]  # (n, 1, 4), (1, m, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.maximum(sides, 0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    result: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result
