"""Decode each image of a data set once and keep what comparing images needs."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from monai_tbkd.data.files.paths import content_sha256
from monai_tbkd.data.readers import decode_image
from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode

logger = logging.getLogger(__name__)

THUMBNAIL_SIDE = 64
STATISTICS = ("mean", "standard deviation", "skewness", "10th percentile", "90th percentile")
"""The five intensity statistics, of gray values stretched as in `image_thumbnail`."""

_PERCENTILES = (0.5, 99.5)  # as ImageTo8Bit has them: what a network sees
_SAMPLES = 256  # rows and columns that percentiles are taken from
_CHUNK = 16  # images that a process takes at a time


@dataclass(frozen=True)
class ImageScan:
    """A decoded image in about 4 KB."""

    reason: ReasonCode | None  # why it cannot be used, None if it can
    detail: str  # the sentence to `reason`
    source_format: str
    size: tuple[int, int]  # (height, width)
    file_hash: str  # of the bytes
    pixel_hash: str  # of the decoded pixels and their shape
    thumbnail: NDArray[np.uint8]  # (64, 64), see `image_thumbnail`
    statistics: NDArray[np.float32]  # (5,), see `STATISTICS`


def image_thumbnail(pixels: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Make a thumbnail of pixels ``(H, W)`` with gray values stretched between two percentiles, as for a network.

    Returns:
        The thumbnail ``(64, 64)``, each pixel a mean over its part of the image, which is squashed to a square; and the
        five `STATISTICS` of the stretched gray values (0-1).
    """
    rows, columns = (max(1, length // _SAMPLES) for length in pixels.shape)
    sample = np.asarray(pixels[::rows, ::columns], dtype=np.float64)
    low, high = np.percentile(sample, _PERCENTILES)
    if high <= low:  # nearly all of one value: what little there is, is between the extremes
        low, high = float(pixels.min()), float(pixels.max())
    scale = max(float(high - low), 1e-6)
    stretched = np.clip((pixels - np.float32(low)) / np.float32(scale), 0, 1)
    small = Image.fromarray(stretched).resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    values = np.clip((sample - low) / scale, 0, 1)
    mean, deviation = values.mean(), values.std()
    centered = values - mean
    skewness = (centered * centered * centered).mean() / max(deviation**3, 1e-9)
    statistics = np.array([mean, deviation, skewness, *np.percentile(values, (10, 90))], dtype=np.float32)
    return np.rint(np.asarray(small) * 255).astype(np.uint8), statistics


def scan_image(path: str) -> ImageScan:
    """Decode one image; one that cannot be used has a reason, and nothing is raised."""
    try:
        image = decode_image(path)
        pixels = np.ascontiguousarray(image.pixels)
        thumbnail, statistics = image_thumbnail(pixels)
        shape = (int(pixels.shape[0]), int(pixels.shape[1]))
        pixel_hash = hashlib.sha256(str(shape).encode() + pixels.data).hexdigest()
        file_hash = content_sha256(path)
        return ImageScan(None, "", image.source_format, shape, file_hash, pixel_hash, thumbnail, statistics)
    except ImageError as error:
        reason, detail = error.reason, str(error)
    except Exception as error:  # one image must not stop the report on all the others
        logger.exception("%s could not be scanned", path)
        reason, detail = ReasonCode.INTERNAL, f"{path}: {type(error).__name__} while it was read; see the log."
    nothing = np.zeros((THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
    return ImageScan(reason, detail, "", (0, 0), "", "", nothing, np.zeros(len(STATISTICS), dtype=np.float32))


def scan_images(paths: Sequence[str], workers: int = 0) -> list[ImageScan]:
    """Decode images, in so many worker processes (0: in this one), with a progress bar on a terminal."""
    if workers < 0:
        raise ValueError(f"workers is {workers}; expected 0 or more.")
    progress = partial(tqdm, total=len(paths), desc="images", disable=not sys.stderr.isatty())
    if workers == 0 or len(paths) <= _CHUNK:
        return list(progress(map(scan_image, paths)))
    # Spawned, not forked: the parent may hold threads (torch's, tqdm's) whose locks a fork would copy.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(progress(pool.map(scan_image, paths, chunksize=_CHUNK)))
