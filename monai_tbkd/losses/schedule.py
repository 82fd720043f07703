"""A number that changes in the course of a training."""

from __future__ import annotations

import math

KINDS = ("constant", "linear", "cosine")


class Schedule:
    """From a start to an end value during the first share of a training; then it stays.

    Args:
        start: value at the beginning.
        end: value after ``share`` of the training; None stays at the start.
        kind: ``"constant"`` (``start`` throughout), ``"linear"``, or ``"cosine"`` (half a wave: slow, fast, slow).
        share: share of the training in which the value changes, above 0 and at most 1.

    Raises:
        ValueError: an unknown kind, a share out of range, a constant with another end, or a change without an end.

    Example:
        >>> fade = Schedule(1.0, 0.0, "linear", share=0.5)
        >>> [fade(progress) for progress in (0.0, 0.25, 0.5, 1.0)]
        [1.0, 0.5, 0.0, 0.0]
    """

    def __init__(self, start: float, end: float | None = None, kind: str = "constant", share: float = 1.0) -> None:
        if kind not in KINDS:
            raise ValueError(f"The schedule's kind is {kind!r}; expected one of {', '.join(KINDS)}.")
        if not 0 < share <= 1:
            raise ValueError(f"The schedule's share is {share}; expected above 0 and at most 1.")
        if kind == "constant" and end not in (None, start):
            raise ValueError(f"A constant schedule goes from {start} to {end}; set kind to linear or cosine.")
        if kind != "constant" and end is None:
            raise ValueError(f"A {kind} schedule needs an end value.")
        self.start, self.end, self.kind, self.share = float(start), float(start if end is None else end), kind, share

    def __call__(self, progress: float) -> float:
        """The value at a share of the training, 0 to 1."""
        way = min(max(progress / self.share, 0.0), 1.0)
        if self.kind == "cosine":
            way = (1 - math.cos(math.pi * way)) / 2
        return self.start + (self.end - self.start) * way
