"""Scoring methods: how well the served model fits what annotators have drawn, and signals of films without a label."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monailabel.interfaces.tasks.scoring import ScoringMethod

from monai_tbkd.label.annotator_work import finished_labels
from monai_tbkd.label.film_label import FilmLabel
from monai_tbkd.label.film_pipeline import FilmPipeline
from monai_tbkd.label.film_signals import FilmSignals
from monai_tbkd.label.strategies import signals_of
from monai_tbkd.metrics import UnionMaskIoU, bootstrap_mean
from monai_tbkd.transforms import MapToMask, film_box_mask

if TYPE_CHECKING:
    from monai_tbkd.label.app import TuberculosisApp

logger = logging.getLogger(__name__)

NOTE = "tbkd_miou"
"""Key of the note on a film."""
_GRID = 256


def make_scoring_methods(app: TuberculosisApp) -> dict[str, ScoringMethod]:
    """The app's scoring methods by name."""
    return {"miou": BoxIoU(app.pipeline), "signals": SignalScoring(signals_of(app))}


class BoxIoU(ScoringMethod):
    """Union-mask IoU of the served model's map with the boxes that annotators have drawn, noted on each film.

    Films that the model was fine-tuned on are among them, so the mean is no estimate of new films.

    Args:
        pipeline: the served model.
    """

    def __init__(self, pipeline: FilmPipeline) -> None:
        super().__init__("mIoU of the map with the boxes drawn (films with boxes; those trained on among them)")
        self.pipeline = pipeline

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Score.

        Returns:
            ``miou`` with its 95 % interval over films (``low``, ``high``), ``films``, ``refused``, ``model_version``.
        """
        values, refused, version = [], 0, self.pipeline.model_version
        for film, label in finished_labels(datastore):
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
        named = dict(zip(("miou", "low", "high"), list(number.as_dict().values())[:3], strict=True))
        return {**named, "films": len(values), "refused": refused, "model_version": version}

    def of(self, label: FilmLabel) -> float | None:
        """IoU of one film; None where the model refuses it.

        Args:
            label: with boxes.
        """
        seen = self.pipeline(label.film)
        if seen.tb_map is None:
            return None
        to_mask = MapToMask((_GRID, _GRID), float(seen.thresholds["map_threshold"]), str(seen.thresholds["mode"]))
        item = {"boxes": label.upright_boxes, "size": label.upright_size}
        true = torch.from_numpy(film_box_mask(item, _GRID))[None, None]
        return float(UnionMaskIoU()(to_mask(seen.tb_map)[None].cpu(), true))  # type: ignore[arg-type]


class SignalScoring(ScoringMethod):
    """Signals of all unlabeled films, so that strategies choose among all of them.

    Args:
        signals: of the served model and its teacher.
    """

    def __init__(self, signals: FilmSignals) -> None:
        super().__init__("Score, uncertainty and teacher-student disagreement of films without a label")
        self.signals = signals

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Look at every unlabeled film that has no signal of the present models.

        Returns:
            ``films``, and ``refused`` among them.
        """
        found = self.signals.of(datastore, datastore.get_unlabeled_images())
        return {"films": len(found), "refused": sum("reason" in each for each in found.values())}
