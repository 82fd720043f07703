"""Pictures of images with maps and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from matplotlib import colormaps
from monai.transforms import Transform
from PIL import Image, ImageDraw, ImageFont

from monai_tbkd.transforms.map_to_boxes import rescale_boxes, upsample_map
from monai_tbkd.transforms.notice import NOTICE

TRUE_COLOR, PREDICTED_COLOR = (64, 224, 255), (255, 196, 0)
CAPTION_HEIGHT = 22
STRONGEST_BLEND = 0.65


@dataclass
class Panel:
    """One picture of an image; boxes are ``(n, 4)`` in the image's pixels, x = column."""

    caption: str  # line above it
    tb_map: torch.Tensor | None = None  # TB probabilities (1, h, w) of 0-1, laid over the image
    true_boxes: torch.Tensor | Sequence[Sequence[float]] | None = None
    boxes: torch.Tensor | None = None  # predicted
    box_scores: torch.Tensor | None = None  # (n,) of 0-1


def image_for_display(image: torch.Tensor) -> np.ndarray:
    """Stretch the first channel of an image ``(C, H, W)`` to gray values ``(H, W)`` uint8 of 0 to 255."""
    gray = image[0].detach().cpu()
    if gray.dtype == torch.uint8:  # each level once, and not each pixel
        return _spread(torch.arange(256, dtype=torch.uint8), gray)[np.asarray(gray)]
    return _spread(gray, gray)


def _spread(values: torch.Tensor, image: torch.Tensor) -> np.ndarray:
    low, high = image.min().float(), image.max().float()
    return ((values.float() - low) / (high - low).clamp(min=1e-6) * 255).clamp(0, 255).numpy().astype(np.uint8)


