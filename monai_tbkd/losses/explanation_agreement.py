"""Agreement of explanations: the student shall give the teacher's reasons."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.losses.map_size import at_coarser_size, refuse_other_classes
from monai_tbkd.networks.log_odds import as_two_or_more


class ExplanationAgreementLoss(nn.Module):
    """One minus the cosine of the student's and the teacher's explanation of one class a film.

    Source: Parchami-Araghi et al., "Good Teachers Explain: Explanation-Enhanced Knowledge Distillation" (e2KD), ECCV
    2024, https://arxiv.org/abs/2402.03119, which explains the class that the teacher predicts by GradCAM or B-cos.
    Here the explanation is the class's activation map: the networks' heads are linear, so that under average pooling
    the map is GradCAM (without its ReLU), at no cost. An explanation by input gradients would need a second backward
    pass through the student and one through the teacher, and could not be kept with a teacher's maps.

    With one channel, no ReLU and no centering this is half of CAT-KD's distance
    (:class:`~monai_tbkd.losses.MapDistillationLoss`), since ``|u - v|^2 = 2 - 2 cos``. It differs where there are
    several classes, of which it compares the explained one alone, and with ``positive``.

    Args:
        pooling: map ``(B, C, h, w)`` to logits ``(B, C)``; with it the class is the one that the teacher predicts, as
            in the paper. None takes the labeled class, which is known in training.
        positive: only evidence for the class counts, as in GradCAM (a ReLU). A film where student or teacher has
            none takes no part, so a student that sees nothing learns nothing from this term.

    Example:
        >>> loss, maps = ExplanationAgreementLoss(), torch.randn(2, 1, 4, 4)
        >>> float(loss(3 * maps, maps, torch.tensor([1, 0]))) < 1e-6
        True
    """

    def __init__(self, pooling: nn.Module | None = None, positive: bool = False) -> None:
        super().__init__()
        self.pooling, self.positive = pooling, positive

    def forward(self, student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Mean over films.

        Args:
            student: maps ``(B, C, h, w)`` in logits.
            teacher: maps ``(B, C, h', w')`` in logits, without gradient. Different sizes meet at the coarser.
            label: class indices ``(B,)`` or ``(B, 1)``; of no account with ``pooling``.

        Returns:
            A scalar between 0 (same places) and 2 (opposite).

        Raises:
            ValueError: batch or classes differ.
        """
        refuse_other_classes(student, teacher)
        teacher = teacher.detach()
        if self.pooling is not None:
            label = as_two_or_more(self.pooling(teacher)).argmax(dim=1)
        s, t = (self._explanation(x, label).flatten(1) for x in at_coarser_size(student, teacher))  # (B, h * w)
        apart = 1 - F.cosine_similarity(s, t, dim=1, eps=1e-6)
        if self.positive:
            apart = apart * ((s.detach().amax(dim=1) > 0) & (t.amax(dim=1) > 0))
        return apart.mean()

    def _explanation(self, maps: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        classes = label.reshape(-1).long()
        if maps.shape[1] == 1:  # one logit speaks for TB, and against it with the other sign
            chosen = maps[:, 0] * torch.where(classes == 1, 1.0, -1.0).to(maps).reshape(-1, 1, 1)
        else:
            chosen = maps[torch.arange(len(maps), device=maps.device), classes]
        return chosen.relu() if self.positive else chosen
