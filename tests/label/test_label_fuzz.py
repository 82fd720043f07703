"""Labels that were damaged at random: each is a label or a sentence, soon, whatever it is."""

from __future__ import annotations

import gzip
import json
import random
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.label.image_geometry import image_geometry
from monai_tbkd.label.image_label import read_label
from monai_tbkd.label.label_map import write_mask
from monai_tbkd.label.slicer_markups import boxes_to_markups

BOX = [3.0, 4.0, 10.0, 12.0]
TRIES = 150  # a form; more were tried by hand, with other seeds


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    Image.fromarray((np.arange(30 * 40) % 251).reshape(30, 40).astype(np.uint8)).save(path)
    return path


def whole(suffix: str, image: Path, folder: Path) -> bytes:
    """A good label of this form."""
    path = folder / f"good{suffix}"
    if suffix in (".png", ".nrrd", ".nii", ".nii.gz"):
        mask = np.zeros((30, 40), dtype=np.uint8)
        mask[4:12, 3:10] = 1
        write_mask(mask, path, image_geometry(image))
        return path.read_bytes()
    if suffix == ".xml":
        shapes = '<box label="tb" xtl="3" ytl="4" xbr="10" ybr="12" rotation="0.0"/><tag label="tb"/>'
        return f'<annotations><image name="image.png" width="40" height="30">{shapes}</image></annotations>'.encode()
    forms = (
        {"boxes": [{"label": "tb", "bbox": BOX}], "image_label": "tb"},
        boxes_to_markups([BOX], image_geometry(image)),
        [{"type": "ellipse", "label": "tb", "points": [6, 8, 10, 4], "rotation": 3.5}],
    )
    return json.dumps(forms[int(suffix[1])]).encode()


def damaged(good: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, taken out, doubled, or put in."""
    content = bytearray(good)
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice([0, 1, 1, 2, 4, 40]))
        words = [b"", rng.randbytes(1), b"9" * 12, b"\r", b"\n\n", b"\0", b"data file: x\n", *b"-1 nan [ { <a>".split()]
        content[start:end] = content[start:end] * 2 if rng.random() < 0.1 else rng.choice(words)
    return bytes(content)


@pytest.mark.parametrize("suffix", [".png", ".nrrd", ".nii", ".nii.gz", ".xml", ".0.json", ".1.json", ".2.json"])
def test_a_damaged_label_is_a_label_or_a_sentence(suffix: str, image: Path, tmp_path: Path) -> None:
    rng, good = random.Random(f"{suffix} 3"), whole(suffix, image, tmp_path)
    path, slowest, read = tmp_path / f"label{suffix}", 0.0, 0
    for number in range(TRIES):
        content = good if number == 0 else damaged(good, rng)
        if suffix == ".nii.gz" and number % 2:
            content = gzip.compress(damaged(gzip.decompress(good), rng))
        path.write_bytes(content)
        start = time.perf_counter()
        try:
            label = read_label(path, image)
            read += 1
            assert all(0 <= b[0] < b[2] <= 40 and 0 <= b[1] < b[3] <= 30 for b in label.boxes)
        except ValueError as error:
            assert 10 < len(str(error)) < 400
        slowest = max(slowest, time.perf_counter() - start)
    assert read and slowest < 2
