"""Drawn boxes as a target of the map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.networks.log_odds import class_log_odds


class BoxSupervisionLoss(nn.Module):
    """Binary cross-entropy of each cell's TB probability with the share of its place that lies in a box.

    The one loss of this package that sees boxes: everything else learns from image-level labels. It is for the boxes
    that an annotator has drawn, and off unless asked for. A cell of a ResNet looks at pixel ``stride * i``, so its
    target is the mean of the mask around that pixel, one stride wide.

    Args:
        tb_index: class of tuberculosis; the last by default.

    Example:
        >>> maps, mask = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 16, 16)
        >>> round(float(BoxSupervisionLoss()(maps, mask)), 4)
        0.6931
    """

    inputs = ("map", "box_mask")

    def __init__(self, tb_index: int = -1) -> None:
        super().__init__()
        self.tb_index = tb_index

    def forward(self, student: torch.Tensor, box_mask: torch.Tensor) -> torch.Tensor:
        """Mean over films with known boxes and their cells; 0 where there are none.

        Args:
            student: maps ``(B, C, h, w)`` in logits.
            box_mask: unions of boxes ``(B, 1, H, W)`` of 0-1 on the network's input; all 0 is a film without TB, and
                a film with nan takes no part. H is a multiple of h, W of w.

        Returns:
            A scalar.

        Raises:
            ValueError: a mask of other films, or smaller than the map.
        """
        if box_mask.shape[0] != student.shape[0] or box_mask.shape[1] != 1 or box_mask.ndim != 4:
            raise ValueError(
                f"Box masks are {tuple(box_mask.shape)} for maps {tuple(student.shape)}; expected (B, 1, H, W)."
            )
        known = ~torch.isnan(box_mask).flatten(1).any(1)
        log_odds = class_log_odds(student, self.tb_index)
        if not known.any():
            return log_odds.sum() * 0.0
        target = cell_shares(box_mask[known], (student.shape[-2], student.shape[-1]))
        return F.binary_cross_entropy_with_logits(log_odds[known], target.to(log_odds))


def cell_shares(mask: torch.Tensor, cells: tuple[int, int]) -> torch.Tensor:
    """The mean of a mask around the place of each cell of a ResNet's map.

    Args:
        mask: ``(B, 1, H, W)`` of 0-1.
        cells: (height, width) of the map; cell i lies on pixel ``stride * i``.

    Returns:
        ``(B, 1, *cells)``; what lies beyond the film does not count.

    Raises:
        ValueError: a mask smaller than the map.

    Example:
        >>> cell_shares(torch.tensor([[[[1.0, 1, 1, 0, 0, 0, 0, 0]]]]).expand(1, 1, 8, 8), (2, 2))[0, 0, 0]
        tensor([1.0000, 0.2500])
    """
    strides = [-(-pixels // number) for pixels, number in zip(mask.shape[-2:], cells)]
    if mask.shape[-2] < cells[0] or mask.shape[-1] < cells[1]:
        raise ValueError(f"Masks are {tuple(mask.shape[-2:])} for a map of {cells}; expected at least as many pixels.")
    halves = [stride // 2 for stride in strides]
    pooled = F.avg_pool2d(mask, strides, stride=strides, padding=halves, count_include_pad=False)
    return pooled[..., : cells[0], : cells[1]]
