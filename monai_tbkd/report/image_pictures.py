"""Pictures of images for pages: the image, its map and its boxes, in layers or in one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from monai_tbkd.data import CXRReader
from monai_tbkd.transforms import ImageTo8Bit, Panel, draw_panels
from monai_tbkd.transforms.map_to_boxes import upsample_map
from monai_tbkd.transforms.overlay import CAPTION_HEIGHT, PREDICTED_COLOR, TRUE_COLOR, map_colors

_GRAY = 110  # mean gray value of an image


class ImagePicture(NamedTuple):
    """What there is to see of an image, upright."""

    image: np.ndarray  # gray values (h, w) uint8, on any grid that shows the whole image
    size: tuple[int, int]  # (height, width) of the image in the pixels that boxes refer to
    boxes: torch.Tensor | None = None  # (n, 4), x = column; None where none were looked for
    box_scores: torch.Tensor | None = None  # (n,) of 0-1
    tb_map: torch.Tensor | None = None  # probabilities of 0-1 (1, h, w) of the whole image


def open_image(path: str | Path, voi: str = "first") -> tuple[np.ndarray, dict[str, Any]]:
    """Read 8-bit gray values ``(H, W)``, upright, and metadata of an image, whether or not it may be scored.

    Raises:
        ImageError: it cannot be decoded.
    """
    reader = CXRReader(voi=voi, min_side=1, min_age=0, secondary_capture=True, any_view=True, any_body_part=True)
    array, meta = reader.get_data(reader.read(path))
    return ImageTo8Bit()(torch.from_numpy(np.asarray(array, dtype=np.float32))[None])[0].numpy(), meta


def panel_pictures(image: np.ndarray, panels: Sequence[Panel], side: int) -> list[Image.Image]:
    """Draw panels as `draw_panels` does, one picture each, ``side`` pixels long, without the text around them."""
    sheet = draw_panels(image, panels, "", side)
    width = sheet.width // len(panels)
    top, bottom = 2 * CAPTION_HEIGHT, sheet.height - 18
    return [sheet.crop((i * width, top, (i + 1) * width, bottom)) for i in range(len(panels))]


def fit_side(size: Sequence[int], side: int) -> tuple[int, int]:
    """Scale (height, width) so that the longer side has ``side`` pixels."""
    height, width = (int(length) for length in size)
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def map_layer(tb_map: torch.Tensor, size: Sequence[int], side: int = 192) -> Image.Image:
    """Draw a map ``(1, h, w)`` of 0-1 alone, transparent where it is 0; laid over the image it looks like `blend_map`.

    The longer side has ``side`` pixels; the browser smooths it.
    """
    values = upsample_map(tb_map.detach().cpu(), fit_side(size, side))[0].clamp(0, 1).numpy()
    colors, opacity = map_colors(np.arange(256) / 255)
    # a palette of 256 colors and opacities takes a quarter of four channels
    picture = Image.fromarray(np.rint(values * 255).astype(np.uint8)).convert("P")
    picture.putpalette(np.rint(colors).astype(np.uint8).tobytes())
    picture.info["transparency"] = np.rint(opacity * 255).astype(np.uint8).tobytes()
    return picture


def thumbnail(picture: ImagePicture, side: int = 112) -> Image.Image:
    """Draw a small picture of the image with its map and boxes."""
    rows, columns = fit_side(picture.size, side)
    image = np.asarray(Image.fromarray(picture.image).resize((columns, rows), Image.Resampling.LANCZOS))
    boxes = None
    if picture.boxes is not None:
        scale = torch.tensor([columns / picture.size[1], rows / picture.size[0]] * 2)
        boxes = picture.boxes.reshape(-1, 4).float().cpu() * scale
    return panel_pictures(image, [Panel("", picture.tb_map, boxes=boxes)], side)[0]


def color_key() -> dict[str, Any]:
    """Collect the colors of boxes and of the map's scale, as they look on an image of average gray."""
    colors, opacity = map_colors(np.linspace(0, 1, 9))
    shades = (1 - opacity[:, None]) * _GRAY + opacity[:, None] * colors
    stops = ",".join(f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in shades)
    return {"true": TRUE_COLOR, "predicted": PREDICTED_COLOR, "stops": stops}
