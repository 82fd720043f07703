"""A supervised trainer whose student also learns from a teacher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.engines import SupervisedTrainer
from torch import nn

from monai_tbkd.losses import DistillationObjective

TEACHER_MAP = "teacher_map"


class DistillationTrainer(SupervisedTrainer):
    """MONAI's ``SupervisedTrainer`` with a frozen teacher and an objective of several terms.

    ``network`` is the student, so that checkpoints, validation and exports see only the student. The teacher looks at
    the very batch that the student sees, in eval mode and without gradients; where a batch brings ``teacher_map`` (from
    :class:`~monai_tbkd.engines.RandMirrorWithTeacherMapd`), that is taken instead. Without a teacher this trains a
    teacher, or a control. Each term is in ``engine.state.output`` as ``loss_<term>``.

    Args:
        objective: the terms and their weights.
        teacher: from films ``(B, 3, H, W)`` to maps ``(B, C, h, w)``; None where nothing is distilled or batches
            bring ``teacher_map``.
        to_network: from films as batches bring them to what both networks take, ``(B, 3, H, W)``, on the device; so
            films may come as one channel of 8 bits. None where batches bring what the networks take.
        kwargs: everything of :class:`monai.engines.SupervisedTrainer` but ``loss_function``.

    Raises:
        ValueError: on a batch without any teacher although the objective needs one.
    """

    def __init__(
        self,
        objective: DistillationObjective,
        teacher: nn.Module | None = None,
        to_network: Callable[[torch.Tensor], torch.Tensor] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(loss_function=self._objective_of_batch, **kwargs)
        self.objective, self.to_network = objective, to_network
        # The teacher must not be reachable from the network, or checkpoints would hold it.
        self.teacher = None if teacher is None else teacher.eval().requires_grad_(False)
        self._teacher_map: torch.Tensor | None = None

    def _iteration(self, engine: SupervisedTrainer, batchdata: dict[str, torch.Tensor]) -> dict[str, Any]:
        if self.to_network is not None:
            image = batchdata["image"].to(self.state.device, non_blocking=self.non_blocking)
            batchdata = {**batchdata, "image": self.to_network(image)}
        self._teacher_map = self._look(batchdata) if self.objective.needs_teacher else None
        return super()._iteration(engine, batchdata)

    def _look(self, batchdata: dict[str, torch.Tensor]) -> torch.Tensor:
        device = self.state.device
        if TEACHER_MAP in batchdata:
            return batchdata[TEACHER_MAP].to(device, non_blocking=self.non_blocking).float()
        if self.teacher is None:
            raise ValueError(
                "The objective compares with a teacher, but the trainer has none and the batch brings no "
                f"'{TEACHER_MAP}'; give the trainer a teacher, or set the weights of the logit and map terms to 0."
            )
        self.teacher.eval()
        with torch.no_grad(), torch.autocast("cuda", enabled=self.amp and torch.cuda.is_available()):
            image = batchdata["image"].to(device, non_blocking=self.non_blocking)
            return self.teacher(image).float()  # type: ignore[no-any-return]

    def _objective_of_batch(self, student_map: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        terms = self.objective(student_map, label, self._teacher_map)
        # The base class decollates its output before it returns, so the terms have to be there by now.
        self.state.output.update({f"loss_{name}": value.detach() for name, value in terms.items() if name != "total"})
        return terms["total"]
