"""A contact sheet of phantom films, with boxes drawn and a line under each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from monai_tbkd.data.phantom.glyphs import write_text
from monai_tbkd.data.phantom.records import PhantomFilm

_LINE = 22
_ACTIVE_COLOR, _LATENT_COLOR, _CUE_COLOR = (255, 190, 0), (0, 190, 255), (120, 220, 120)


def write_sheet(films: Sequence[PhantomFilm], path: str | Path, columns: int = 4, side: int = 384) -> Path:
    """Write films side by side, lesions in amber (active) and blue (latent), cues in green.

    Args:
        films: the films, in reading order.
        path: PNG to write; its folder is made.
        columns: films a row.
        side: of each film on the sheet, in pixels.

    Returns:
        The path.
    """
    rows = -(-len(films) // columns)
    sheet = Image.new("RGB", (columns * side, rows * (side + _LINE)), (0, 0, 0))
    draw = ImageDraw.Draw(sheet)
    for i, film in enumerate(films):
        x, y = (i % columns) * side, (i // columns) * (side + _LINE)
        sheet.paste(Image.fromarray(film.image).resize((side, side), Image.Resampling.LANCZOS).convert("RGB"), (x, y))
        scale = side / film.image.shape[0]
        marks = [(n.box, _ACTIVE_COLOR if n.tb_type.startswith("Active") else _LATENT_COLOR) for n in film.lesions]
        marks += [(c.box, _CUE_COLOR) for c in film.cues if c.box is not None]
        for box, color in marks:
            x0, y0, x1, y1 = (c * scale for c in box)
            draw.rectangle((x + x0, y + y0, x + x1 - 1, y + y1 - 1), outline=color)
        words = [film.class_name, *([film.finding] if film.finding else []), *(n.kind for n in film.lesions)]
        line = write_text(" / ".join(words).upper(), 12)[:, : side - 12]
        caption = Image.fromarray(np.asarray(line * 230, dtype=np.uint8))
        sheet.paste(caption.convert("RGB"), (x + 6, y + side + 5))
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target)
    return target
