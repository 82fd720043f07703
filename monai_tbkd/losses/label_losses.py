"""Losses that compare the network with labels: of whole images, of halves, of pasted regions, or drawn boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.networks.cell_positions import at_cells, mean_around_cells
from monai_tbkd.networks.log_odds import UNKNOWN_LABEL, class_log_odds, to_two_class_logits


class LabelLoss(nn.Module):
    """Cross-entropy of image-level logits ``(B, C)``; with one logit this is binary cross-entropy.

    Images of unknown label (`UNKNOWN_LABEL`) take no part; a batch of such images alone gives 0.

    Args:
        class_weights: one weight a class, or None for 1 each. One logit takes two: (rest, TB).
    """

    class_weights: torch.Tensor | None
    inputs = ("logits", "label")

    def __init__(self, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        weights, classes, label = self.class_weights, max(logits.shape[1], 2), label.reshape(-1)
        if weights is not None and len(weights) != classes:
            raise ValueError(f"class_weights has {len(weights)} values; expected {classes}, one a class.")
        known = label != UNKNOWN_LABEL
        if not known.any():
            return logits.sum() * 0.0
        weights = None if weights is None else weights.to(logits)
        return F.cross_entropy(to_two_class_logits(logits)[known], label.long()[known], weight=weights)


class BalancedLabelLoss(nn.Module):
    """Binary cross-entropy in which yes and no weigh the same, however many of each a batch has.

    Logits are ``(B, K)``, labels 0 or 1 ``(B, K)``, or ``(B,)`` where K is 1.
    """

    inputs = ("logits", "label")

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        if label.numel() != logits.numel():
            raise ValueError(f"There are {tuple(logits.shape)} logits and {tuple(label.shape)} labels; expected alike.")
        yes = label.reshape(logits.shape).to(logits)
        each = F.binary_cross_entropy_with_logits(logits, yes, reduction="none")
        means = [(each * part).sum() / part.sum() for part in (yes, 1 - yes) if bool(part.any())]
        return torch.stack(means).mean()


class RegionLabelLoss(nn.Module):
    """Cross-entropy of TB in regions of an image and of its pasted copies, pooled inside the lungs by log-sum-exp.

    An image with TB has TB in its own lungs, and so have its copies together, each of which holds a part of them. The
    pasted regions have none, so that a cell can't answer for disease elsewhere. With three classes the whole image also
    says which of the others it is.

    Source: pasting: Yun et al., "CutMix", ICCV 2019, https://arxiv.org/abs/1905.04899; bags of positions: Pinheiro and
    Collobert, CVPR 2015, https://arxiv.org/abs/1411.6228.

    Args:
        r: sharpness of the pooling, see :class:`~monai_tbkd.networks.LogSumExpMapPool`.
        least: weight of a cell outside the lungs, 0 to 1.
    """

    inputs = ("map", "label", "lung_field", "own")

    def __init__(self, r: float = 2.0, least: float = 0.02) -> None:
        super().__init__()
        self.r, self.least = float(r), float(least)

    def forward(
        self, maps: torch.Tensor, label: torch.Tensor, lung_field: torch.Tensor, own: torch.Tensor
    ) -> torch.Tensor:
        """Mean over the batch of maps ``(B, K, C, h, w)`` in logits, of each image and its copies.

        Labels are class indices ``(B,)``, of which TB is the last; images of unknown label take no part. ``lung_field``
        and ``own`` (how much of each pixel is of the image itself) are ``(B, K, 1, H, W)`` of 0-255.
        """
        batch, copies, classes, height, width = maps.shape
        label = label.reshape(-1)
        tb = class_log_odds(maps.flatten(0, 1)).reshape(batch, copies, height * width)
        lungs, kept = (at_cells(each.flatten(0, 1), (height, width)).reshape(tb.shape) for each in (lung_field, own))
        lungs = lungs.clamp_min(self.least)
        known = label != UNKNOWN_LABEL
        wanted = (label == max(classes, 2) - 1).to(tb)
        pasted = known & (kept < 0.5).flatten(1).any(dim=1)
        if classes > 2 and known.any():  # which of the others it is: of the whole image alone
            logits = self._pooled(maps[:, 0].flatten(2), lungs[:, :1])
            terms = [F.cross_entropy(logits[known], label[known].long())]
        else:
            terms = [self._loss(tb[:, 0], lungs[:, 0], wanted, known)]
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
        weight = weight.clamp_min(1e-6)
        return (torch.logsumexp(self.r * logits + weight.log(), dim=-1) - weight.sum(dim=-1).log()) / self.r


class BoxSupervisionLoss(nn.Module):
    """Binary cross-entropy of each cell's TB probability with the fraction of its surroundings that lies in a box.

    The only loss of this package that compares with boxes. It is for boxes drawn by an annotator, and off by default.
    """

    inputs = ("map", "box_mask")

    def forward(self, maps: torch.Tensor, box_mask: torch.Tensor) -> torch.Tensor:
        """Mean over the cells of images with known boxes; 0 where there are none.

        Maps are ``(B, C, h, w)`` in logits. Masks are unions of boxes ``(B, 1, H, W)`` of 0-1 on the network's input;
        an image with nan takes no part.
        """
        if box_mask.shape[0] != maps.shape[0] or box_mask.shape[1] != 1 or box_mask.ndim != 4:
            raise ValueError(
                f"Box masks are {tuple(box_mask.shape)} for maps {tuple(maps.shape)}; expected (B, 1, H, W)."
            )
        known = ~torch.isnan(box_mask).flatten(1).any(1)
        log_odds = class_log_odds(maps)
        if not known.any():
            return log_odds.sum() * 0.0
        target = mean_around_cells(box_mask[known], (maps.shape[-2], maps.shape[-1]))
        return F.binary_cross_entropy_with_logits(log_odds[known], target.to(log_odds))
