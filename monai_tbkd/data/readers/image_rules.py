"""Which images are scored at all."""

from __future__ import annotations

from dataclasses import dataclass

from monai_tbkd.data.files.number_range import is_number


@dataclass(frozen=True)
class ImageRules:
    """What an image's tags must say; an image that says otherwise is refused, one that says nothing gets a warning.

    WHO recommends computer-aided detection of TB from 15 years of age on (consolidated guidelines on tuberculosis,
    module 2, 2021), on frontal chest X-rays meant for viewing.
    """

    min_age: float = 15  # youngest patient in years; 0 takes everyone
    secondary_capture: bool = False  # take Secondary Capture objects and modality OT; marks may be drawn on them
    any_view: bool = False  # take laterals too
    any_body_part: bool = False

    def __post_init__(self) -> None:
        if not is_number(self.min_age, 0):
            raise ValueError(f"min_age is {self.min_age!r}; expected years, 0 or more.")
