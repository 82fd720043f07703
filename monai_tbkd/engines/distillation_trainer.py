"""A supervised trainer whose student also learns from a teacher."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from monai.engines import SupervisedTrainer
from torch import nn

from monai_tbkd.losses import DistillationObjective
from monai_tbkd.networks.stage_features import StageFeatures

TEACHER_MAP = "teacher_map"
BOX_MASK = "box_mask"
BOXES_KNOWN = "boxes_known"


class DistillationTrainer(SupervisedTrainer):
    """MONAI's ``SupervisedTrainer`` with a frozen teacher and an objective of several terms.

    ``network`` is the student, so that checkpoints, validation and exports see only the student. The teacher looks at
    the very batch that the student sees, in eval mode and without gradients; where a batch brings ``teacher_map`` (from
    :class:`~monai_tbkd.engines.RandMirrorWithTeacherMapd`), that is taken instead. Without a teacher this trains a
    teacher, or a control. Where a term compares features, those of both networks are caught by hooks that live for one
    iteration; else there are none. Each term is in ``engine.state.output`` as ``loss_<term>``. Boxes reach the
    objective only where its box term has a weight and batches bring their masks (``box_mask`` ``(B, 1, H, W)`` uint8 of
    0-255, with ``boxes_known`` ``(B,)``).

    Args:
        objective: the terms and their weights.
        teacher: from films ``(B, 3, H, W)`` to maps ``(B, C, h, w)``; None where nothing is distilled or batches
            bring ``teacher_map``.
        to_network: from films as batches bring them to what both networks take, ``(B, 3, H, W)``, on the device; so
            films may come as one channel of 8 bits. None where batches bring what the networks take.
        kwargs: everything of :class:`monai.engines.SupervisedTrainer` but ``loss_function``.

    Raises:
        ValueError: on a batch without any teacher although the objective needs one, or with a teacher's map alone
            although the objective compares features.
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
        self.teacher = teacher
        self._teacher_map: torch.Tensor | None = None
        self._teacher_features: list[torch.Tensor] | None = None
        self._student_features: StageFeatures | None = None
        self._box_mask: torch.Tensor | None = None

    def _iteration(self, engine: SupervisedTrainer, batchdata: dict[str, torch.Tensor]) -> dict[str, Any]:
        if self.to_network is not None:
            image = batchdata["image"].to(self.state.device, non_blocking=self.non_blocking)
            batchdata = {**batchdata, "image": self.to_network(image)}
        self._teacher_map = self._look(batchdata) if self.objective.needs_teacher else None
        self._box_mask = self._boxes(batchdata) if self.objective.weights["boxes"] > 0 else None
        stages = self.objective.stages
        with StageFeatures(self.network, stages) if stages else nullcontext() as self._student_features:
            try:
                return super()._iteration(engine, batchdata)
            finally:
                self._student_features = self._teacher_features = None  # the graph is not kept

    def _look(self, batchdata: dict[str, torch.Tensor]) -> torch.Tensor:
        device, stages = self.state.device, self.objective.stages
        if TEACHER_MAP in batchdata:
            if stages:
                raise ValueError(
                    f"The attention term compares features, but the batch brings the teacher's '{TEACHER_MAP}' alone; "
                    "set cache_teacher to false, or the weight of the attention term to 0."
                )
            return batchdata[TEACHER_MAP].to(device, non_blocking=self.non_blocking).float()
        if self.teacher is None:
            raise ValueError(
                "The objective compares with a teacher, but the trainer has none and the batch brings no "
                f"'{TEACHER_MAP}'; give the trainer a teacher, or set the weights of the terms other than the label's "
                "to 0."
            )
        self.teacher.eval().requires_grad_(False)
        image = batchdata["image"].to(device, non_blocking=self.non_blocking)
        with torch.no_grad(), torch.autocast("cuda", enabled=self.amp and torch.cuda.is_available()):
            if not stages:
                return self.teacher(image).float()  # type: ignore[no-any-return]
            with StageFeatures(self.teacher, stages) as caught:
                teacher_map = self.teacher(image).float()
            self._teacher_features = caught.features()
            return teacher_map  # type: ignore[no-any-return]

    def _boxes(self, batchdata: dict[str, torch.Tensor]) -> torch.Tensor | None:
        if BOX_MASK not in batchdata:
            return None
        mask = batchdata[BOX_MASK].to(self.state.device, non_blocking=self.non_blocking).float() / 255
        known = batchdata[BOXES_KNOWN].to(mask.device).reshape(-1, 1, 1, 1) > 0
        return mask.masked_fill(~known, torch.nan)

    def _objective_of_batch(self, student_map: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        own = None if self._student_features is None else self._student_features.features()
        terms = self.objective(student_map, label, self._teacher_map, own, self._teacher_features, self._box_mask)
        # The base class decollates its output before it returns, so the terms have to be there by now.
        self.state.output.update({f"loss_{name}": value.detach() for name, value in terms.items() if name != "total"})
        return terms["total"]
