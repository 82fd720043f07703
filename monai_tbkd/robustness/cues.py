"""Insert cues that are no disease: the same image with and without one shows how a network reacts to it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.data.files.own_results import PHANTOM_RECIPE
from monai_tbkd.data.phantom.cues import draw_cues
from monai_tbkd.robustness.corruptions import gray_image, image_seed

SOURCE_STYLE = "source_style"
CUE_MASK = "cue_mask"
_SMALLEST_CANVAS = 128  # a text line does not fit on less; smaller images get it shrunk
_FINER = 4  # shapes are drawn this much larger and averaged, for smooth edges
_FAINTEST = 0.02  # what covers a pixel by less is left out
_LEVELS = 256


class Mark(NamedTuple):
    """Something drawn: the image becomes ``image * (1 - cover) + paint``."""

    cover: np.ndarray  # (H, W) of 0-1: how far the image is hidden
    paint: np.ndarray  # (H, W) of 0-255: what is added, weighted with the cover


class CueImage(NamedTuple):
    """An image with a cue on it."""

    image: torch.Tensor  # (1, H, W) uint8
    mask: torch.Tensor  # (1, H, W) bool: the pixels that were drawn on


def insert_cue(image: torch.Tensor, kind: str, name: str, seed: int = 0) -> CueImage:
    """Put a cue, one of `LOCAL_CUES`, onto a square 8-bit image ``(1, H, W)``.

    Letter, text and border are drawn by the program that draws them on phantoms. Where a cue lies comes from the
    image's name and the seed; nothing is known of the lungs, so a mark may touch one.

    Raises:
        ValueError: not such an image.
    """
    plain = gray_image(image)
    height, width = plain.shape[-2:]
    if height != width:
        raise ValueError(f"The image has {height} x {width} pixels; cues are drawn on square images.")
    rng = np.random.default_rng(image_seed(seed, kind, name))
    mark = _DRAW[kind](max(height, _SMALLEST_CANVAS), rng)
    cover, paint = mark if height >= _SMALLEST_CANVAS else (_shrunk(each, height) for each in mark)
    mask = cover >= _FAINTEST
    blended = np.where(mask, plain[0].numpy() * (1.0 - cover) + paint, plain[0].numpy())
    drawn = torch.from_numpy(np.rint(blended).clip(0, 255).astype(np.uint8))
    return CueImage(drawn[None], torch.from_numpy(mask)[None])


def add_cue(item: Mapping[str, Any], kind: str, grid: int, seed: int = 0) -> dict[str, Any]:
    """Insert a cue into the ``image`` of an item, see `insert_cue`.

    ``cue_mask`` gets its position, ``(grid, grid)`` bool: the cells that the cue touches.
    """
    image, mask = insert_cue(item["image"], kind, item["name"], seed)
    return {**item, "image": image, CUE_MASK: F.adaptive_avg_pool2d(mask[None].float(), grid)[0, 0] > 0}


def quantiles(images: Iterable[torch.Tensor]) -> np.ndarray:
    """Compute the mean gray-value distribution of images, each ``(1, H, W)`` uint8.

    Returns:
        ``(256,)``, ascending: the mean over images of the gray value below which each 256th of an image's pixels lies.
    """
    middles = (np.arange(_LEVELS) + 0.5) / _LEVELS
    return np.mean([np.quantile(gray_image(image).numpy(), middles) for image in images], axis=0)


def match_histogram(image: torch.Tensor, style: np.ndarray) -> torch.Tensor:
    """Give an image ``(1, H, W)`` uint8 the gray values of another style (of `quantiles`), their order kept."""
    plain = gray_image(image).numpy()
    count = np.bincount(plain.ravel(), minlength=_LEVELS)
    fraction_below = (np.cumsum(count) - count / 2) / plain.size
    table = np.interp(fraction_below, (np.arange(_LEVELS) + 0.5) / _LEVELS, style)
    return torch.from_numpy(np.rint(table).clip(0, 255).astype(np.uint8)[plain])


def match_style(item: Mapping[str, Any], styles: Mapping[bool, np.ndarray]) -> dict[str, Any]:
    """Give the ``image`` of an item the gray values of the other class: if a style is a shortcut, the score follows it.

    `styles` has, by whether an image has TB, the style that it gets, see `quantiles`.
    """
    return {**item, "image": match_histogram(item["image"], styles[bool(item["tb"][0])])}


def images_with_cue(dataset_dir: object) -> dict[str, set[str]]:
    """Find the images of a phantom data set that bear a cue already: by kind of cue, their names.

    A second letter changes little on an image that has one. Of data sets without a phantom recipe, or of several, none
    is known.
    """
    record = Path(str(dataset_dir)) / PHANTOM_RECIPE
    if not isinstance(dataset_dir, (str, Path)) or not record.is_file():
        return {}
    found: dict[str, set[str]] = {}
    for image in json.loads(read_text(record))["images"]:
        for cue in image["cues"]:
            found.setdefault(SOURCE_STYLE if cue["kind"] == "exposure" else cue["kind"], set()).add(image["file_name"])
    return found


def _phantom_cue(kind: str, side: int, rng: np.random.Generator) -> Mark:
    # The same chance on black and on white tells how far the cue covers, and with what.
    state = rng.bit_generator.state
    canvases = []
    for gray in (0, 255):
        rng.bit_generator.state = state
        canvas = np.full((side, side), gray, dtype=np.uint8)
        draw_cues(canvas, np.zeros((side, side), dtype=bool), {kind: True}, {kind: rng})
        canvases.append(canvas.astype(float))
    on_black, on_white = canvases
    return Mark(1.0 - (on_white - on_black) / 255.0, on_black)


def _collimation(side: int, rng: np.random.Generator) -> Mark:
    """A blade of the collimator: nearly black beyond a straight edge that is not quite parallel to the image's."""
    rows, columns = (np.mgrid[:side, :side] + 0.5) / side
    depth, slope = rng.uniform(0.05, 0.10), math.tan(math.radians(rng.uniform(-3, 3)))
    along, into = ((columns, rows), (columns, 1 - rows), (rows, columns), (rows, 1 - columns))[rng.integers(4)]
    cover = np.clip((depth + slope * (along - 0.5) - into) * side + 0.5, 0.0, 1.0)
    return Mark(cover, cover * 2.0)


