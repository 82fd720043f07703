"""Stages of the training: teacher, student, control."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from monai_tbkd import __version__
from monai_tbkd.data.lists.content_store import fingerprint
from monai_tbkd.data.lists.dataset_files import image_origins
from monai_tbkd.engines.preparation import read_components
from monai_tbkd.networks.checkpoint import (
    PHANTOM_ONLY,
    check_architecture,
    file_sha256,
    knows_no_real_image,
    read_record,
    refuse_other_settings,
)
from monai_tbkd.networks.finished_network import describe_module, finished_network, hash_of_file
from monai_tbkd.networks.symmetric_map_net import FeatureMapNet, trained_part, whole_network
from monai_tbkd.networks.training_images import labels_sha256
from monai_tbkd.transforms import NOTICE, notice_of

logger = logging.getLogger(__name__)

STAGES = ("teacher", "student", "control")
COMPARABLE = ("image_size", "pooling", "train_images", "train_sha256", "lung_crop", "lung_weights_sha256")
"""Settings without which networks cannot stand beside each other, or would be scored on images they were trained on."""
_POSITIVE = ("image_size", "batch_size", "max_epochs")


class FinishedTeacher(nn.Module):
    """The trained teacher, frozen.

    The checkpoint is read by `load`, or with the first batch, so that a workflow can be put together before the teacher
    has finished, as for MONAI's ``check_properties``.

    Args:
        checkpoint: of the teacher; its record has its architecture.
        student: what is trained, see :func:`monai_tbkd.networks.trained_part`; the teacher takes the same batches.
        view: through which the teacher gets images, or None.
        settings: of the student; a teacher of other images, labels, image size or pooling is refused.
        other_images: accept a teacher of other training images, such as of fewer hospitals.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        student: nn.Module,
        view: nn.Module | None = None,
        settings: Mapping[str, Any] | None = None,
        other_images: bool = False,
    ) -> None:
        super().__init__()
        self.checkpoint, self._view = Path(checkpoint), [view]
        self._student, self._settings = [student], comparable_settings(settings or {}, other_images)
        self.network: nn.Module | None = None

    @property
    def has_own_features(self) -> bool:
        """Whether, by its record, its backbone is another than the student's: batches have to bring its maps."""
        student, its = self._student[0], (read_record(self.checkpoint) or {}).get("architecture") or {}
        is_symmetric = its.get("network_class") == "SymmetricMapNet"
        return is_symmetric and isinstance(student, FeatureMapNet) and not student.shares_backbone(its)

    def load(self) -> str:
        """Load the weights as they are now, freeze them, and return their SHA-256.

        Raises:
            FileNotFoundError: no teacher has finished.
            ValueError: a checkpoint of another stage, or of other training images.
        """
        record = read_record(self.checkpoint)
        if record is not None:
            refuse_other_stage(record, self.checkpoint, "teacher")
            refuse_other_settings(record, self._settings, self.checkpoint)
        self.network = finished_part(self.checkpoint, self._student[0], "teacher", self._view[0]).requires_grad_(False)
        return file_sha256(self.checkpoint)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self.network is None:
            self.load()
        if has_other_features(self._student[0], self.network):
            raise ValueError("The teacher has another backbone; batches have to bring its maps (with_teacher_maps).")
        return self.network(image)  # type: ignore[misc, no-any-return]


def finished_part(checkpoint: str | Path, student: nn.Module, stage: str, view: nn.Module | None = None) -> nn.Module:
    """The finished network of a stage as it takes the batches of the student, on its device, in eval mode.

    Raises:
        FileNotFoundError: the stage has not finished.
        ValueError: a network with the student's backbone and other components, while features are kept.
    """
    whole = whole_network(student)
    network = finished_network(checkpoint, whole, stage).to(next(whole.parameters()).device)
    if not isinstance(student, FeatureMapNet):
        return trained_part(network, False, view=view).eval()
    made = cast(FeatureMapNet, trained_part(network, True, student.width, view).eval())
    if not has_other_features(student, made):
        own, its = student.whole_network.reduce.weight, made.whole_network.reduce.weight
        if own.shape != its.shape or not torch.allclose(its, own, atol=1e-5):
            raise ValueError(
                f"{checkpoint} was trained on features with other components: of another data set, preprocessing or "
                "backbone; set components as it was when it was trained, train it anew, or give another checkpoint "
                "folder (--ckpt_dir)."
            )
    return made


def has_other_features(student: nn.Module, other: nn.Module | None) -> bool:
    """Whether a network of `finished_part` has a backbone of its own, and so can't take the student's kept features."""
    if not (isinstance(student, FeatureMapNet) and isinstance(other, FeatureMapNet)):
        return False
    return not student.shares_backbone(other.whole_network.architecture)


