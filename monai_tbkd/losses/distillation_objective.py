"""The weighted sum of distillation terms."""

from __future__ import annotations

import torch
from torch import nn


class DistillationObjective(nn.Module):
    """What a student minimizes: label, logit and map terms, each with its weight.

    A term of weight 0 is not computed. Without a teacher only the label term is left, so that teacher, student and
    control are trained by the same code.

    Args:
        pooling: map ``(B, C, h, w)`` to image-level logits ``(B, C)``.
        label: loss of logits and label; weight ``label_weight``.
        logits: loss of student and teacher logits, weight ``logit_weight``.
        maps: loss of student and teacher maps, weight ``map_weight``.
        label_weight: weight of the label term.
        logit_weight: weight of the logit term.
        map_weight: weight of the map term.

    Raises:
        ValueError: a negative weight, or a weight above 0 for a term that is not there.
    """

    def __init__(
        self,
        pooling: nn.Module,
        label: nn.Module,
        logits: nn.Module | None = None,
        maps: nn.Module | None = None,
        label_weight: float = 1.0,
        logit_weight: float = 0.0,
        map_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.pooling, self.label, self.logits, self.maps = pooling, label, logits, maps
        self.weights = {"label": float(label_weight), "logits": float(logit_weight), "map": float(map_weight)}
        for name, weight in self.weights.items():
            if weight < 0:
                raise ValueError(f"The weight of the {name} term is {weight}; expected 0 or above.")
        for name, term in (("logits", logits), ("map", maps)):
            if self.weights[name] > 0 and term is None:
                raise ValueError(f"The {name} term has weight {self.weights[name]} but no loss; give one or weight 0.")
        if not any(self.weights.values()):
            raise ValueError("All weights of the distillation terms are 0; at least one has to be above 0.")

    @property
    def needs_teacher(self) -> bool:
        """Whether a term compares with a teacher."""
        return self.weights["logits"] > 0 or self.weights["map"] > 0

    def forward(
        self, student_map: torch.Tensor, label: torch.Tensor, teacher_map: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """The terms, unweighted, and their weighted ``total``.

        Args:
            student_map: ``(B, C, h, w)`` in logits.
            label: class indices ``(B,)``.
            teacher_map: ``(B, C, h', w')`` in logits; None where there is no teacher.

        Returns:
            ``label``, ``logits``, ``map`` (those with a weight) and ``total``, scalars.

        Raises:
            ValueError: a term compares with a teacher and there is no teacher map.
        """
        if self.needs_teacher and teacher_map is None:
            raise ValueError("A distillation term has a weight above 0, but no teacher map was given.")
        terms: dict[str, torch.Tensor] = {}
        logits = self.pooling(student_map)
        if self.weights["label"] > 0:
            terms["label"] = self.label(logits, label)
        if self.weights["logits"] > 0 and self.logits is not None:
            terms["logits"] = self.logits(logits, self.pooling(teacher_map))
        if self.weights["map"] > 0 and self.maps is not None:
            terms["map"] = self.maps(student_map, teacher_map)
        total = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        return {**terms, "total": total}
