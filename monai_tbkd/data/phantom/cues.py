"""Cues that are no disease but may go along with the label: side letter, text line, border, exposure style."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from monai_tbkd.data.phantom.canvas import Array
from monai_tbkd.data.phantom.disease import Box

Gray = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

CUE_KINDS: tuple[str, ...] = ("letter", "text", "border", "exposure")

# A 5 x 7 dot font, so that images do not depend on the fonts of a machine: five columns a glyph, the lowest bit on top.
_COLUMNS = {
    "A": "7E1111117E", "B": "7F49494936", "C": "3E41414122", "D": "7F4141221C", "E": "7F49494941", "F": "7F09090901",
    "G": "3E4149497A", "H": "7F0808087F", "I": "00417F4100", "J": "2040413F01", "K": "7F08142241", "L": "7F40404040",
    "M": "7F020C027F", "N": "7F0408107F", "O": "3E4141413E", "P": "7F09090906", "Q": "3E4151215E", "R": "7F09192946",
    "S": "4649494931", "T": "01017F0101", "U": "3F4040403F", "V": "1F2040201F", "W": "3F4038403F", "X": "6314081463",
    "Y": "0708700807", "Z": "6151494543", "0": "3E5149453E", "1": "00427F4000", "2": "4261514946", "3": "2141454B31",
    "4": "1814127F10", "5": "2745454539", "6": "3C4A494930", "7": "0171090503", "8": "3649494936", "9": "064949291E",
    "-": "0808080808", ".": "0060600000", "/": "2010080402", ":": "0036360000", " ": "0000000000",
}  # fmt: skip


def write_text(text: str, height: int) -> Array:
    """Draw a line of upper-case letters, digits, space and ``-./:`` as ``(height, W)`` float32, 0-1."""
    columns = [int(_COLUMNS[c][i : i + 2], 16) for c in text for i in range(0, 10, 2)]
    dots = np.array([[(c >> row) & 1 for c in columns] for row in range(7)], dtype=np.float32)
    dots = np.insert(dots, range(5, dots.shape[1], 5), 0, axis=1)  # a gap between letters
    width = max(1, round(dots.shape[1] * height / 7))
    fine = Image.fromarray(dots).resize((dots.shape[1] * 8, 56), Image.Resampling.NEAREST)
    return np.asarray(fine.resize((width, height), Image.Resampling.BOX), dtype=np.float32)


@dataclass(frozen=True)
class Cue:
    """One shortcut on an image: one of `CUE_KINDS`, and its box in image pixels, None for ``exposure``."""

    kind: str
    box: Box | None


@dataclass(frozen=True)
class ShortcutSpec:
    """Which cues there are, and how often their presence agrees with "this image has tuberculosis".

    Args:
        kinds: some of `CUE_KINDS`; a kind that is not named never appears.
        agreement: probability, for each kind on its own, that the cue is there on an image with tuberculosis and absent
            on any other. 0.5: the cue says nothing; 0.9: a tempting shortcut; 0.1: the shortcut turned around.
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
        """Whether a cue is on an image."""
        agrees = bool(rng.random() < self.agreement)
        return kind in self.kinds and agrees == is_tb


def _window(box: Box) -> tuple[slice, slice]:
    return slice(int(box[1]), int(box[3])), slice(int(box[0]), int(box[2]))


def _overlap(box: Box, lung_field: Mask) -> int:
    return int(np.count_nonzero(lung_field[_window(box)]))


def _position(
    rng: np.random.Generator, shape: tuple[int, ...], xs: tuple[float, float], ys: tuple[float, float], lungs: Mask
) -> Box:
    """A box for a mark of `shape` (height, width) within a range of image fractions, of six the one over least lung."""
    size, (height, width) = len(lungs), shape
    boxes = []
    for fx, fy in rng.uniform(size=(6, 2)):
        x = min(max(int((xs[0] + fx * (xs[1] - xs[0])) * size), 0), size - width)
        y = min(max(int((ys[0] + fy * (ys[1] - ys[0])) * size), 0), size - height)
        boxes.append((float(x), float(y), float(x + width), float(y + height)))
    return min((boxes[i] for i in rng.permutation(6)), key=lambda box: _overlap(box, lungs))


def _lay(image: Gray, box: Box, ink: Array, level: float) -> None:
    """Blend a mark into the image."""
    window = _window(box)
    image[window] = np.asarray(image[window] * (1 - ink) + level * ink, dtype=np.uint8)


def _letter(image: Gray, lung_field: Mask, rng: np.random.Generator) -> list[Cue]:
    size = len(image)
    left = rng.random() < 0.6
    mark = write_text("L" if left else "R", max(9, round(size * rng.uniform(0.055, 0.075))))
    # The patient's left is on the image's right.
    xs = (0.90, 0.94) if left else (0.01, 0.045)
    box = _position(rng, mark.shape, xs, (0.03, 0.16), lung_field)
    _lay(image, box, mark, 252)
    return [Cue("letter", box)]


def _text(image: Gray, lung_field: Mask, rng: np.random.Generator) -> list[Cue]:
    size = len(image)
    line = f"{rng.choice(['PA', 'AP'])} {rng.integers(90, 126)}KV {rng.uniform(1, 5):.1f}MAS"
    mark = write_text(line, max(7, round(size * 0.024)))
    ys = (0.005, 0.02) if rng.random() < 0.3 else (0.95, 0.97)
    box = _position(rng, mark.shape, (0.02, 0.55), ys, lung_field)
    _lay(image, box, np.full_like(mark, 0.85), 8)  # burned-in text sits on a dark strip
    _lay(image, box, mark, 245)
    return [Cue("text", box)]


def _border(image: Gray, lung_field: Mask, rng: np.random.Generator) -> list[Cue]:
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
        _lay(image, box, np.ones_like(image[_window(box)], dtype=np.float32), level)
    return [Cue("border", box) for box in chosen]


_DRAW = {"letter": _letter, "text": _text, "border": _border}


def draw_cues(
    image: Gray, lung_field: Mask, present: dict[str, bool], rngs: dict[str, np.random.Generator]
) -> tuple[Cue, ...]:
    """Put the cues that have a position onto an 8-bit image ``(H, H)``, in place and outside the lungs.

    Args:
        image: the image.
        lung_field: ``(H, H)`` bool.
        present: for each kind whether it is on this image; ``exposure`` is recorded only.
        rngs: a random generator for each kind, so that one kind's presence does not move another.

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
