"""Scoring methods: how well the served model fits what annotators have drawn, and signals of images without a label."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monailabel.interfaces.tasks.scoring import ScoringMethod

from monai_tbkd.label.film_label import FilmLabel
from monai_tbkd.label.film_pipeline import FilmPipeline
from monai_tbkd.label.film_signals import FilmSignals
from monai_tbkd.metrics import UnionMaskIoU, bootstrap_mean
from monai_tbkd.transforms import MapToMask, film_box_mask

logger = logging.getLogger(__name__)

NOTE = "tbkd_miou"
"""Key of the note on an image."""
_GRID = 256


class BoxIoU(ScoringMethod):
    """Union-mask IoU of the served model's map with the boxes that annotators have drawn, noted on each image.

    Images that the model was fine-tuned on are among them, so the mean is no estimate for new images.
    """

    def __init__(self, pipeline: FilmPipeline) -> None:
        super().__init__("mIoU of the map with the boxes drawn (films with boxes; those trained on among them)")
        self.pipeline = pipeline

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """``miou`` with its 95 % interval (``low``, ``high``), ``films``, ``refused`` and ``model_version``."""
        values, refused, version = [], 0, self.pipeline.model_version
        for film, label in datastore.finished_labels():
            if not label.boxes:
                continue
            value = self.of(label)
            if value is None:
                refused += 1
                continue
            values.append(value)
            datastore.update_image_info(film, {NOTE: {"iou": round(value, 6), "model_version": version}})
        number = bootstrap_mean(np.array(values))
        logger.info("mIoU %.3f on %d films with boxes", number.value, number.n)
        named = dict(zip(("miou", "low", "high"), number.as_dict().values()))
        return {**named, "films": len(values), "refused": refused, "model_version": version}

    def of(self, label: FilmLabel) -> float | None:
        """IoU of one image with boxes; None where the model refuses it."""
        seen = self.pipeline(label.film)
        if seen.tb_map is None:
            return None
        to_mask = MapToMask((_GRID, _GRID), float(seen.thresholds["map_threshold"]), str(seen.thresholds["mode"]))
        item = {"boxes": label.upright_boxes, "size": label.upright_size}
        true = torch.from_numpy(film_box_mask(item, _GRID))[None, None]
        return float(UnionMaskIoU()(to_mask(seen.tb_map)[None], true))  # type: ignore[arg-type]


class SignalScoring(ScoringMethod):
    """Signals of all unlabeled images, so that strategies choose among all of them."""

    def __init__(self, signals: FilmSignals) -> None:
        super().__init__("Score, uncertainty and teacher-student disagreement of films without a label")
        self.signals = signals

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """``films``, and ``refused`` among them."""
        found = self.signals.of(datastore, datastore.get_unlabeled_images())
        return {"films": len(found), "refused": sum("reason" in each for each in found.values())}
