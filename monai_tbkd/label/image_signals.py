"""Scores, uncertainty and teacher-student disagreement of images that nobody has labeled."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import entr

from monai_tbkd.label.image_ids import shuffled
from monai_tbkd.label.image_pipeline import ImagePipeline, TeacherPipeline
from monai_tbkd.label.label_folder import note_of

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


def map_disagreement(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute the Jensen-Shannon divergence of two networks' TB probabilities ``(N, h, w)``, mean over cells, ``(N,)``.

    Query by committee with two members (McCallum and Nigam, ICML 1998; Settles, "Active Learning Literature Survey",
    2009, section 3.2), here a teacher and its student.

    Raises:
        ValueError: other shapes, or values that are no probabilities.
    """
    p, q = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if p.ndim != 3 or p.shape != q.shape:
        raise ValueError(f"Maps are {p.shape} and {q.shape}; expected both (images, rows, columns).")
    for maps in (p, q):
        if not bool(((maps >= 0) & (maps <= 1)).all()):
            raise ValueError("A map holds nan, or a value beyond 0 to 1; expected probabilities.")

    def entropy(x: np.ndarray) -> np.ndarray:
        return (entr(x) + entr(1 - x)) / np.log(2)

    divergence = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    return np.maximum(divergence, 0.0).mean(axis=(1, 2))  # rounding can leave a hair below 0


def score_uncertainty(scores: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Compute how near scores ``(N,)`` are to the threshold: 1 on it, 0 at the end of the scale on either side.

    Uncertainty sampling (Lewis and Gale, SIGIR 1994) with the model's threshold in place of one half.

    Raises:
        ValueError: a threshold or a score beyond 0 to 1.

    Example:
        >>> score_uncertainty(np.array([0.0, 0.3, 0.6, 0.8, 1.0]), threshold=0.6)
        array([0. , 0.5, 1. , 0.5, 0. ])
    """
    s = np.asarray(scores, dtype=np.float64)
    if not 0 <= threshold <= 1 or not bool(((s >= 0) & (s <= 1)).all()):
        raise ValueError(f"The threshold is {threshold} and scores are {s}; expected 0 to 1.")
    span = np.where(s < threshold, threshold, 1 - threshold)
    away = np.abs(s - threshold)
    return 1 - np.divide(away, span, out=np.zeros_like(away), where=span > 0)
