"""The weighted sum of the terms that a network is trained by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


class DistillationObjective(nn.Module):
    """Weighted sum of loss terms.

    Args:
        pooling: map ``(B, C, h, w)`` to image-level logits ``(B, C)``.
        terms: by name, each ``{"loss": module, "weight": number}``. A loss names what it compares in ``inputs``:
            ``logits``, ``map``, ``teacher_logits``, ``teacher_map``, ``label``, ``box_mask``, ``lung_field``, ``own``.
            A term of weight 0 is not computed.

    Raises:
        ValueError: a negative weight, a term without a loss, or no term with a weight above 0.
    """

    def __init__(self, pooling: nn.Module, terms: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self.pooling = pooling
        self.losses = nn.ModuleDict()
        self.weights: dict[str, float] = {}
        self.inputs: dict[str, tuple[str, ...]] = {}
        for name, term in terms.items():
            weight = float(term.get("weight", 1.0))
            if not weight >= 0 or "loss" not in term:
                raise ValueError(f"The {name} term is {dict(term)}; expected a loss and a weight of 0 or above.")
            if weight > 0:
                self.losses[name], self.weights[name] = term["loss"], weight
                self.inputs[name] = tuple(term["loss"].inputs)
        if not self.weights:
            raise ValueError("All weights of the loss terms are 0; at least one has to be above 0.")

    def needs(self, name: str) -> bool:
        """Whether a term compares this input, such as ``teacher`` (map or logits) or ``box_mask``."""
        return any(each.startswith(name) for inputs in self.inputs.values() for each in inputs)

    def forward(
        self,
        student_map: torch.Tensor,
        label: torch.Tensor,
        teacher_map: torch.Tensor | None = None,
        box_mask: torch.Tensor | None = None,
        teacher_logits: torch.Tensor | None = None,
        regions: Mapping[str, torch.Tensor] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Each term, unweighted, and their weighted ``total``; ValueError where a term compares what is not given.

        Args:
            student_map: ``(B, C, h, w)`` in logits.
            label: class indices ``(B,)``, or ``(B, 2)`` of halves.
            teacher_map: ``(B, C, h', w')`` in logits; None without a teacher.
            box_mask: unions of drawn boxes ``(B, 1, H, W)`` of 0-1, nan for images whose boxes are not known.
            teacher_logits: ``(B, C)``; None takes them from ``teacher_map``, which a target may have changed.
            regions: what else terms compare, such as ``lung_field`` and ``own``.
        """
        found = {"map": student_map, "label": label, "teacher_map": teacher_map, "box_mask": box_mask}
        found |= regions or {}
        if self.needs("logits"):
            found["logits"] = self.pooling(student_map)
        if teacher_logits is None and teacher_map is not None:
            teacher_logits = self.pooling(teacher_map)
        found["teacher_logits"] = teacher_logits
        terms: dict[str, torch.Tensor] = {}
        for name, loss in self.losses.items():
            missing = [each for each in self.inputs[name] if found.get(each) is None]
            if missing:
                raise ValueError(f"The {name} term compares {', '.join(missing)}, which the batch does not bring.")
            terms[name] = loss(*(found[each] for each in self.inputs[name]))
        total = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        return {**terms, "total": total}
