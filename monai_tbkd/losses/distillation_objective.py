"""The weighted sum of distillation terms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from monai_tbkd.losses.attention_transfer import AttentionTransferLoss


class DistillationObjective(nn.Module):
    """What a student minimizes: the label's term and terms that compare it with a teacher, each with its weight.

    A term of weight 0 is not computed. Without a teacher only the label term is left, so that teacher, student and
    control are trained by the same code. Weights may change during training (`set_weight`).

    Args:
        pooling: map ``(B, C, h, w)`` to image-level logits ``(B, C)``.
        label: loss of logits and label; weight ``label_weight``.
        logits: loss of student and teacher logits, weight ``logit_weight``.
        maps: loss of student and teacher maps, weight ``map_weight``.
        cells: loss of student and teacher maps and label, weight ``cell_weight``.
        attention: loss of student and teacher features, with the names of its ``stages``; weight ``attention_weight``.
        explanations: loss of student and teacher maps and label, weight ``explanation_weight``.
        boxes: loss of student maps and box masks, weight ``box_weight``; the one term that sees boxes.
        label_weight: weight of the label term.
        logit_weight: weight of the logit term.
        map_weight: weight of the map term.
        cell_weight: weight of the cell term.
        attention_weight: weight of the attention term.
        explanation_weight: weight of the explanation term.
        box_weight: weight of the box term.

    Raises:
        ValueError: a negative weight, or a weight above 0 for a term that is not there.
    """

    attention: AttentionTransferLoss | None

    def __init__(
        self,
        pooling: nn.Module,
        label: nn.Module,
        logits: nn.Module | None = None,
        maps: nn.Module | None = None,
        cells: nn.Module | None = None,
        attention: AttentionTransferLoss | None = None,
        explanations: nn.Module | None = None,
        label_weight: float = 1.0,
        logit_weight: float = 0.0,
        map_weight: float = 0.0,
        cell_weight: float = 0.0,
        attention_weight: float = 0.0,
        explanation_weight: float = 0.0,
        boxes: nn.Module | None = None,
        box_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.pooling, self.label, self.logits, self.maps = pooling, label, logits, maps
        self.cells, self.attention, self.explanations, self.boxes = cells, attention, explanations, boxes
        self.weights = dict.fromkeys(("label", "logits", "map", "cells", "attention", "explanation", "boxes"), 0.0)
        given = (label_weight, logit_weight, map_weight, cell_weight, attention_weight, explanation_weight, box_weight)
        for name, weight in zip(self.weights, given):
            self.set_weight(name, weight)
        if not any(self.weights.values()):
            raise ValueError("All weights of the distillation terms are 0; at least one has to be above 0.")

    def set_weight(self, name: str, weight: float) -> None:
        """Give a term another weight.

        Args:
            name: ``label``, ``logits``, ``map``, ``cells``, ``attention``, ``explanation`` or ``boxes``.
            weight: 0 or above.

        Raises:
            ValueError: an unknown term, a negative weight, or a weight above 0 for a term that is not there.
        """
        if name not in self.weights:
            raise ValueError(f"There is no term {name!r}; expected one of {', '.join(self.weights)}.")
        if not weight >= 0:
            raise ValueError(f"The weight of the {name} term is {weight}; expected 0 or above.")
        term = {"map": self.maps, "explanation": self.explanations}.get(name, getattr(self, name, None))
        if weight > 0 and term is None:
            raise ValueError(f"The {name} term has weight {weight} but no loss; give one or weight 0.")
        self.weights[name] = float(weight)

    @property
    def needs_teacher(self) -> bool:
        """Whether a term compares with a teacher."""
        return any(weight > 0 for name, weight in self.weights.items() if name not in ("label", "boxes"))

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages whose features a term compares; none where no term does."""
        if self.attention is None or self.weights["attention"] == 0:
            return ()
        return self.attention.stages

    def forward(
        self,
        student_map: torch.Tensor,
        label: torch.Tensor,
        teacher_map: torch.Tensor | None = None,
        student_features: Sequence[torch.Tensor] | None = None,
        teacher_features: Sequence[torch.Tensor] | None = None,
        box_mask: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """The terms, unweighted, and their weighted ``total``.

        Args:
            student_map: ``(B, C, h, w)`` in logits.
            label: class indices ``(B,)``.
            teacher_map: ``(B, C, h', w')`` in logits; None where there is no teacher.
            student_features: ``(B, F, h, w)``, one tensor for each of `stages`; None where there are none.
            teacher_features: the teacher's, likewise.
            box_mask: unions of drawn boxes ``(B, 1, H, W)`` of 0-1, nan on films whose boxes are not known; None where
                there are none.

        Returns:
            ``label``, ``logits``, ``map``, ``cells``, ``attention``, ``explanation``, ``boxes`` (those with a
            weight) and ``total``, scalars.

        Raises:
            ValueError: a term compares with a teacher and there is no teacher map, or features and there are none, or
                boxes have a weight and there is no mask, or all weights have become 0.
        """
        used = {name for name, weight in self.weights.items() if weight > 0}
        if not used:
            raise ValueError("All weights of the distillation terms have become 0; keep at least one above 0.")
        if self.needs_teacher and teacher_map is None:
            raise ValueError("A distillation term has a weight above 0, but no teacher map was given.")
        if self.stages and (student_features is None or teacher_features is None):
            raise ValueError("The attention term has a weight above 0, but no features of both networks were given.")
        terms: dict[str, torch.Tensor] = {}
        logits = self.pooling(student_map)
        if "label" in used:
            terms["label"] = self.label(logits, label)
        if "logits" in used and self.logits is not None:
            terms["logits"] = self.logits(logits, self.pooling(teacher_map))
        if "map" in used and self.maps is not None:
            terms["map"] = self.maps(student_map, teacher_map)
        if "cells" in used and self.cells is not None:
            terms["cells"] = self.cells(student_map, teacher_map, label)
        if "attention" in used and self.attention is not None:
            terms["attention"] = self.attention(student_features, teacher_features)
        if "explanation" in used and self.explanations is not None:
            terms["explanation"] = self.explanations(student_map, teacher_map, label)
        if "boxes" in used and self.boxes is not None:
            if box_mask is None:
                raise ValueError("The box term has a weight above 0, but no mask of boxes was given.")
            terms["boxes"] = self.boxes(student_map, box_mask)
        total = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        return {**terms, "total": total}
