"""Findings of one image, on its stored pixels: the input of every DICOM result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.transforms import notice_of


@dataclass(frozen=True)
class BoxFinding:
    """A box on the stored pixels: x = column, half-open pixel edges, 0 = the image's edge; score 0-1.

    Raises:
        ValueError: no area, an edge that is not finite or negative, or a score beyond 0-1.
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float
    score: float

    def __post_init__(self) -> None:
        edges = (self.xmin, self.ymin, self.xmax, self.ymax)
        if not np.isfinite(edges).all() or min(edges) < 0 or self.xmin >= self.xmax or self.ymin >= self.ymax:
            raise ValueError(f"The box is {edges}; expected 0 <= xmin < xmax and 0 <= ymin < ymax.")
        if not 0 <= self.score <= 1:
            raise ValueError(f"The score of a box is {self.score}; expected 0 to 1.")

    def outline(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """Return the corners as a closed line ``(5, 2)`` of column and row, clockwise from the upper left one.

        Raises:
            ValueError: the box reaches beyond the image, whose (rows, columns) are `size`.
        """
        rows, columns = size
        if self.xmax > columns or self.ymax > rows:
            raise ValueError(f"{self} reaches beyond the image of {rows} rows and {columns} columns as it is stored.")
        left, top, right, bottom = self.xmin, self.ymin, self.xmax, self.ymax
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]], dtype=np.float64)


@dataclass(frozen=True)
class ImageFinding:
    """What was found on one image.

    Raises:
        ValueError: a number beyond 0-1, a decision without a threshold, or a map that has not two axes.

    Example:
        >>> ImageFinding(0.9, 0.5, "TB suggestive", (BoxFinding(2, 3, 7, 9, 0.8),)).percent
        90.0
    """

    score: float  # of the image, 0-1
    threshold: float | None = None  # 0-1; None where none holds for this kind of image, and then there is no decision
    decision: str | None = None  # in words, as in the table of predictions
    boxes: tuple[BoxFinding, ...] = ()  # on the stored pixels, the highest score first
    model_version: str = "unknown"
    threshold_id: str = ""  # where the threshold comes from
    # TB probabilities (h, w) of 0-1, upright, on a grid of any size that spans the image
    tb_map: NDArray[np.floating[Any]] | None = field(default=None, compare=False, repr=False)
    warnings: str = ""  # codes of `ImageWarning`, joined by "; "
    # makes the UIDs of the results in place of the finding, so that machines whose scores differ in the last digit make
    # the same UIDs
    identity: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name, value in (("score", self.score), ("threshold", self.threshold)):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"The {name} is {value}; expected 0 to 1.")
        if (self.threshold is None) != (self.decision is None):
            raise ValueError(f"threshold {self.threshold} and decision {self.decision!r}; expected both or neither.")
        if self.tb_map is not None and np.ndim(self.tb_map) != 2:
            raise ValueError(f"The map has shape {np.shape(self.tb_map)}; expected (rows, columns).")

    @property
    def percent(self) -> float:
        """The image's score of 0-100."""
        return round(100 * self.score, 2)

    @property
    def headline(self) -> str:
        """Score, threshold and decision in one line."""
        limit = "no threshold"
        if self.threshold is not None:
            limit = f"threshold {100 * self.threshold:.1f}: {self.decision}"
        return f"TB score {self.percent:.1f} of 100, {limit}"

    @property
    def notice(self) -> str:
        """What the results of this model may be used for."""
        return notice_of(self.model_version)

    @property
    def digest(self) -> str:
        """SHA-256 of the `identity` where there is one, else of all but map and warnings."""
        if self.identity is not None:
            return hashlib.sha256(self.identity.encode()).hexdigest()
        boxes = [[b.xmin, b.ymin, b.xmax, b.ymax, b.score] for b in self.boxes]
        said = [self.score, self.threshold, self.decision, boxes, self.model_version, self.threshold_id]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    @classmethod
    def from_row(cls, row: Mapping[str, Any], tb_map: Any = None) -> ImageFinding:
        """Convert a row of `predictions.json`, and an upright map ``(1, h, w)`` or ``(h, w)``.

        Raises:
            ValueError: the image has no score.
        """
        if row.get("score_0_100") is None:
            why = row.get("reason") or row.get("status")
            raise ValueError(f"The image has no score ({why}), so there is no finding.")
        threshold = row.get("threshold_0_100")
        if tb_map is not None:
            tb_map = np.asarray(tb_map.detach().cpu() if hasattr(tb_map, "detach") else tb_map, dtype=np.float32)
            tb_map = tb_map[0] if tb_map.ndim == 3 and len(tb_map) == 1 else tb_map
        return cls(
            score=float(row["score_0_100"]) / 100,
            threshold=None if threshold is None else float(threshold) / 100,
            decision=row.get("decision"),
            boxes=tuple(BoxFinding(*(float(v) for v in box)) for box in row.get("boxes") or ()),
            model_version=str(row.get("model_version") or "unknown"),
            threshold_id=str(row.get("threshold_id") or ""),
            tb_map=tb_map,
            warnings=str(row.get("warnings") or ""),
        )
