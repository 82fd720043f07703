"""Pictures of one film for pages: film, map and boxes, in layers or in one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from monai_tbkd.report.html_page import jpeg_uri, png_uri
from monai_tbkd.transforms import Panel, draw_panels
from monai_tbkd.transforms.map_to_mask import upsample_map
from monai_tbkd.transforms.overlay import CAPTION_HEIGHT, PREDICTED_COLOR, map_colors

_MAP_SIDE = 192  # the longer side of a map's layer in pixels; the browser smooths it


class FilmPicture(NamedTuple):
    """What there is to see of a film, upright."""

    film: np.ndarray
    """Gray values ``(h, w)`` uint8, on any grid that shows the whole film."""
    size: tuple[int, int]
    """(height, width) of the film in its own pixels, to which boxes refer."""
    boxes: torch.Tensor | None = None
    """``(n, 4)``, x = column; None where none were looked for."""
    box_scores: torch.Tensor | None = None
    """``(n,)`` of 0-1."""
    tb_map: torch.Tensor | None = None
    """Probabilities of 0-1 ``(1, h, w)`` of the whole film."""


def panel_pictures(film: np.ndarray, panels: Sequence[Panel], side: int) -> list[Image.Image]:
    """What `draw_panels` draws, a picture a panel, without the lines of text around them.

    Args:
        film: gray values ``(H, W)`` uint8, in the pixels that boxes refer to.
        panels: what to show.
        side: the longer side of each, in pixels.
    """
    sheet = draw_panels(film, panels, "", side)
    width = sheet.width // len(panels)
    top, bottom = 2 * CAPTION_HEIGHT, sheet.height - 18
    return [sheet.crop((i * width, top, (i + 1) * width, bottom)) for i in range(len(panels))]


def fit_side(size: Sequence[int], side: int) -> tuple[int, int]:
    """(height, width) in the proportions of a film whose longer side has so many pixels.

    Example:
        >>> fit_side((2000, 1000), 64)
        (64, 32)
    """
    height, width = (int(length) for length in size)
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def map_layer(tb_map: torch.Tensor, size: Sequence[int], side: int = _MAP_SIDE) -> Image.Image:
    """A map alone, transparent where there is nothing; over a film it gives what `blend_map` gives.

    Args:
        tb_map: probabilities of 0-1 ``(1, h, w)``.
        size: (height, width) of the film, whose proportions the picture gets.
        side: its longer side in pixels.
    """
    values = upsample_map(tb_map.detach().cpu(), fit_side(size, side))[0].clamp(0, 1).numpy()
    levels = np.arange(256) / 255
    colors, opacity = map_colors(levels)
    # 256 colors and as many opacities: a quarter of what four channels take
    picture = Image.fromarray(np.rint(values * 255).astype(np.uint8)).convert("P")
    picture.putpalette(np.rint(colors).astype(np.uint8).tobytes())
    picture.info["transparency"] = np.rint(opacity * 255).astype(np.uint8).tobytes()
    return picture


def thumbnail(picture: FilmPicture, side: int = 112) -> Image.Image:
    """A small picture of the film with its map and boxes."""
    rows, columns = fit_side(picture.size, side)
    film = np.asarray(Image.fromarray(picture.film).resize((columns, rows), Image.Resampling.LANCZOS))
    boxes = None
    if picture.boxes is not None:
        scale = torch.tensor([columns / picture.size[1], rows / picture.size[0]] * 2)
        boxes = picture.boxes.reshape(-1, 4).float().cpu() * scale
    return panel_pictures(film, [Panel("", picture.tb_map, boxes=boxes)], side)[0]


def film_panels(picture: FilmPicture, name: str, side: int) -> str:
    """HTML with the film and, where there is a map, the film under it; boxes on both.

    The film stands in the page once; lines of boxes are drawn by the browser, sharp at every size.

    Args:
        picture: the film.
        name: for those who do not see it; plain text.
        side: the longer side of the film's picture, in pixels.
    """
    height, width = picture.size
    rows, columns = fit_side(picture.size, side)
    gray = Image.fromarray(picture.film).resize((columns, rows), Image.Resampling.LANCZOS)
    boxes, count = _boxes(picture), 0 if picture.boxes is None else len(picture.boxes)
    found = "" if picture.boxes is None else f", {count or 'no'} {'boxes' if count > 1 else 'box'}"
    whole = f'width="{width}" height="{height}" preserveAspectRatio="none"'

    def panel(layers: str, text: str) -> str:
        said = escape(f"{name}: {text}")
        svg = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{said}">{layers}</svg>'
        return f"<div>{svg}{escape(text)}</div>"

    panels = [panel(f'<image id="film-picture" {whole} href="{jpeg_uri(gray, 80)}"/>{boxes}', f"Film{found}")]
    if picture.tb_map is not None:
        layer = png_uri(map_layer(picture.tb_map, picture.size))
        panels.append(
            panel(f'<use href="#film-picture"/><image {whole} href="{layer}"/>{boxes}', f"Map over the film{found}")
        )
    return f'<div class="panels layers" style="--panels:{len(panels)}">{"".join(panels)}</div>'


def _boxes(picture: FilmPicture) -> str:
    if picture.boxes is None or len(picture.boxes) == 0:
        return ""
    side = max(picture.size)
    font, shapes = 0.034 * side, []
    scores = [None] * len(picture.boxes) if picture.box_scores is None else picture.box_scores.tolist()
    for (x0, y0, x1, y1), score in zip(picture.boxes.tolist(), scores, strict=True):
        shapes.append(f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}"/>')
        if score is not None:
            y = y0 - 0.25 * font if y0 > 1.3 * font else y0 + font
            shapes.append(
                f'<text x="{x0 + 0.15 * font:.1f}" y="{y:.1f}" font-size="{font:.1f}">{100 * score:.0f}</text>'
            )
    return f'<g class="boxes" style="--found:rgb{PREDICTED_COLOR}">{"".join(shapes)}</g>'
