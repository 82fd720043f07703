"""Correlate pairs of images after aligning one to the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Floats = NDArray[np.float32]

_MARGIN = 5  # outer pixels that are not compared: what a shift brings in there reaches in through the smoothing
_NOISE = 4.0  # gray levels of 255; keeps flat regions, such as collimated borders, from being blown up
_STEPS = 8
_SMALLEST_GAIN = 0.002  # a step that brings less is the last
_GIVE_UP = (3, 0.5)  # after so many steps, pairs less alike than this are given up
_LARGEST_ZOOM, _LARGEST_SHIFT = 0.12, 5.0
_BLOCK = 256


def local_contrast(thumbnails: NDArray[np.uint8], sigma: float) -> Floats:
    """Subtract the local mean and divide by the local contrast, so that exposure, gamma and windowing drop out.

    Args:
        thumbnails: ``(N, S, S)``.
        sigma: of the neighborhood, in pixels of the thumbnail.
    """
    out = np.empty(thumbnails.shape, dtype=np.float32)
    for number, thumbnail in enumerate(thumbnails):
        gray = thumbnail.astype(np.float32)
        detail = gray - gaussian_filter(gray, sigma)
        out[number] = detail / (np.sqrt(gaussian_filter(detail * detail, sigma)) + _NOISE)
    return out


def warped(images: Floats, warps: Floats) -> tuple[Floats, Floats]:
    """Zoom and shift images, bilinear, with one matrix product an axis.

    Args:
        images: ``(N, S, S)``.
        warps: ``(N, 4)``: zoom in y and x about the center, shift in y and x in pixels; ``(1, 1, 0, 0)`` changes
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


def aligned_correlation(fixed: Floats, moving: Floats, starts: Floats) -> Floats:
    """Correlate pairs of images, with one of each zoomed and shifted to fit the other.

    Gauss-Newton on zoom and shift (Lucas and Kanade, 1981), as far as a crop or a shift of a few percent reaches.

    Args:
        fixed: ``(N, S, S)`` of `local_contrast`.
        moving: the images to align to them, likewise.
        starts: ``(N, 4)``: where to begin, see `warped`.

    Returns:
        ``(N,)``, the best correlation on the way, -1 to 1, over the pixels that both images have, without a margin.
    """
    blocks = range(0, len(fixed), _BLOCK)
    parts = [_aligned(fixed[i : i + _BLOCK], moving[i : i + _BLOCK], starts[i : i + _BLOCK]) for i in blocks]
    return np.concatenate([*parts, np.zeros(0, dtype=np.float32)])


def _aligned(fixed: Floats, moving: Floats, starts: Floats) -> Floats:
    side = fixed.shape[-1]
    inner = np.zeros((side, side), dtype=np.float32)
    inner[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = 1
    grid = np.arange(side, dtype=np.float32) - (side - 1) / 2
    best = np.full(len(fixed), -1, dtype=np.float32)
    going = np.arange(len(fixed))
    warps = starts.astype(np.float32).copy()
    for step in range(_STEPS + 1):
        laid, inside = warped(moving[going], warps)
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
