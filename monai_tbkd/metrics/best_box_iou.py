"""How well each true box is met by its best predicted box."""

from __future__ import annotations

import torch
from monai.data.box_utils import box_iou
from monai.metrics import CumulativeIterationMetric


class BestBoxIoU(CumulativeIterationMetric):
    """Mean over true boxes of the IoU with the predicted box that meets it best; a missed box counts 0.

    False boxes do not lower it, so it says little alone; read it beside union-mask IoU.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Sum of best IoUs and number of true boxes of each film.

        Args:
            y_pred: predicted boxes ``(1, n, 4)``, xyxy.
            y: true boxes ``(1, m, 4)``, xyxy, on the same grid.

        Returns:
            ``(1, 2)``: sum over the true boxes of the best IoU; m.
        """
        true, predicted = y[0].float(), y_pred[0].float()
        if len(true) == 0 or len(predicted) == 0:
            return torch.tensor([[0.0, float(len(true))]])
        best = torch.as_tensor(box_iou(true, predicted)).max(dim=1).values
        return torch.stack([best.sum(), torch.tensor(float(len(true)))])[None]

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over true boxes, a scalar; nan where there is none."""
        sums = torch.as_tensor(self.get_buffer()).sum(dim=0)
        return sums[0] / sums[1] if sums[1] > 0 else torch.tensor(torch.nan)
