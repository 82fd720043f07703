"""A served model, fine-tuned on an annotator's images: its thresholds, its checks, its record."""

from __future__ import annotations

import copy
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd import __version__
from monai_tbkd.data.files.atomic_write import atomic_write, read_json_object, write_json
from monai_tbkd.engines.correction_images import Image, boxed_images
from monai_tbkd.engines.inference_thresholds import KEPT_POINT
from monai_tbkd.engines.stages import training_record
from monai_tbkd.metrics import union_iou_sweep
from monai_tbkd.metrics.operating_point import choose_map_threshold, maps_in_mode
from monai_tbkd.networks.checkpoint import file_sha256, read_record, record_path, write_checkpoint
from monai_tbkd.networks.training_images import labels_sha256

logger = logging.getLogger(__name__)

BEFORE, AFTER = "miou_of_training_images_before", "miou_of_training_images_after"
MODEL, POINT, SUMMARY = "model.pt", "operating_point.json", "fine_tuning.json"


class MapThreshold(NamedTuple):
    """A threshold of maps of 0-1, its mode (`THRESHOLD_MODES`), and what it was chosen on, in words."""

    value: float
    mode: str
    chosen_on: str


def frozen_copy(network: nn.Module) -> nn.Module:
    """Copy a model as it is now, as the teacher of its fine-tuning.

    Li and Hoiem, "Learning without Forgetting", ECCV 2016, https://arxiv.org/abs/1606.09282.
    """
    return copy.deepcopy(network).eval().requires_grad_(False)


def largest_change(before: nn.Module, after: nn.Module) -> float:
    """Largest difference of a weight, or of a statistic of batch norm, of two networks of one architecture."""
    old = before.state_dict()
    weights = {name: value for name, value in after.state_dict().items() if value.is_floating_point()}
    return max(float((value.double() - old[name].double()).abs().max()) for name, value in weights.items())


def image_maps(
    network: nn.Module,
    images: Sequence[Image],
    to_network: Callable[[dict[str, Any]], Any],
    to_map: Callable[[dict[str, Any]], Any],
    grid: int,
) -> np.ndarray:
    """Compute a network's maps of images, ``(N, grid, grid)`` float32 of 0-1; puts it into eval mode.

    Args:
        network: from ``(B, 3, H, W)`` to maps in logits.
        images: of `correction_images`.
        to_network: dictionary transform from the kept image to the network's input.
        to_map: dictionary transform from ``pred`` to ``tb_map``.
        grid: cells along each side.
    """
    network.eval()
    device = next(network.parameters()).device
    maps = np.zeros((len(images), grid, grid), dtype=np.float32)
    with torch.no_grad():
        for i, item in enumerate(images):
            ready = to_network({"image": item["image"]})["image"]
            pred = network(torch.as_tensor(ready)[None].to(device))[0].float().cpu()
            tb_map = to_map({**item, "pred": pred})["tb_map"]
            maps[i] = F.interpolate(tb_map[None].float(), (grid, grid), mode="bilinear", align_corners=False)[0, 0]
    return maps


def true_masks(images: Sequence[Image]) -> np.ndarray:
    """Unions of drawn boxes, ``(N, grid, grid)`` bool."""
    return np.stack([image["true_mask"][0].numpy().astype(bool) for image in images])


def threshold_of_boxes(
    maps: np.ndarray, masks: np.ndarray, served: Mapping[str, Any], fewest_boxed: int = 5
) -> MapThreshold:
    """Choose the map threshold that fits drawn boxes best; fewer than ``fewest_boxed`` images keep the served one.

    ``maps`` and ``masks`` are of images with boxes, ``(N, H, W)``.
    """
    mode = str(served["mode"])
    if len(maps) < fewest_boxed:
        return MapThreshold(float(served["map_threshold"]), mode, str(served["id"]))
    value, _ = choose_map_threshold(maps_in_mode(maps, mode), masks, np.ones(len(maps), dtype=bool))
    return MapThreshold(value, mode, f"boxes drawn on {len(maps)} images")


def mean_iou(maps: np.ndarray, masks: np.ndarray, threshold: float, mode: str) -> float | None:
    """Mean union-mask IoU of maps at a threshold; None without images."""
    if not len(maps):
        return None
    return float(np.nanmean(union_iou_sweep(maps_in_mode(maps, mode), masks, np.array([threshold]))))


