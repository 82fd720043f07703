"""Cues that are no disease but may go along with the label: side letter, text line, border, exposure style."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from monai_tbkd.data.phantom.canvas import Array
from monai_tbkd.data.phantom.exposure import Exposure
from monai_tbkd.data.phantom.glyphs import write_text
from monai_tbkd.data.phantom.records import Box, Cue

CUE_KINDS: tuple[str, ...] = ("letter", "text", "border", "exposure")


@dataclass(frozen=True)
class ShortcutSpec:
    """Which cues there are, and how often their presence agrees with "this film has tuberculosis".

    Args:
        kinds: any of ``letter``, ``text``, ``border`` and ``exposure``; a kind that is not named never appears.
        agreement: probability, for each kind on its own, that the cue is there on a film with tuberculosis and absent
            on any other. 0.5: the cue says nothing; 0.9: a tempting shortcut; 0.1: the shortcut turned around.

    Raises:
        ValueError: on an unknown or repeated kind, or an agreement outside 0-1.

    Example:
        >>> ShortcutSpec(kinds=("letter",), agreement=0.9).agreement
        0.9
    """

    kinds: tuple[str, ...] = CUE_KINDS
    agreement: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", tuple(self.kinds))
        unknown = [kind for kind in self.kinds if kind not in CUE_KINDS]
        if unknown or len(set(self.kinds)) != len(self.kinds):
            raise ValueError(f"shortcut kinds must be different ones of {CUE_KINDS}, got {self.kinds}")
        if not 0 <= self.agreement <= 1:
            raise ValueError(f"agreement is a probability, 0 to 1, got {self.agreement}")

    def present(self, kind: str, is_tb: bool, rng: np.random.Generator) -> bool:
        """Whether a cue is on a film."""
        agrees = bool(rng.random() < self.agreement)
        return kind in self.kinds and agrees == is_tb


def restyle(exposure: Exposure) -> Exposure:
    """The exposure cue: a hard, dark style of processing."""
    return replace(
        exposure, gamma=exposure.gamma * 1.55, shoulder=exposure.shoulder + 1.2, white=exposure.white - 0.10, veil=0.0
    )


def _overlap(box: Box, lung_field: npt.NDArray[np.bool_]) -> int:
    x0, y0, x1, y1 = (int(c) for c in box)
    return int(np.count_nonzero(lung_field[y0:y1, x0:x1]))


def _clear_spot(rng: np.random.Generator, boxes: list[Box], lung_field: npt.NDArray[np.bool_]) -> Box:
    """The box that covers the least lung, the first drawn among equals."""
    order = rng.permutation(len(boxes))
    return min((boxes[i] for i in order), key=lambda box: _overlap(box, lung_field))


def _spots(
    rng: np.random.Generator, size: int, shape: tuple[int, ...], xs: tuple[float, float], ys: tuple[float, float]
) -> list[Box]:
    """Places for a mark of ``shape`` (height, width) within a range of film fractions."""
    height, width = shape
    boxes = []
    for fx, fy in rng.uniform(size=(6, 2)):
        x = min(max(int((xs[0] + fx * (xs[1] - xs[0])) * size), 0), size - width)
        y = min(max(int((ys[0] + fy * (ys[1] - ys[0])) * size), 0), size - height)
        boxes.append((float(x), float(y), float(x + width), float(y + height)))
    return boxes


def _window(box: Box) -> tuple[slice, slice]:
    return slice(int(box[1]), int(box[3])), slice(int(box[0]), int(box[2]))


def _lay(image: npt.NDArray[np.uint8], box: Box, ink: Array, level: float) -> None:
    """Blend a mark into the film."""
    window = _window(box)
    image[window] = np.asarray(image[window] * (1 - ink) + level * ink, dtype=np.uint8)


def _letter(image: npt.NDArray[np.uint8], lung_field: npt.NDArray[np.bool_], rng: np.random.Generator) -> list[Cue]:
    size = len(image)
    left = rng.random() < 0.6
    mark = write_text("L" if left else "R", max(9, round(size * rng.uniform(0.055, 0.075))))
    # The patient's left is on the film's right.
    xs = (0.90, 0.94) if left else (0.01, 0.045)
    box = _clear_spot(rng, _spots(rng, size, mark.shape, xs, (0.03, 0.16)), lung_field)
    _lay(image, box, mark, 252)
    return [Cue("letter", box)]


def _text(image: npt.NDArray[np.uint8], lung_field: npt.NDArray[np.bool_], rng: np.random.Generator) -> list[Cue]:
    size = len(image)
    line = f"{rng.choice(['PA', 'AP'])} {rng.integers(90, 126)}KV {rng.uniform(1, 5):.1f}MAS"
    mark = write_text(line, max(7, round(size * 0.024)))
    ys = (0.005, 0.02) if rng.random() < 0.3 else (0.95, 0.97)
    box = _clear_spot(rng, _spots(rng, size, mark.shape, (0.02, 0.55), ys), lung_field)
    _lay(image, box, np.full_like(mark, 0.85), 8)  # burned-in text sits on a dark strip
    _lay(image, box, mark, 245)
    return [Cue("text", box)]


def _border(image: npt.NDArray[np.uint8], lung_field: npt.NDArray[np.bool_], rng: np.random.Generator) -> list[Cue]:
    size = len(image)
    wide = max(3, round(size * rng.uniform(0.020, 0.034)))
    whole = float(size)
    sides: list[Box] = [
        (0.0, 0.0, whole, float(wide)),
        (0.0, whole - wide, whole, whole),
        (0.0, 0.0, float(wide), whole),
        (whole - wide, 0.0, whole, whole),
    ]
    order = [sides[i] for i in rng.permutation(4)]
    chosen = sorted(order, key=lambda box: _overlap(box, lung_field))[:2]
    level = rng.uniform(190, 235)
    for box in chosen:
        rows, columns = _window(box)
        _lay(image, box, np.ones((rows.stop - rows.start, columns.stop - columns.start), dtype=np.float32), level)
    return [Cue("border", box) for box in chosen]


_DRAW = {"letter": _letter, "text": _text, "border": _border}


def draw_cues(
    image: npt.NDArray[np.uint8],
    lung_field: npt.NDArray[np.bool_],
    present: dict[str, bool],
    rngs: dict[str, np.random.Generator],
) -> tuple[Cue, ...]:
    """Put the cues that have a place onto a film, outside the lungs.

    Args:
        image: ``(H, H)`` uint8 film, changed in place.
        lung_field: ``(H, H)`` bool.
        present: for each kind whether it is on this film; ``exposure`` is recorded only (see `restyle`).
        rngs: a source of chance for each kind, so that one kind's presence does not move another.

    Returns:
        The cues with their boxes; a border is one cue a side.
    """
    cues: list[Cue] = []
    for kind in ("border", "letter", "text"):  # marks lie on top of the border
        if present.get(kind):
            cues += _DRAW[kind](image, lung_field, rngs[kind])
    if present.get("exposure"):
        cues.append(Cue("exposure", None))
    return tuple(cues)
