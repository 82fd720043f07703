"""Images with a bright disk for a lesion, whose place is known and which a small network learns in half a minute."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

HEIGHT, WIDTH = 240, 180  # not square, so that swapped axes are found out


@dataclass(frozen=True)
class BrightImage:
    """Gray values 0-1 and the box of the disk, None without one."""

    pixels: NDArray[np.float64]
    box: list[float] | None


def bright_image(seed: int, lesion: bool, height: int = HEIGHT, width: int = WIDTH) -> BrightImage:
    """A body with two dark lungs and, where asked for, a bright disk in one of them."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = 0.6 + 0.05 * ndimage.gaussian_filter(rng.standard_normal((height, width)), 4) * 20
    centers = [(0.48 * height, fraction * width) for fraction in (0.29, 0.71)]
    for row, column in centers:
        inside = ((rows - row) / (0.36 * height)) ** 2 + ((columns - column) / (0.18 * width)) ** 2 < 1
        pixels[inside] -= 0.35
    pixels = ndimage.gaussian_filter(pixels, 1.5) + 0.02 * rng.standard_normal((height, width))
    box = None
    if lesion:
        row, column = centers[int(rng.integers(2))]
        radius = rng.uniform(0.06, 0.08) * height
        row += rng.uniform(-0.2, 0.2) * height
        column += rng.uniform(-0.03, 0.03) * width
        pixels[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] += 0.45
        # half-open edges of the pixels whose middles lie in the disk
        lit = np.argwhere((rows - row) ** 2 + (columns - column) ** 2 < radius**2)
        (top, left), (bottom, right) = lit.min(axis=0), lit.max(axis=0)
        box = [float(left), float(top), float(right + 1), float(bottom + 1)]
    return BrightImage(np.clip(pixels, 0, 1), box)


def write_training_set(folder: Path, images: int = 120) -> Path:
    """A table with as many images with a disk as without; the last quarter is the test split."""
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "split", "boxes"])
        for number in range(images):
            image = bright_image(1000 + number, lesion=bool(number % 2))
            name = f"{number:03d}.png"
            Image.fromarray(np.rint(image.pixels * 255).astype(np.uint8)).save(folder / name)
            split = "test" if number >= images * 3 // 4 else "train"
            row: list[Any] = [
                name,
                "tb" if image.box else "health",
                split,
                json.dumps([image.box]) if image.box else "",
            ]
            table.writerow(row)
    return folder / "manifest.csv"


def iou(first: list[float], second: list[float]) -> float:
    """Of two boxes."""
    x = min(first[2], second[2]) - max(first[0], second[0])
    y = min(first[3], second[3]) - max(first[1], second[1])
    overlap = max(x, 0) * max(y, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return overlap / (areas - overlap)
