"""Whether the strongest place of a map lies in a true box."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from monai.metrics import CumulativeIterationMetric

from monai_tbkd.metrics.refuse_nan import refuse_nan

DEFINITIONS = {
    "pointing_game": (
        "Share of TB films with boxes whose map is strongest inside a true box; of a plateau, the share of it inside; "
        "no tolerance."
    )
}


class PointingGame(CumulativeIterationMetric):
    """Share of films whose map is strongest inside a true box.

    Where the maximum is reached in several places (a plateau), the film counts the share of them inside a box, so that
    a flat map gets what chance would give it. Source: Zhang et al., "Top-down Neural Attention by Excitation
    Backprop", IJCV 2018, https://arxiv.org/abs/1608.00507, without its 15-pixel tolerance.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Hit or miss of each film.

        Args:
            y_pred: maps ``(B, 1, h, w)``; brought to the masks' grid, bilinear, where it differs.
            y: union masks of the true boxes ``(B, 1, H, W)``, bool or 0/1.

        Returns:
            ``(B, 1)`` of 0-1, nan where the film has no box.

        Raises:
            ValueError: a map with nan or infinite values.
        """
        refuse_nan(y_pred, "maps")
        if y_pred.shape[-2:] != y.shape[-2:]:
            y_pred = F.interpolate(y_pred.float(), size=y.shape[-2:], mode="bilinear", align_corners=False)
        p, t = y_pred.flatten(1), y.bool().flatten(1)
        peak = p == p.amax(dim=1, keepdim=True)
        hit = (peak & t).sum(1).float() / peak.sum(1).float()
        return torch.where(t.any(1), hit, torch.nan)[:, None]

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over films with boxes, a scalar; nan where there is none."""
        return torch.nanmean(torch.as_tensor(self.get_buffer()))