def map_colors(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colors 0-255 ``(..., 3)`` and opacities 0-1 ``(...)`` of probabilities ``(...)``; the scale is absolute, 0-1.

    Example:
        >>> map_colors(np.array([0.0, 1.0]))[1].round(2)
        array([0.  , 0.65], dtype=float32)
    """
    values = np.clip(np.asarray(values, dtype=np.float32), 0.0, 1.0)
    # the map's black end would darken the image
    colors = _colors()
    index = np.minimum(((0.15 + 0.85 * values) * len(colors)).astype(np.intp), len(colors) - 1)
    return colors.take(index, axis=0), np.float32(STRONGEST_BLEND) * values


@cache
def _colors() -> np.ndarray:
    """The steps of a perceptually uniform color map, 0-255 ``(steps, 3)``."""
    inferno = colormaps["inferno"]
    return np.asarray(inferno(np.arange(inferno.N))[:, :3] * 255.0, dtype=np.float32)


def blend_map(image: np.ndarray, tb_map: np.ndarray) -> np.ndarray:
    """Lay a map ``(H, W)`` of 0-1 over an image ``(H, W)`` uint8, in `map_colors`; ``(H, W, 3)`` uint8."""
    if image.shape != tb_map.shape:
        raise ValueError(
            f"The image is {image.shape} and the map {tb_map.shape}; bring the map to the image's size first."
        )
    color, alpha = map_colors(tb_map)
    gray = image.astype(np.float32)
    # color by color: short last axes are slow
    blended = [np.rint(gray + alpha * (color[..., each] - gray)).astype(np.uint8) for each in range(3)]
    return np.stack(blended, axis=-1)


def draw_panels(
    image: np.ndarray,
    panels: Sequence[Panel],
    title: str,
    panel_size: int = 384,
    notice: str = NOTICE,
    whole_image_size: Sequence[int] | None = None,
) -> Image.Image:
    """Draw panels of one image side by side, with a title and the notice; returns an RGB picture.

    Args:
        image: gray values ``(H, W)`` uint8, on any grid that shows the whole image.
        panels: from left to right.
        title: line on top.
        panel_size: the longer side of a panel, in pixels of the picture.
        notice: line at the bottom.
        whole_image_size: (height, width) in the pixels that boxes refer to, whose proportions a panel gets; None: of
            ``image``.
    """
    height, width = (int(length) for length in (image.shape if whole_image_size is None else whole_image_size))
    scale = panel_size / max(height, width)
    ph, pw = max(1, round(height * scale)), max(1, round(width * scale))
    small = np.asarray(Image.fromarray(image).resize((pw, ph), Image.Resampling.BILINEAR))
    sheet = Image.new("RGB", (pw * len(panels), ph + 2 * CAPTION_HEIGHT + 18), (16, 16, 16))
    draw = ImageDraw.Draw(sheet)
    font, fine = ImageFont.load_default(13), ImageFont.load_default(11)
    draw.text((6, 3), title, fill=(255, 255, 255), font=font)
    draw.text((6, ph + 2 * CAPTION_HEIGHT + 2), notice, fill=(200, 200, 200), font=fine)
    for index, panel in enumerate(panels):
        left, top = index * pw, 2 * CAPTION_HEIGHT
        picture = small
        if panel.tb_map is not None:
            picture = blend_map(small, upsample_map(panel.tb_map, (ph, pw))[0].cpu().numpy())
        sheet.paste(Image.fromarray(picture).convert("RGB"), (left, top))
        draw.text((left + 6, CAPTION_HEIGHT + 3), panel.caption, fill=(210, 210, 210), font=fine)
        draw_boxes(draw, panel.true_boxes, None, (height, width), (ph, pw), (left, top), TRUE_COLOR)
        draw_boxes(draw, panel.boxes, panel.box_scores, (height, width), (ph, pw), (left, top), PREDICTED_COLOR)
    return sheet


class DrawOverlay(Transform):
    """Draw an image beside the same image with its map and boxes; for arguments see `draw_panels`."""

    def __init__(self, panel_size: int = 384, notice: str = NOTICE) -> None:
        self.panel_size, self.notice = int(panel_size), notice

    def __call__(
        self,
        image: torch.Tensor,
        tb_map: torch.Tensor,
        boxes: torch.Tensor,
        box_scores: torch.Tensor,
        whole_image_size: Sequence[int],
        title: str = "",
        caption: str = "map and boxes",
    ) -> torch.Tensor:
        """The picture, ``(3, height, width)`` uint8, in the proportions of the original image (height, width).

        The image is as the network got it, ``(C, H, W)``, boxes are in pixels of the original one; see `Panel`. The
        title is on top, the caption above the right panel.
        """
        gray = image_for_display(image)
        panels = [Panel("image"), Panel(caption, tb_map, boxes=boxes, box_scores=box_scores)]
        sheet = draw_panels(gray, panels, title, self.panel_size, self.notice, whole_image_size)
        return torch.from_numpy(np.array(sheet)).permute(2, 0, 1)


def draw_boxes(
    draw: ImageDraw.ImageDraw,
    boxes: torch.Tensor | Sequence[Sequence[float]] | None,
    scores: torch.Tensor | None,
    whole_image_size: tuple[int, int],
    panel_size: tuple[int, int],
    corner: tuple[int, int],
    color: tuple[int, int, int],
    stroke: int = 2,
    text_size: int = 12,
) -> None:
    """Draw boxes of an image of (height, width), with their scores, on a panel at a corner (left, top) of a picture."""
    if boxes is None or len(boxes) == 0:
        return
    font = ImageFont.load_default(text_size)
    scaled = rescale_boxes(torch.as_tensor(boxes, dtype=torch.float32), whole_image_size, panel_size)
    for index, (x0, y0, x1, y1) in enumerate(scaled.tolist()):
        x0, x1, y0, y1 = x0 + corner[0], x1 + corner[0], y0 + corner[1], y1 + corner[1]
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=color, width=stroke)
        if scores is not None:
            text = f"{100 * float(scores[index]):.0f}"
            position = (x0 + stroke + 1, max(float(corner[1]), y0 - text_size - 2))
            draw.rectangle(draw.textbbox(position, text, font=font), fill=(0, 0, 0))
            draw.text(position, text, fill=color, font=font)
