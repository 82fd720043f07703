"""What a model says of one film, or why it says nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from monai_tbkd.data import FilmTurn
from monai_tbkd.data.reason_codes import ReasonCode
from monai_tbkd.results.prediction_table import DONE, FAILED, NO_TB, REFUSED, TB
from monai_tbkd.transforms import notice_of

LABEL = "tuberculosis"
BOX_FORMAT = "xmin, ymin, xmax, ymax in pixels of the film as stored; x = column, edges half-open"


@dataclass(frozen=True)
class FilmResult:
    """What a model says of one film; a refused film has a reason and nothing else.

    Attributes:
        path: the file that was looked at.
        size: (height, width) of the upright film in pixels.
        turn: how the stored pixels were turned upright.
        score: the film's, 0-1; None where the film was refused.
        tb_map: TB probabilities ``(1, h, w)`` of 0-1.
        mask: what boxes are drawn around, bool ``(grid, grid)``, upright.
        boxes: ``[xmin, ymin, xmax, ymax, score]`` each, in pixels of the film as stored.
        thresholds: that were used.
        reason: why there is no score.
        detail: a sentence to `reason`, or to a missing decision.
        facts: what else is known: source format, warnings, SOP Instance UID, model version.
    """

    path: str
    size: tuple[int, int] = (0, 0)
    turn: FilmTurn = field(default_factory=FilmTurn)
    score: float | None = None
    tb_map: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    boxes: list[list[float]] = field(default_factory=list)
    thresholds: dict[str, Any] = field(default_factory=dict)
    decided: bool = True
    reason: ReasonCode | None = None
    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) of the pixels as they are stored."""
        height, width = self.size
        return (width, height) if self.turn.transpose else (height, width)

    @property
    def status(self) -> str:
        """``done``, ``refused`` (not a film that is scored) or ``failed`` (could not be looked at)."""
        if self.reason is None:
            return DONE
        return FAILED if self.reason.is_failure else REFUSED

    def as_json(self) -> dict[str, Any]:
        """The finding as a server answers it; without patient data and without paths."""
        answer: dict[str, Any] = {
            "notice": notice_of(str(self.facts.get("model_version", ""))),
            "status": self.status,
            **self.facts,
        }
        if self.reason is not None:
            return {**answer, "reason": self.reason.value, "meaning": self.reason.meaning, "detail": self.detail}
        assert self.score is not None
        height, width = self.stored_size
        decision = (TB if self.score >= self.thresholds["score_threshold"] else NO_TB) if self.decided else None
        return {
            **answer,
            "detail": self.detail or None,
            "image_score": round(self.score, 4),
            "decision": decision,
            "score_threshold": self.thresholds["score_threshold"],
            "map_threshold": self.thresholds["map_threshold"],
            "threshold_mode": self.thresholds["mode"],
            "threshold_id": self.thresholds["id"],
            "image_height": height,
            "image_width": width,
            "box_format": BOX_FORMAT,
            "boxes": [
                {"label": LABEL, "score": round(score, 4), "bbox": [round(edge, 2) for edge in box]}
                for *box, score in self.boxes
            ],
        }