@dataclass
class FineTuning:
    """What follows the training: choose the threshold, check, and write a candidate that can be served."""

    network: nn.Module  # the student, trained
    teacher: nn.Module  # the served model as it was
    images: Sequence[Image]  # of `correction_images`
    to_network: Callable[[dict[str, Any]], Any]  # see `image_maps`
    to_map: Callable[[dict[str, Any]], Any]  # see `image_maps`
    grid: int  # cells along each side on which masks are compared
    served: Mapping[str, Any]  # operating point of the served model, of `load_operating_point`
    checkpoint: str | Path  # the served model, for its record
    candidate_dir: str | Path  # gets model.pt, model.json, operating_point.json and fine_tuning.json
    facts: Mapping[str, Any]  # of the training, JSON-able: kept in the record
    required: Mapping[str, Any]  # settings that a model has to be loaded under: image_size and pooling
    fewest_boxed: int = 5  # see `threshold_of_boxes`
    largest_drop: float = 0.1  # of the mIoU on the drawn boxes, that a candidate may have

    def finish(self) -> dict[str, Any]:
        """Write the candidate; returns what ``fine_tuning.json`` holds.

        Raises:
            ValueError: weights that are not finite, or a map that has got much worse on the drawn boxes.
        """
        broken = [name for name, value in self.network.state_dict().items() if not torch.isfinite(value).all()]
        if broken:
            raise ValueError(
                f"The fine-tuned weights are not finite ({broken[0]}); the served model stays. A smaller "
                "finetune_learning_rate may help."
            )
        boxed = boxed_images(self.images)
        masks = true_masks(boxed) if boxed else np.zeros((0, self.grid, self.grid), dtype=bool)
        before, after = (
            image_maps(n, boxed, self.to_network, self.to_map, self.grid) for n in (self.teacher, self.network)
        )
        chosen = threshold_of_boxes(after, masks, self.served, self.fewest_boxed)
        old = mean_iou(before, masks, float(self.served["map_threshold"]), str(self.served["mode"]))
        new = mean_iou(after, masks, chosen.value, chosen.mode)
        if old is not None and new is not None and len(boxed) >= self.fewest_boxed and new < old - self.largest_drop:
            raise ValueError(
                f"On {len(boxed)} images with drawn boxes the fine-tuned model has an mIoU of {new:.3f} and the served "
                f"one {old:.3f}; the served model stays. Fewer epochs or a smaller finetune_learning_rate may help, or "
                "a larger largest_drop if this is meant."
            )
        change = largest_change(self.teacher, self.network)
        if change == 0:
            logger.warning(
                "Nothing was learned: after %s epochs on %d corrected images every weight is as it was served. The "
                "first step of a training warms up at a learning rate of 0, so one step does nothing; more images or "
                "finetune_epochs, or a finetune_learning_rate above 0, are needed.",
                self.facts.get("epochs"), self._images()["corrected"],
            )  # fmt: skip
        measured = {"images_with_boxes": len(boxed), BEFORE: old, AFTER: new}
        return self._write(chosen, {**measured, "weights_changed": change > 0, "largest_weight_change": change})

    def _write(self, chosen: MapThreshold, measured: Mapping[str, Any]) -> dict[str, Any]:
        before, folder = read_record(self.checkpoint) or {}, Path(self.candidate_dir)
        summary = {
            **self.facts,
            "images": self._images(),
            "served_sha256": file_sha256(self.checkpoint),
            **measured,
            "measured_on": (
                "the images that were trained on (their boxes chose the threshold): no estimate of new images"
            ),
            "map_threshold": chosen.value,
            "version": __version__,
        }
        settings = {**before.get("settings", {}), **self.required}
        fine_tuning = [*before.get("fine_tuning", []), summary]
        record = training_record("student", settings, fine_tuning=fine_tuning)
        written = write_checkpoint(self.network, folder / MODEL, record)
        point = {
            "map_threshold": chosen.value,
            "score_threshold": float(self.served["score_threshold"]),
            "mode": chosen.mode,
            # the score's threshold is that of the first model, however many trainings there were
            "chosen_on": f"{chosen.chosen_on}; score: {str(self.served['id']).rpartition('; score: ')[2]}",
            "model_sha256": written["sha256"],
        }
        write_json(folder / POINT, point)
        write_json(folder / SUMMARY, summary)
        logger.info(
            "Fine-tuned: mIoU on %s images with drawn boxes %s before, %s after (on the images trained on).",
            measured["images_with_boxes"], measured[BEFORE], measured[AFTER],
        )  # fmt: skip
        return summary

    def _images(self) -> dict[str, Any]:
        labeled = [image for image in self.images if image["label"] >= 0]
        return {
            "corrected": len(labeled),
            "with_tb": sum(bool(image["tb"]) for image in labeled),
            "unlabeled": len(self.images) - len(labeled),
            "sha256": labels_sha256(labeled),
        }


def release_model(candidate_dir: str | Path, served_dir: str | Path) -> str:
    """Serve a candidate: one rename of its weights makes it the model; returns its SHA-256.

    Before it, the candidate's thresholds are put beside those of the served model; a server finds those of its weights
    by their hash. After it, the record follows. A run that is killed in between leaves the old or the new model, each
    with its thresholds, at worst without a record. The model before is in ``previous/``.

    Raises:
        ValueError: a candidate without a record, or with the operating point of another model.
    """
    candidate, served = Path(candidate_dir), Path(served_dir)
    record = read_record(candidate / MODEL)
    point = read_json_object(candidate / POINT)
    if record is None or point.get("model_sha256") != record["sha256"]:
        raise ValueError(f"{candidate}: no finished model with its operating point; the served model stays.")
    previous = served / "previous"
    previous.mkdir(parents=True, exist_ok=True)
    for path in (served / MODEL, record_path(served / MODEL), served / POINT):
        if path.is_file():
            with atomic_write(previous / path.name) as part:
                shutil.copyfile(path, part)
        else:
            (previous / path.name).unlink(missing_ok=True)
    old = read_json_object(served / POINT)
    old.pop(KEPT_POINT, None)
    write_json(served / POINT, {**point, **({KEPT_POINT: old} if old else {})})
    with atomic_write(served / MODEL) as part:
        shutil.copyfile(candidate / MODEL, part)
    write_json(record_path(served / MODEL), record)
    logger.info("Served from now on: model %s", record["sha256"][:12])
    return str(record["sha256"])
