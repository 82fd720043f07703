"""How small and how large a film may be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monai_tbkd.data.number_range import is_number
from monai_tbkd.data.reason_codes import FilmError, ReasonCode


@dataclass(frozen=True)
class FilmLimits:
    """Bounds that are checked from the header, before any pixel is decoded.

    Args:
        min_side: shortest height or width, in pixels.
        max_pixels: most pixels; the default is about three times a detector of 43 cm at 0.1 mm.

    Raises:
        ValueError: a limit that is no number, or below 1.
    """

    min_side: int = 16
    max_pixels: int = 50_000_000

    def __post_init__(self) -> None:
        for name in ("min_side", "max_pixels"):
            if not is_number(getattr(self, name), 1, 2**40):
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a number of pixels, at least 1.")

    @property
    def max_bytes(self) -> int:
        """The largest film uncompressed in 64 bits, and room for its header."""
        return self.max_pixels * 8 + 2**24

    def check_file(self, path: Path) -> None:
        """Refuse a file that is larger than the largest film uncompressed in 64 bits, before it is read.

        Args:
            path: the file.

        Raises:
            FilmError: TOO_LARGE.
        """
        size, most = path.stat().st_size, self.max_bytes
        if size > most:
            raise FilmError(ReasonCode.TOO_LARGE, path, f"a file of {size} bytes; expected at most {most}")

    def check(self, path: Path, height: int, width: int) -> None:
        """Refuse a film outside the bounds.

        Args:
            path: the film, for the message.
            height: rows.
            width: columns.

        Raises:
            FilmError: TOO_SMALL or TOO_LARGE.
        """
        if min(height, width) < self.min_side:
            raise FilmError(
                ReasonCode.TOO_SMALL,
                path,
                f"{height} x {width} pixels (height x width); expected at least {self.min_side} on either side, "
                "so use the full-size film",
            )
        if height * width > self.max_pixels:
            raise FilmError(
                ReasonCode.TOO_LARGE,
                path,
                f"{height} x {width} pixels (height x width); expected at most {self.max_pixels} in all, "
                "so resample the film or raise max_pixels",
            )