def _pacemaker(side: int, rng: np.random.Generator) -> Mark:
    """A generator below the patient's left collarbone, on the image's right, and a lead to the heart."""
    fine = side * _FINER
    x, y = rng.uniform(0.70, 0.78) * fine, rng.uniform(0.20, 0.27) * fine
    wide, high = 0.055 * fine, 0.045 * fine
    shape, light = Image.new("L", (fine, fine), 0), Image.new("L", (fine, fine), 250)
    pen = ImageDraw.Draw(shape)
    bend = np.linspace(0, 1, 24)[:, None]
    start, over, end = (
        (x - wide * 0.6, y - high),
        (0.56 * fine, 0.10 * fine),
        (rng.uniform(0.50, 0.58) * fine, 0.68 * fine),
    )
    path = (1 - bend) ** 2 * start + 2 * bend * (1 - bend) * over + bend**2 * end
    pen.line([tuple(point) for point in path.tolist()], fill=255, width=max(_FINER, round(0.007 * fine)))
    pen.rounded_rectangle((x - wide, y - high, x + wide, y + high), radius=0.03 * fine, fill=255)
    # the battery is denser than the circuits above it
    ImageDraw.Draw(light).rectangle((x - wide, y - high, x + wide, y - 0.35 * high), fill=205)
    cover, level = (np.asarray(each.resize((side, side), Image.Resampling.BOX), dtype=float) for each in (shape, light))
    return Mark(cover / 255.0, level * cover / 255.0)


def _shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    small = Image.fromarray(picture.astype(np.float32)).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, dtype=float)


_DRAW: dict[str, Callable[[int, np.random.Generator], Mark]] = {
    **{kind: partial(_phantom_cue, kind) for kind in ("letter", "text", "border")},
    "collimation": _collimation,
    "pacemaker": _pacemaker,
}
LOCAL_CUES = tuple(_DRAW)
"""Cues that have a position."""
CUES = (*LOCAL_CUES, SOURCE_STYLE)

DEFINITIONS = {
    "letter": "a side letter, L or R, in an upper corner",
    "text": "a line of exposure data on a dark strip, at the upper or lower edge",
    "border": "a bright border along two sides",
    "collimation": "a nearly black, slightly slanted strip along one side, 5 to 10 % deep",
    "pacemaker": "a bright generator below the left collarbone with a lead to the heart",
    SOURCE_STYLE: "gray values matched to the mean histogram of the other class's images of the selection split",
}
