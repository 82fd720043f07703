"""Boxes drawn where there is nothing to find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric

DEFINITIONS = {
    "false_boxes_per_film_without_tb": "Boxes drawn on a film without TB, mean over these films (score gate included).",
    "films_without_tb_with_false_box": "Share of films without TB on which any box is drawn (score gate included).",
}


def false_boxes(predicted: Sequence[np.ndarray | torch.Tensor], without_tb: np.ndarray) -> np.ndarray:
    """Number of boxes drawn on each film without TB.

    ``> 0`` of it says where there is any; keep the nan of the other films.

    Args:
        predicted: ``(n, 4)`` a film, after the score gate.
        without_tb: ``(N,)`` bool.

    Returns:
        ``(N,)`` float64, nan for other films.

    Raises:
        ValueError: lengths that differ.

    Example:
        >>> false_boxes([np.zeros((2, 4)), np.zeros((1, 4))], np.array([True, False]))
        array([ 2., nan])
    """
    healthy = np.asarray(without_tb, dtype=bool)
    if len(predicted) != len(healthy):
        raise ValueError(f"Boxes of {len(predicted)} films and labels of {len(healthy)}; expected one each a film.")
    result: np.ndarray = np.where(healthy, np.array([float(len(b)) for b in predicted]), np.nan)
    return result


class FalseBoxes(CumulativeIterationMetric):
    """Boxes drawn on films without true boxes, a film.

    Films whose boxes are unknown must be left out by the caller, as they come without true boxes too.

    Example:
        >>> metric = FalseBoxes()
        >>> _ = metric([torch.zeros(3, 4), torch.zeros(0, 4)], [torch.zeros(0, 4), torch.zeros(0, 4)])
        >>> metric.aggregate()
        tensor(1.5000)
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Number of boxes on a film.

        Args:
            y_pred: predicted boxes ``(1, n, 4)``.
            y: true boxes ``(1, m, 4)``.

        Returns:
            ``(1, 1)``, nan where there is a true box.
        """
        return torch.tensor([[float(y_pred.shape[1]) if y.shape[1] == 0 else torch.nan]])

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over films without true boxes, a scalar; nan where there is none."""
        return torch.nanmean(torch.as_tensor(self.get_buffer()))