def comparable_settings(settings: Mapping[str, Any], other_images: bool = False) -> dict[str, Any]:
    """The settings that a network's record must have, see `COMPARABLE`; one of ``other_images`` may be of these."""
    return {k: v for k, v in settings.items() if k in COMPARABLE and not (other_images and k.startswith("train_"))}


def finished_records(
    networks: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Yield name, specification and record of networks that have finished; the student even without a record.

    Args:
        networks: by name: ``checkpoint``, and ``other_images`` where it may have been trained on others.
        settings: of the training, see `comparable_settings`.

    Raises:
        ValueError: a network that was trained with other settings.
    """
    for name, spec in networks.items():
        record = read_record(spec["checkpoint"])
        if record is None and name != "student":
            logger.warning("No finished %s at %s: left out of the comparison.", name, spec["checkpoint"])
            continue
        if record is not None:
            others = bool(spec.get("other_images"))
            if others:
                logger.warning("The %s was trained on other images; ignore its row if it has seen reported ones.", name)
            refuse_other_settings(record, comparable_settings(settings, others), spec["checkpoint"])
        yield name, spec, record


def stage_path(ckpt_dir: str | Path, stage: str) -> str:
    """Path of a stage's checkpoint: ``teacher.pt``, ``model.pt`` (the student) or ``control.pt``."""
    if stage not in (*STAGES, "all"):
        raise ValueError(f"stage is {stage!r}; expected teacher, student, control, or all (teacher, then student).")
    return str(Path(ckpt_dir) / {"teacher": "teacher.pt", "control": "control.pt"}.get(stage, "model.pt"))


def is_finished(network: nn.Module, checkpoint: str | Path, settings: Mapping[str, Any], stage: str) -> bool:
    """Tell whether a stage has finished with this network and these settings.

    Raises:
        ValueError: the finished checkpoint is of another architecture, other settings, or another stage.
    """
    record = read_record(checkpoint)
    if record is None:
        if Path(checkpoint).is_file():
            logger.warning("%s has no record of a finished training: the %s is trained anew.", checkpoint, stage)
        return False
    refuse_other_stage(record, checkpoint, stage)
    check_architecture(network, record, checkpoint)
    refuse_other_settings(record, settings, checkpoint)
    logger.info(
        "Taking the finished %s %s (%s epochs); remove it to train it anew.", stage, checkpoint, record["epochs"]
    )
    return True


def refuse_other_stage(record: Mapping[str, Any], checkpoint: str | Path, stage: str) -> None:
    """Refuse (ValueError) a checkpoint whose record names another stage."""
    found = record.get("stage", stage)
    if found != stage:
        raise ValueError(f"{checkpoint} is a {found}, and a {stage} was expected; give another checkpoint folder.")


def training_settings(
    settings: Mapping[str, Any],
    datalist: Mapping[str, Sequence[Mapping[str, Any]]],
    pooling: nn.Module,
    network: nn.Module | None = None,
) -> dict[str, Any]:
    """What a training depends on: settings of the config, weights and components by their hash, images and labels.

    ``network`` tells which initial ``weights`` count; None takes those of the settings.

    Raises:
        ValueError: a number that has to be above 0 is not, or components that the network can't take.
    """
    for name in _POSITIVE:
        value = settings.get(name, 1)
        if isinstance(value, (int, float)) and not value > 0:
            raise ValueError(f"{name} is {value}; expected above 0.")
    if getattr(network, "weights", None):
        settings = {**settings, "weights": str(network.weights)}  # type: ignore[union-attr]
    hashed = {
        f"{name}_sha256": hash_of_file(settings.get(name)) for name in ("weights", "lung_weights", "field_weights")
    }
    if settings.get("components") and network is not None:
        hashed["components_sha256"] = fingerprint(read_components(settings["components"], network))
    own = {name: value for name, value in settings.items() if not hashed.get(f"{name}_sha256")}
    images = {"train_images": len(datalist["train"]), "train_sha256": labels_sha256(datalist["train"])}
    return {**own, **hashed, "pooling": describe_module(pooling), **images}


def training_record(
    stage: str, settings: Mapping[str, Any], images: Sequence[Mapping[str, Any]] | None = None, **facts: Any
) -> dict[str, Any]:
    """What is kept beside a checkpoint: the stage, the settings, how many ``images`` are phantoms, and other facts.

    ``settings`` stay the same object, so that what is known later can be added.
    """
    facts = {"version": __version__, **({} if images is None else {"images": image_origins(images)}), **facts}
    notice = notice_of(PHANTOM_ONLY) if knows_no_real_image(facts) else NOTICE
    return {"stage": stage, "settings": settings, **facts, "notice": notice}
