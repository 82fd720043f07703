"""The image-level label, where pasted regions say where there is no disease."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.networks.cell_positions import at_cells
from monai_tbkd.networks.log_odds import UNKNOWN_LABEL, class_log_odds


class RegionLabelLoss(nn.Module):
    """Cross-entropy of TB in regions of an image and of its pasted copies, pooled inside the lungs.

    An image with TB has TB somewhere in its own lungs, and so have its copies together, each of which holds a part of
    them. The pasted regions have none, whatever lies beside them, so that a cell can't answer for disease elsewhere.
    Regions are pooled by log-sum-exp. With three classes the whole image also says which of the others it is.

    Args:
        r: sharpness of the pooling, see :class:`~monai_tbkd.networks.LogSumExpMapPool`.
        least: weight of a cell outside the lungs, 0 to 1.

    Source:
        Pasting: Yun et al., "CutMix", ICCV 2019, https://arxiv.org/abs/1905.04899. Bags of positions: Pinheiro and
        Collobert, CVPR 2015, https://arxiv.org/abs/1411.6228.
    """

    inputs = ("map", "label", "lung_field", "own")

    def __init__(self, r: float = 2.0, least: float = 0.02) -> None:
        super().__init__()
        self.r, self.least = float(r), float(least)

    def forward(
        self, maps: torch.Tensor, label: torch.Tensor, lung_field: torch.Tensor, own: torch.Tensor
    ) -> torch.Tensor:
        """Mean over the batch.

        Args:
            maps: ``(B, K, C, h, w)`` in logits, of each image and its copies.
            label: class indices ``(B,)``; TB is the last class, images of unknown label take no part.
            lung_field: of 0-255, ``(B, K, 1, H, W)``.
            own: of 0-255, ``(B, K, 1, H, W)``: how much of each pixel is of the image itself.

        Returns:
            A scalar.
        """
        batch, copies, classes, height, width = maps.shape
        tb = class_log_odds(maps.flatten(0, 1)).reshape(batch, copies, height * width)
        lungs, kept = (at_cells(each.flatten(0, 1), (height, width)).reshape(tb.shape) for each in (lung_field, own))
        lungs = lungs.clamp_min(self.least)
        known = label.reshape(-1) != UNKNOWN_LABEL
        wanted = (label.reshape(-1) == max(classes, 2) - 1).to(tb)
        pasted = known & (kept < 0.5).flatten(1).any(dim=1)
        terms = [self._loss(tb[:, 0], lungs[:, 0], wanted, known)]
        if classes > 2 and known.any():  # which of the others it is: of the whole image alone
            logits = self._pooled(maps[:, 0].flatten(2), lungs[:, :1])
            terms[0] = F.cross_entropy(logits[known], label.reshape(-1)[known].long())
        if pasted.any():
            own_cells = (lungs * kept)[:, 1:].flatten(1)
            terms.append(self._loss(tb[:, 1:].flatten(1), own_cells, wanted, pasted))
            none = torch.zeros_like(wanted)
            terms += [
                self._loss(tb[:, i], lungs[:, i] * (1 - kept[:, i]), none, pasted) / (copies - 1)
                for i in range(1, copies)
            ]
        return torch.stack(terms).sum()

    def _loss(self, tb: torch.Tensor, weight: torch.Tensor, wanted: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of cells ``(B, n)`` pooled with weights ``(B, n)``, of the images that are taken."""
        if not taken.any():
            return tb.sum() * 0.0
        return F.binary_cross_entropy_with_logits(self._pooled(tb, weight)[taken], wanted[taken])

    def _pooled(self, logits: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Log-sum-exp of the last axis, with weights."""
        weight = weight.clamp_min(1e-6)
        return (torch.logsumexp(self.r * logits + weight.log(), dim=-1) - weight.sum(dim=-1).log()) / self.r
