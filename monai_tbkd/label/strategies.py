"""Active learning: strategies offer the next image to an annotator, scoring methods note what they choose by."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.label.image_label import ImageLabel
from monai_tbkd.label.image_pipeline import ImagePipeline
from monai_tbkd.label.image_signals import ImageSignals
from monai_tbkd.label.label_folder import note_of
from monai_tbkd.metrics import UnionMaskIoU, bootstrap_mean
from monai_tbkd.transforms import MapToMask, image_box_mask

logger = logging.getLogger(__name__)

_OFFERED_SECONDS = 600.0
_GRID = 256


class RandomImage(Strategy):
    """Any unlabeled image, each with the same chance."""

    def __init__(self) -> None:
        super().__init__("Random: any unlabeled image")

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any] | None:
        images = _unlabeled(datastore)
        return {"id": random.choice(images), "weight": 1.0} if images else None


class MostOf(Strategy):
    """The unlabeled image with most of a signal, among those that have been looked at.

    A request looks at a few images that have no signal of the present models yet; the scoring method ``signals`` looks
    at all of them. Images that the model refuses come when there are no others.
    """

    def __init__(self, signal: str, description: str, signals: ImageSignals, look_at: int) -> None:
        super().__init__(description)
        self.signal, self.signals, self.look_at = signal, signals, look_at

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any] | None:
        """Return ``id`` and ``weight`` (the signal) of the next image, None where every image has a label."""
        images = _unlabeled(datastore)
        if not images:
            return None
        found = self.signals.of(datastore, images, self.look_at)
        values = {image: float(each[self.signal]) for image, each in found.items() if is_number(each.get(self.signal))}
        if not values:
            return {"id": min(images), "weight": 0.0}
        best = min(values, key=lambda image: (-values[image], image))
        return {"id": best, "weight": values[best]}


def _unlabeled(datastore: Any) -> list[str]:
    """Unlabeled images that no strategy has offered in the last ten minutes; all of them where none is left."""
    images, free, now = datastore.get_unlabeled_images(), [], time.time()
    for image in images:
        offers = note_of(datastore.get_image_info(image), "strategy").values()
        times = [each["ts"] for each in offers if isinstance(each, dict) and is_number(each.get("ts"), 0, now + 60)]
        if now - max(times, default=0) >= _OFFERED_SECONDS:
            free.append(image)
    return free or images


class BoxIoU(ScoringMethod):
    """Union-mask IoU of the served model's map with the boxes that annotators have drawn, noted on each image.

    Images that the model was fine-tuned on are among them, so the mean is no estimate for new images.
    """

    def __init__(self, pipeline: ImagePipeline) -> None:
        super().__init__("mIoU of the map with the boxes drawn (images with boxes; those trained on among them)")
        self.pipeline = pipeline

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Return ``miou``, its 95 % interval (``low``, ``high``), ``images``, ``refused`` and ``model_version``."""
        version = self.pipeline.model_version
        found = {label.identifier: self._iou(label) for label in datastore.finished_labels() if label.boxes}
        values = {image: iou for image, iou in found.items() if iou is not None}
        for image, iou in values.items():
            datastore.update_image_info(image, {"tbkd_miou": {"iou": round(iou, 6), "model_version": version}})
        number = bootstrap_mean(np.array(list(values.values())))
        logger.info("mIoU %.3f on %d images with boxes", number.value, number.n)
        named = dict(zip(("miou", "low", "high"), number.as_dict().values()))
        return {**named, "images": len(values), "refused": len(found) - len(values), "model_version": version}

    def _iou(self, label: ImageLabel) -> float | None:
        """IoU of one image with boxes; None where the model refuses it."""
        seen = self.pipeline(label.image)
        if seen.tb_map is None:
            return None
        to_mask = MapToMask((_GRID, _GRID), float(seen.thresholds["map_threshold"]), str(seen.thresholds["mode"]))
        item = {"boxes": label.upright_boxes, "size": label.upright_size}
        true = torch.from_numpy(image_box_mask(item, _GRID))[None, None]
        return float(UnionMaskIoU()(to_mask(seen.tb_map)[None], true))  # type: ignore[arg-type]


class SignalScoring(ScoringMethod):
    """Signals of all unlabeled images, so that strategies choose among all of them."""

    def __init__(self, signals: ImageSignals) -> None:
        super().__init__("Score, uncertainty and teacher-student disagreement of images without a label")
        self.signals = signals

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Return how many ``images`` have signals, and how many of them are ``refused``."""
        found = self.signals.of(datastore, datastore.get_unlabeled_images())
        return {"images": len(found), "refused": sum("reason" in each for each in found.values())}
