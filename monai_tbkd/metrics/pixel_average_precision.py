"""How well a map's values tell pixels in true boxes from the others, over all thresholds at once."""

from __future__ import annotations

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric

from monai_tbkd.metrics.pixel_counts import PixelCounts, pixel_counts

PXAP_THRESHOLDS = np.arange(1001) / 1000

DEFINITIONS = {
    "pxap": (
        "PxAP (Choe et al., CVPR 2020): area under precision against recall of pixels, those of all TB films with "
        "boxes pooled, 1001 thresholds from 0 to 1, by steps; no threshold is chosen."
    )
}


def pixel_average_precision(counts: PixelCounts, weights: np.ndarray | None = None) -> np.ndarray:
    """Average precision of pixels, those of all films pooled.

    Precision times the gain in recall, summed from the highest threshold to the lowest and on to "every pixel".

    Args:
        counts: :func:`~monai_tbkd.metrics.pixel_counts.pixel_counts` of the films.
        weights: ``(R, N)``, how often each film counts; None counts each once.

    Returns:
        ``(R,)``, or ``(1,)`` without weights; nan where no pixel is in a true box.

    Example:
        >>> right = pixel_counts(np.array([[[0.1, 0.5]]]), np.array([[[False, True]]]), PXAP_THRESHOLDS)
        >>> pixel_average_precision(right)
        array([1.])
    """
    w = np.ones((1, len(counts.inside))) if weights is None else np.asarray(weights, dtype=np.float64)
    hit = np.column_stack([w @ counts.inside, w @ counts.hit])[:, ::-1]  # (R, K + 1), from the highest threshold down
    predicted = np.column_stack([w @ counts.pixels, w @ counts.predicted])[:, ::-1]
    precision = np.divide(hit, predicted, out=np.zeros_like(hit), where=predicted > 0)
    area = (precision * np.diff(hit, axis=1, prepend=0.0)).sum(axis=1)
    inside = hit[:, -1]
    result: np.ndarray = np.divide(area, inside, out=np.full_like(area, np.nan), where=inside > 0)
    return result


class PixelAP(CumulativeIterationMetric):
    """Pixel average precision (PxAP) over the films with true boxes.

    Source: Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020,
    https://arxiv.org/abs/2001.07437. There maps are stretched film by film first; here they are taken as they are.

    Args:
        thresholds: ``(K,)``, ascending; None takes 1001 from 0 to 1.

    Example:
        >>> metric = PixelAP()
        >>> _ = metric(torch.tensor([[[[0.1, 0.5]]]]), torch.tensor([[[[True, False]]]]))
        >>> metric.aggregate()
        tensor(0.5000, dtype=torch.float64)
    """

    def __init__(self, thresholds: np.ndarray | None = None) -> None:
        super().__init__()
        self.thresholds = PXAP_THRESHOLDS if thresholds is None else np.asarray(thresholds)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Counts of each film.

        Args:
            y_pred: maps ``(B, 1, H, W)``.
            y: union masks of the true boxes ``(B, 1, H, W)``, bool or 0/1.

        Returns:
            ``(B, 2, K + 1)`` int64: pixels in boxes, and all; first every one, then those at or above each threshold.

        Raises:
            ValueError: shapes that differ, or a map with nan.
        """
        counts = pixel_counts(y_pred[:, 0].cpu().numpy(), y[:, 0].bool().cpu().numpy(), self.thresholds)
        hit = np.column_stack([counts.inside, counts.hit])
        return torch.from_numpy(np.stack([hit, np.column_stack([counts.pixels, counts.predicted])], axis=1))

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """PxAP, a scalar; nan where no film has a box."""
        hit, predicted = torch.as_tensor(self.get_buffer()).cpu().numpy().transpose(1, 0, 2)
        films = (hit[:, 0] > 0)[None]
        counts = PixelCounts(hit[:, 1:], predicted[:, 1:], hit[:, 0], predicted[:, 0])
        return torch.tensor(pixel_average_precision(counts, films)[0])
