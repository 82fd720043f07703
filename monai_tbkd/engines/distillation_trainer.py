"""A supervised trainer whose student also learns from a teacher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.engines import SupervisedTrainer
from torch import nn

from monai_tbkd.data.lists.pasted_copies import OWN
from monai_tbkd.losses import DistillationObjective
from monai_tbkd.transforms.lung_crop import LUNG_FIELD
from monai_tbkd.transforms.student_target import TEACHER_MAP

BOX_MASK = "box_mask"
BOXES_KNOWN = "boxes_known"


class DistillationTrainer(SupervisedTrainer):
    """MONAI's ``SupervisedTrainer`` with a frozen teacher and an objective of several terms.

    ``network`` is the student alone, for checkpoints, validation and exports. The teacher gets the student's batch, in
    eval mode and without gradients. Without a teacher this trains a teacher, or a control. Each term is in
    ``engine.state.output`` as ``loss_<term>``. Boxes reach the objective only where a term compares them and batches
    have their masks (``box_mask`` ``(B, 1, H, W)`` uint8 of 0-255, with ``boxes_known`` ``(B,)``).

    Args:
        objective: the terms and their weights.
        teacher: from what batches bring to maps ``(B, C, h, w)``; None where nothing is distilled.
        target: from a batch with ``teacher_map`` to what the student's map learns from, see
            :mod:`monai_tbkd.transforms.student_target`; None takes the teacher's map. The teacher's logits are those of
            its own map.
        to_network: from images as batches bring them to what both networks take, on the device; None for no change.
        kwargs: everything of :class:`monai.engines.SupervisedTrainer` but ``loss_function``.

    Raises:
        ValueError: on a batch without a teacher although the objective needs one.
    """

    def __init__(
        self,
        objective: DistillationObjective,
        teacher: nn.Module | None = None,
        target: Callable[[Any], Any] | None = None,
        to_network: Callable[[torch.Tensor], torch.Tensor] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(loss_function=self._objective_of_batch, **kwargs)
        self.objective, self.to_network, self.target = objective, to_network, target
        # the teacher must not be reachable from the network, or checkpoints would hold it
        self.teacher = teacher
        self._compared: dict[str, Any] = {}

    def _iteration(self, engine: SupervisedTrainer, batchdata: dict[str, torch.Tensor]) -> dict[str, Any]:
        if self.to_network is not None:
            batchdata = {**batchdata, "image": self.to_network(self._on_device(batchdata["image"]))}
        self._compared = self._teach(batchdata) if self.objective.needs("teacher") else {}
        if self.objective.needs("box_mask") and BOX_MASK in batchdata:
            mask = self._on_device(batchdata[BOX_MASK]).float() / 255
            known = batchdata[BOXES_KNOWN].to(mask.device).reshape(-1, 1, 1, 1) > 0
            self._compared["box_mask"] = mask.masked_fill(~known, torch.nan)
        self._compared["regions"] = {
            key: self._on_device(batchdata[key])
            for key in (LUNG_FIELD, OWN)
            if key in batchdata and self.objective.needs(key)
        }
        return super()._iteration(engine, batchdata)

    def _on_device(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.state.device, non_blocking=self.non_blocking)

    def _teach(self, batchdata: dict[str, torch.Tensor]) -> dict[str, Any]:
        if self.teacher is None:
            raise ValueError(
                "The objective compares with a teacher, but the trainer has none; give it one, or take the terms other "
                "than the label's away."
            )
        self.teacher.eval().requires_grad_(False)
        if TEACHER_MAP in batchdata:  # of a teacher with another backbone
            found = self._on_device(batchdata[TEACHER_MAP])
        else:
            image = self._on_device(batchdata["image"])
            with torch.no_grad(), torch.autocast("cuda", enabled=self.amp and torch.cuda.is_available()):
                found = self.teacher(image).float()
        logits = self.objective.pooling(found) if self.objective.needs("teacher_logits") else None
        if self.target is not None:
            with torch.no_grad():
                found = self.target({**batchdata, TEACHER_MAP: found})[TEACHER_MAP]
        return {"teacher_map": found, "teacher_logits": logits}

    def _objective_of_batch(self, student_map: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        terms = self.objective(student_map, label, **self._compared)
        # the base class decollates its output before it returns, so the terms have to be there by now.
        self.state.output.update({f"loss_{name}": value.detach() for name, value in terms.items() if name != "total"})
        return terms["total"]
