"""Find images that are in a data set more than once."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from monai_tbkd.data.audit.image_scan import THUMBNAIL_SIDE, ImageScan

Floats = NDArray[np.float32]

KINDS = ("same file", "same pixels", "near", "mirrored", "alike")
DUPLICATE_KINDS = KINDS[:4]
"""``alike`` is no duplicate: two exposures that may be of one person."""

NEAR = 0.92
ALIKE = 0.75
"""Correlations from which two images are copies (``near``, ``mirrored``), or, the same way round, may be of one person.

Measured: docs/data.md."""

_CANDIDATE_SIGMA, _SIGMA = 3.0, 2.0  # coarser structures find, finer ones decide
_CELL = 4  # thumbnail pixels a cell of the descriptor
_FLOOR = 0.8  # candidates below are not looked at
_MOST = 10  # candidates an image
_SCORES = 2**24  # numbers in a table of some images against all others
_PAIRS = 2048  # pairs laid on each other at a time
_LARGEST_GROUP = 50  # of equal images, of which every pair is named

# of the alignment of two images
_MARGIN = 5  # outer pixels that are not compared: what a shift brings in there reaches in through the smoothing
_NOISE = 4.0  # gray levels of 255; keeps flat regions, such as collimated borders, from being blown up
_STEPS = 8
_SMALLEST_GAIN = 0.002  # a step that brings less is the last
_GIVE_UP = (3, 0.5)  # after so many steps, pairs less alike than this are given up
_LARGEST_ZOOM, _LARGEST_SHIFT = 0.12, 5.0
_BLOCK = 256  # pairs at a time

# Where a shifted or cropped copy may lie: the descriptor's cells are 4 pixels, so steps of 1.5 leave no gap.
_STARTS = np.array(
    [
        (1, 1, 0, 0),
        *((1, 1, dy, dx) for dy in (-1.5, 0, 1.5) for dx in (-1.5, 0, 1.5) if dy or dx),
        (0.94, 0.94, 0, 0),
        (1.06, 1.06, 0, 0),
    ],
    dtype=np.float32,
)


@dataclass(frozen=True)
class DuplicatePair:
    """Two images by their numbers, the first the smaller; `kind` of `KINDS`; the correlation is after alignment."""

    first: int
    second: int
    kind: str
    correlation: float


def find_duplicates(scans: Sequence[ImageScan]) -> list[DuplicatePair]:
    """Find images that are copies of each other.

    Equal files and equal pixels by their hashes. Copies that were re-encoded, resized, shifted or cropped by up to
    3 %, mirrored left to right, or changed in exposure or gamma: images are compared all with all by 16 x 16 cells of
    local contrast, in 11 positions; the best 10 of each are laid on each other and correlated in 64 x 64 pixels.
    An image of one gray value, or one that could not be read, has no near duplicate. Phantoms, which share a skeleton,
    are ``alike``.

    Returns:
        Pairs, by their numbers. Among more than 50 equal images only the pairs with the first of them are named. A pair
        may be missed where an image has more than 10 copies.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for number, scan in enumerate(scans):
        if scan.reason is None:
            groups[scan.pixel_hash].append(number)
    pairs = []
    for members in groups.values():
        few = len(members) <= _LARGEST_GROUP
        for i, j in combinations(members, 2) if few else product(members[:1], members[1:]):
            same_file = scans[i].file_hash == scans[j].file_hash
            pairs.append(DuplicatePair(i, j, "same file" if same_file else "same pixels", 1.0))
    # One image stands for all that are equal to it.
    textured = [members for members in groups.values() if np.ptp(scans[members[0]].thumbnail) > 0]
    thumbnails = [scans[members[0]].thumbnail for members in textured]
    for one, other, kind, correlation in _near(np.stack(thumbnails)) if len(textured) > 1 else []:
        some, others = textured[one], textured[other]
        few = len(some) * len(others) <= _LARGEST_GROUP
        for i, j in product(some, others) if few else [(some[0], others[0])]:
            pairs.append(DuplicatePair(min(i, j), max(i, j), kind, correlation))
    return sorted(pairs, key=lambda pair: (pair.first, pair.second))


def _near(thumbnails: NDArray[np.uint8]) -> list[tuple[int, int, str, float]]:
    """Pairs of thumbnails with their kind and correlation."""
    plain = _correlations(thumbnails, _STARTS, mirrored=False)
    mirrored = _correlations(thumbnails, _STARTS[:1], mirrored=True)
    kinds = [(pair, "near" if value >= NEAR else "alike", value) for pair, value in plain.items() if value >= ALIKE]
    # An image that is its own mirror image is no more than near.
    kinds += [(pair, "mirrored", value) for pair, value in mirrored.items() if value >= NEAR > plain.get(pair, 0)]
    return [(*pair, kind, value) for pair, kind, value in kinds]


