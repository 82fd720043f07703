"""What an overlay costs beside the image's way through the network: drawing it, and writing it.

    python benchmarks/overlays.py [--images DIR]

CPU time at one thread, in turns. DIR holds images as PNG (such as TBX11K's `imgs`); without it images are phantoms.
Maps are smooth noise. The base is the overlay written at the level of compression that Pillow takes by itself.
"""

from __future__ import annotations

import argparse
from functools import partial
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from in_turns import RESULTS, in_turns, number_row, rows, write
from PIL import Image

from monai_tbkd.data.phantom import ShortcutSpec, make_image
from monai_tbkd.results.prediction_table import OVERLAY_FORMATS
from monai_tbkd.transforms import DrawOverlay

WAYS: dict[str, dict[str, Any]] = {
    "PNG at Pillow's level": {"format": "PNG"},
    "PNG of inference": {"format": "PNG", **OVERLAY_FORMATS["png"]},
    "JPEG of inference": {"format": "JPEG", **OVERLAY_FORMATS["jpg"]},
}
"""Drawn, and saved so; the first is the base."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--output", type=Path, default=RESULTS / "performance.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    images = read(args.images, args.rounds) if args.images else phantoms(args.rounds)
    overlay, generator = DrawOverlay(), torch.Generator().manual_seed(0)
    boxes, scores = torch.tensor([[90.0, 80, 200, 190]]), torch.tensor([0.8])
    maps = [
        F.interpolate(torch.rand(1, 1, 4, 4, generator=generator) ** 3, (32, 32), mode="bilinear")[0] for _ in images
    ]

    def draw(image: torch.Tensor, tb_map: torch.Tensor) -> Image.Image:
        picture = overlay(image, tb_map, boxes, scores, image.shape[1:], "image", "score 80")
        return Image.fromarray(picture.permute(1, 2, 0).numpy())

    drawn = [draw(image, tb_map) for image, tb_map in zip(images, maps, strict=True)]
    own = {name: float(np.mean([len(saved(each, **how)) for each in drawn])) / 1000 for name, how in WAYS.items()}
    # each way goes over the same images in the same order
    turns = {name: cycle(range(len(images))) for name in (*WAYS, "drawn alone")}

    def work(name: str) -> None:
        number = next(turns[name])
        picture = draw(images[number], maps[number])
        if name in WAYS:
            saved(picture, **WAYS[name])

    found = in_turns({name: partial(work, name) for name in turns}, args.rounds)
    subject = f"an overlay, {'images of a folder' if args.images else 'phantom images'}, 768 x 446 pixels"
    made = rows(subject, subject, found, next(iter(WAYS)))
    made += [number_row(subject, subject, f"file, {name}", value, "kB", len(images)) for name, value in own.items()]
    write(subject, made, args.output)


def read(folder: Path, number: int) -> list[torch.Tensor]:
    """Images ``(1, H, W)`` uint8 from all over a folder."""
    paths = sorted(folder.rglob("*.png"))
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, number).astype(int)]
    return [torch.from_numpy(np.array(Image.open(path).convert("L")))[None] for path in chosen]


def phantoms(number: int) -> list[torch.Tensor]:
    images = [make_image("tb", (0, 0, index), 512, ShortcutSpec()) for index in range(number)]
    return [torch.from_numpy(image.image)[None] for image in images]


def saved(picture: Image.Image, **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, **options)
    return file.getvalue()


if __name__ == "__main__":
    main()
