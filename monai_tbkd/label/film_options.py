"""What a request may turn, in the form that MONAI Label's viewers show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from monai_tbkd.transforms.map_to_mask import THRESHOLD_MODES


@dataclass(frozen=True)
class FilmOptions:
    """Thresholds of one request; None leaves the model's own.

    Attributes:
        score_threshold: films below it (0-1) get no boxes.
        map_threshold: where on the map boxes are drawn, 0-1.
        threshold_mode: ``absolute`` or ``relative``: what `map_threshold` is a share of.
        smallest_area: smallest part that gets a box, as a share of the film.
    """

    score_threshold: float | None = None
    map_threshold: float | None = None
    threshold_mode: str | None = None
    smallest_area: float | None = None

    def __post_init__(self) -> None:
        for name in ("score_threshold", "map_threshold", "smallest_area"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value:g}; expected 0 to 1.")
        if self.threshold_mode is not None and self.threshold_mode not in THRESHOLD_MODES:
            raise ValueError(f"threshold_mode is {self.threshold_mode!r}; expected one of {THRESHOLD_MODES}.")

    def given(self) -> dict[str, Any]:
        """What is not None."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def displayable(self) -> dict[str, Any]:
        """For ``config`` of a MONAI Label model: a number becomes a field, a list a choice."""
        fields = {key: shown(value) for key, value in self.given().items() if key != "threshold_mode"}
        if self.threshold_mode is not None:
            others = [mode for mode in THRESHOLD_MODES if mode != self.threshold_mode]
            fields["threshold_mode"] = [self.threshold_mode, *others]
        return fields


def shown(value: Any) -> Any:
    """A value as a viewer shows it: numbers with four decimals."""
    return round(value, 4) if isinstance(value, float) else value


def read_options(request: Mapping[str, Any]) -> FilmOptions:
    """The options in a request; viewers send numbers as text, and everything that they were shown.

    Args:
        request: other keys are ignored.

    Raises:
        ValueError: a value that cannot be.

    Example:
        >>> read_options({"map_threshold": "0.4", "device": "cpu"}).given()
        {'map_threshold': 0.4}
    """
    mode = request.get("threshold_mode")
    if isinstance(mode, (list, tuple)):  # the choices came back as they were shown
        mode = mode[0] if mode else None
    return FilmOptions(
        _number(request, "score_threshold"),
        _number(request, "map_threshold"),
        None if mode is None or mode == "" else str(mode),
        _number(request, "smallest_area"),
    )


def _number(request: Mapping[str, Any], name: str) -> float | None:
    value = request.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; expected a number of 0 to 1.")
    return number