def _correlations(thumbnails: NDArray[np.uint8], starts: Floats, mirrored: bool) -> dict[tuple[int, int], float]:
    """The correlation of each pair that may be alike, the first image laid on the second."""
    found: dict[tuple[int, int], float] = {}
    pairs, starts = _candidates(thumbnails, starts, mirrored)
    for begin in range(0, len(pairs), _PAIRS):
        block = pairs[begin : begin + _PAIRS]
        # Made anew for each block: local contrast of all images takes four times the memory of their thumbnails.
        numbers, position = np.unique(block, return_inverse=True)
        fine, position = _local_contrast(thumbnails[numbers], _SIGMA), position.reshape(-1, 2)
        for first in range(0, len(block), _BLOCK):
            some = slice(first, first + _BLOCK)
            moving = fine[position[some, 0]][:, :, :: -1 if mirrored else 1]
            values = _aligned_correlation(fine[position[some, 1]], moving, starts[begin:][some])
            found |= {(i, j): value for (i, j), value in zip(block[some].tolist(), values.tolist(), strict=True)}
    return found


def _candidates(thumbnails: NDArray[np.uint8], starts: Floats, mirrored: bool) -> tuple[NDArray[np.intp], Floats]:
    """Pairs ``(n, 2)`` of images, the smaller number first, and the start that fitted best ``(n, 4)``."""
    count = len(thumbnails)
    rows = max(16, min(1024, _SCORES // count))
    blocks = range(0, count, rows)
    descriptors = np.concatenate(
        [_descriptors(_local_contrast(thumbnails[begin : begin + rows], _CANDIDATE_SIGMA)) for begin in blocks]
    )
    best: dict[tuple[int, int], tuple[float, int]] = {}
    # For each start, the one that leads back.
    reverse = np.concatenate([2 - _STARTS[:, :2], -_STARTS[:, 2:]], axis=1)
    back = np.abs(_STARTS - reverse[:, None]).sum(2).argmin(1)
    for begin in tqdm(blocks, desc="comparing", disable=len(blocks) < 4 or not sys.stderr.isatty()):
        queries = _local_contrast(thumbnails[begin : begin + rows], _CANDIDATE_SIGMA)[:, :, :: -1 if mirrored else 1]
        scores = np.full((len(queries), count), -1, dtype=np.float32)
        which = np.zeros(scores.shape, dtype=np.int8)
        for number, start in enumerate(starts):
            moved = _warped(queries, np.repeat(start[None], len(queries), 0))[0] if number else queries
            score = _descriptors(moved) @ descriptors.T
            which[score > scores] = number
            np.maximum(scores, score, out=scores)
        scores[np.arange(len(queries)), begin + np.arange(len(queries))] = -1
        most = min(_MOST, count - 1)
        top = np.argpartition(-scores, most - 1, axis=1)[:, :most]
        for row, column in zip(*np.nonzero(np.take_along_axis(scores, top, 1) >= _FLOOR), strict=True):
            image = int(top[row, column])
            query, value, number = begin + int(row), float(scores[row, image]), int(which[row, image])
            pair = (min(query, image), max(query, image))
            if value > best.get(pair, (-1.0, 0))[0]:
                # The start moves the first image onto the second.
                best[pair] = (value, number if query < image else int(back[number]))
    pairs = np.array(sorted(best), dtype=np.intp).reshape(-1, 2)
    chosen = [best[(int(i), int(j))][1] for i, j in pairs]
    return pairs, starts[chosen] if chosen else np.zeros((0, 4), dtype=np.float32)


def _descriptors(images: Floats) -> Floats:
    side = THUMBNAIL_SIDE // _CELL
    cells = images.reshape(len(images), side, _CELL, side, _CELL).mean((2, 4)).reshape(len(images), -1)
    cells = cells - cells.mean(1, keepdims=True)
    result: Floats = (cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return result


def _local_contrast(thumbnails: NDArray[np.uint8], sigma: float) -> Floats:
    """Subtract the local mean of thumbnails ``(N, S, S)`` and divide by the local contrast.

    So exposure, gamma and windowing drop out. ``sigma``, of the neighborhood, is in pixels.
    """
    out = np.empty(thumbnails.shape, dtype=np.float32)
    for number, thumbnail in enumerate(thumbnails):
        gray = thumbnail.astype(np.float32)
        detail = gray - gaussian_filter(gray, sigma)
        out[number] = detail / (np.sqrt(gaussian_filter(detail * detail, sigma)) + _NOISE)
    return out


def _warped(images: Floats, warps: Floats) -> tuple[Floats, Floats]:
    """Zoom and shift images ``(N, S, S)``, bilinear, with one matrix product an axis.

    ``warps`` ``(N, 4)`` are zoom in y and x about the center, shift in y and x in pixels; ``(1, 1, 0, 0)`` changes
    nothing. Pixel p of the result is the image at ``(p - center) * zoom + center + shift``.

    Returns:
        The images ``(N, S, S)`` and which of their pixels came from within, ``(N, S, S)`` of 0 and 1.
    """
    side = images.shape[-1]
    grid = np.arange(side, dtype=np.float32)
    center = (side - 1) / 2
    rows, columns = (
        (grid - center) * warps[:, axis, None] + center + warps[:, axis + 2, None] for axis in (0, 1)
    )  # (N, S) each
    inside = [(each >= 0) & (each <= side - 1) for each in (rows, columns)]
    mix = [
        np.maximum(0, 1 - np.abs(np.clip(each, 0, side - 1)[:, :, None] - grid)).astype(np.float32)
        for each in (rows, columns)
    ]  # (N, S, S): how much of each pixel goes into each
    result = mix[0] @ images @ mix[1].transpose(0, 2, 1)
    return result, (inside[0][:, :, None] & inside[1][:, None, :]).astype(np.float32)


def _aligned_correlation(fixed: Floats, moving: Floats, starts: Floats) -> Floats:
    """Correlate pairs of images, with ``moving`` zoomed and shifted to fit ``fixed``, both ``(N, S, S)``.

    Gauss-Newton on zoom and shift (Lucas and Kanade, 1981), as far as a crop or a shift of a few percent reaches, from
    ``starts`` on, see `_warped`.

    Returns:
        ``(N,)``, the best correlation on the way, -1 to 1, over the pixels that both images have, without a margin.
    """
    side = fixed.shape[-1]
    inner = np.zeros((side, side), dtype=np.float32)
    inner[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = 1
    grid = np.arange(side, dtype=np.float32) - (side - 1) / 2
    best = np.full(len(fixed), -1, dtype=np.float32)
    going = np.arange(len(fixed))
    warps = starts.astype(np.float32).copy()
    for step in range(_STEPS + 1):
        laid, inside = _warped(moving[going], warps)
        weight = inside * inner
        found = _correlation(fixed[going], laid, weight)
        gain = found - best[going]
        best[going] = np.maximum(best[going], found)
        near = (np.abs(warps[:, :2] - 1) <= _LARGEST_ZOOM).all(1) & (np.abs(warps[:, 2:]) <= _LARGEST_SHIFT).all(1)
        if step:
            near &= gain >= _SMALLEST_GAIN
        if step >= _GIVE_UP[0]:
            near &= best[going] >= _GIVE_UP[1]
        if step == _STEPS or not near.any():
            break
        going, warps, laid, weight = going[near], warps[near], laid[near], weight[near]
        # Slopes of the laid image, along the fixed image's axes: d/d(zoom) is the slope times the way to the center.
        down, right = np.gradient(laid, axis=(1, 2))
        slopes = np.stack([down * grid[:, None], right * grid, down, right], axis=1)  # (n, 4, S, S)
        slopes = (slopes * weight[:, None]).reshape(len(going), 4, -1)
        error = ((fixed[going] - laid) * weight).reshape(len(going), -1, 1)
        normal = slopes @ slopes.transpose(0, 2, 1) + 1e-3 * np.eye(4, dtype=np.float32)
        change = np.linalg.solve(normal, slopes @ error)[:, :, 0]
        largest = np.array([0.05, 0.05, 1, 1], dtype=np.float32)
        warps = warps + np.clip(change, -largest, largest)
    return best


def _correlation(one: Floats, other: Floats, weight: Floats) -> Floats:
    total = np.maximum(weight.sum((1, 2)), 1e-6)[:, None, None]
    one = one - (one * weight).sum((1, 2), keepdims=True) / total
    other = other - (other * weight).sum((1, 2), keepdims=True) / total
    both = (weight * one * other).sum((1, 2))
    power = (weight * one * one).sum((1, 2)) * (weight * other * other).sum((1, 2))
    # Images without any structure have no correlation.
    result: Floats = np.where(power > 1e-6, both / np.sqrt(np.maximum(power, 1e-6)), 0).astype(np.float32)
    return result
