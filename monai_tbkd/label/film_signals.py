"""What is known of films that nobody has labeled, and how much each is worth an annotator's time."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from monai_tbkd.label.film_pipeline import FilmPipeline
from monai_tbkd.label.label_folder import note_of
from monai_tbkd.label.series_film import look_at
from monai_tbkd.label.teacher_pipeline import TeacherPipeline
from monai_tbkd.metrics.acquisition import map_disagreement, score_uncertainty

logger = logging.getLogger(__name__)

NOTE = "tbkd_signals"
"""Key of the note on a film."""
UNCERTAINTY, DISAGREEMENT = "uncertainty", "disagreement"


class FilmSignals:
    """Signals of films, computed once for each state of the models and noted in the datastore.

    Args:
        student: the model that is served.
        teacher: its teacher, or None where there is none, and no disagreement.
    """

    def __init__(self, student: FilmPipeline, teacher: TeacherPipeline | None = None) -> None:
        self.student, self.teacher = student, teacher

    @property
    def models(self) -> str:
        """What a signal belongs to; after a training it is another."""
        return " / ".join(each.model_version for each in (self.student, self.teacher) if each is not None)

    def of(self, datastore: Any, films: Iterable[str], at_most: int | None = None) -> dict[str, dict[str, Any]]:
        """Signals of films.

        Args:
            datastore: of the films.
            films: identifiers.
            at_most: so many films are looked at anew; None looks at all of them. They are taken in an order that has
                nothing to do with their names, so that those that are looked at stand for the others.

        Returns:
            For each film that has been looked at ``score``, ``uncertainty`` and, with a teacher, ``disagreement`` (0-1
            each), or ``reason`` where the film was refused.
        """
        models, found, left = self.models, {}, []
        for film in sorted(films, key=lambda name: hashlib.sha256(name.encode()).hexdigest()):
            note = note_of(datastore.get_image_info(film), NOTE)
            if note.get("models") == models:
                found[film] = note
            else:
                left.append(film)
        for film in left if at_most is None else left[: max(at_most, 0)]:
            found[film] = {**self.look(Path(datastore.get_image_uri(film))), "models": models}
            datastore.update_image_info(film, {NOTE: found[film]})
        return found

    def look(self, path: Path) -> dict[str, Any]:
        """Signals of one film, from its pixels.

        Args:
            path: a film, or the folder of a series with one frontal film.
        """
        seen, _ = look_at(self.student, path, self.student.defaults)
        if seen.reason is not None or seen.score is None or seen.tb_map is None:
            return {"reason": "" if seen.reason is None else seen.reason.value}
        threshold = float(seen.thresholds["score_threshold"])
        signal: dict[str, Any] = {
            "score": round(seen.score, 6),
            UNCERTAINTY: round(float(score_uncertainty(np.array([seen.score]), threshold)[0]), 6),
        }
        if self.teacher is not None:
            other = self.teacher(seen.path)
            if other.tb_map is None:
                return {"reason": "" if other.reason is None else other.reason.value}
            pair = (each.float().numpy() for each in (seen.tb_map, other.tb_map))  # (1, h, w) each
            signal[DISAGREEMENT] = round(float(map_disagreement(*pair)[0]), 6)
        return signal
