"""Phantom images as DICOM files of any size."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_tbkd.data.phantom import CLASS_NAMES, make_image
from tests.data.golden_dicom import write_image


def phantom_image(path: Path, number: int, shape: tuple[int, int], inverted: bool = False, **elements: Any) -> Path:
    """Write phantom number N as an uncompressed 12-bit image with noise; elements by keyword replace."""
    phantom = make_image(CLASS_NAMES[number % len(CLASS_NAMES)], seed=number, size=256)
    picture = Image.fromarray(phantom.image).resize(shape[::-1], Image.Resampling.BICUBIC)
    stored = np.asarray(picture).astype(np.int32) * 16 + np.random.default_rng(number).integers(0, 16, shape)
    if inverted:
        stored, elements = 4095 - stored, {"PhotometricInterpretation": "MONOCHROME1", **elements}
    return write_image(path, stored.astype(np.uint16), 12, **elements)
