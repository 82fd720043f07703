"""A 5 x 7 dot font for side letters and text lines, so that films do not depend on the fonts of a machine."""

from __future__ import annotations

import numpy as np
from PIL import Image

from monai_tbkd.data.phantom.canvas import Array

# Five columns a glyph, the lowest bit on top: the usual dot matrix of burned-in film text.
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
    """Draw a line of text.

    Args:
        text: upper-case letters, digits, space and ``-./:``.
        height: of the line in pixels.

    Returns:
        ``(height, W)`` float32, 0-1.

    Raises:
        ValueError: if a character has no glyph.
    """
    unknown = sorted(set(text) - set(_COLUMNS))
    if unknown:
        raise ValueError(f"no glyph for {unknown}; write with upper-case letters, digits, space and '-./:'")
    columns = [int(_COLUMNS[c][i : i + 2], 16) for c in text for i in range(0, 10, 2)]
    dots = np.array([[(c >> row) & 1 for c in columns] for row in range(7)], dtype=np.float32)
    dots = np.insert(dots, range(5, dots.shape[1], 5), 0, axis=1)  # a gap between letters
    width = max(1, round(dots.shape[1] * height / 7))
    fine = Image.fromarray(dots).resize((dots.shape[1] * 8, 56), Image.Resampling.NEAREST)
    return np.asarray(fine.resize((width, height), Image.Resampling.BOX), dtype=np.float32)
