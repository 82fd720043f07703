"""Scores, uncertainty and teacher-student disagreement of images that nobody has labeled."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from monai_tbkd.label.image_ids import shuffled
from monai_tbkd.label.image_pipeline import ImagePipeline, TeacherPipeline
from monai_tbkd.label.label_folder import note_of
from monai_tbkd.metrics.acquisition import map_disagreement, score_uncertainty

NOTE = "tbkd_signals"
"""Key of the note on an image."""
UNCERTAINTY, DISAGREEMENT = "uncertainty", "disagreement"


class ImageSignals:
    """Signals of images, computed once for each state of the models and noted in the datastore."""

    def __init__(self, student: ImagePipeline, teacher: TeacherPipeline | None = None) -> None:
        self.student, self.teacher = student, teacher

    def of(self, datastore: Any, images: Iterable[str], at_most: int | None = None) -> dict[str, dict[str, Any]]:
        """Signals by identifier: ``score``, ``uncertainty`` and, with a teacher, ``disagreement``, or ``reason``.

        So many images without signals of the present models are looked at, in an order that does not depend on their
        names, so that they stand for the others; None looks at all.
        """
        models = " / ".join(each.model_version for each in (self.student, self.teacher) if each is not None)
        found, left = {}, []
        for image in shuffled(images):
            note = note_of(datastore.get_image_info(image), NOTE)
            if note.get("models") == models:
                found[image] = note
            else:
                left.append(image)
        for image in left[:at_most]:
            found[image] = {**self.look(Path(datastore.get_image_uri(image))), "models": models}
            datastore.update_image_info(image, {NOTE: found[image]})
        return found

    def look(self, path: Path) -> dict[str, Any]:
        """Signals of an image, or of the frontal image of a series, from its pixels."""
        seen = self.student(path)
        if seen.score is None or seen.tb_map is None:
            return {"reason": seen.row["reason"]}
        threshold = float(seen.thresholds["score_threshold"])
        uncertainty = float(score_uncertainty(np.array([seen.score]), threshold)[0])
        signal: dict[str, Any] = {"score": round(seen.score, 6), UNCERTAINTY: round(uncertainty, 6)}
        if self.teacher is not None:
            other = self.teacher(seen.path)
            if other.tb_map is None:
                return {"reason": other.row["reason"]}
            pair = (each.float().numpy() for each in (seen.tb_map, other.tb_map))  # (1, h, w) each
            signal[DISAGREEMENT] = round(float(map_disagreement(*pair)[0]), 6)
        return signal
