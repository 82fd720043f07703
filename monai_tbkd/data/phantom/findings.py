"""Disease that is not tuberculosis: consolidation of the lower zone and pleural effusion (a large heart is anatomy)."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter

from monai_tbkd.data.phantom.canvas import Array, enlarge, noise_field, smoothstep

FINDINGS = {"consolidation": 0.4, "effusion": 0.35, "cardiomegaly": 0.25}


def sample_finding(rng: np.random.Generator) -> str:
    """What makes a sick film sick."""
    return str(rng.choice(list(FINDINGS), p=list(FINDINGS.values())))


def _consolidation(rng: np.random.Generator, lung: Array) -> Array:
    """Dense, fairly even shadowing at the base, with an uneven upper edge."""
    size = lung.shape[0]
    rows, columns = (np.flatnonzero(lung.max(axis=axis) > 0.5) for axis in (1, 0))
    cy = rows[0] + rng.uniform(0.66, 0.86) * (rows[-1] - rows[0])
    cx = columns[0] + rng.uniform(0.3, 0.7) * (columns[-1] - columns[0])
    rx, ry = (rng.uniform(0.09, 0.17) * size for _ in range(2))
    axis = np.arange(size, dtype=np.float32)
    r = np.sqrt(((axis[None, :] - cx) / rx) ** 2 + ((axis[:, None] - cy) / ry) ** 2)
    uneven = noise_field(rng, 14, size) + 0.6 * noise_field(rng, 34, size)
    body = smoothstep((1.1 - r + 0.14 * uneven).astype(np.float32), 0.6) * (0.85 + 0.10 * uneven)
    return np.asarray(rng.uniform(0.22, 0.46) * body * lung, dtype=np.float32)


def _effusion(rng: np.random.Generator, lung: Array, attenuation: Array) -> Array:
    """Fluid in the costophrenic angle, its edge rising toward the chest wall (the meniscus).

    Fluid fills the air up to the density of the abdomen, so that the dome below it disappears.
    """
    size = lung.shape[0]
    rows, columns = (np.flatnonzero(lung.max(axis=axis) > 0.5) for axis in (1, 0))
    outward = np.clip((np.arange(size, dtype=np.float32) - columns[0]) / (columns[-1] - columns[0]), 0, 1)
    if columns.mean() < size / 2:
        outward = 1 - outward
    height = rows[-1] - rows[0]
    level = rows[-1] - height * rng.uniform(0.15, 0.36)
    surface = level - height * 0.22 * outward**3 + height * 0.10 * (1 - outward)
    below = (np.arange(size, dtype=np.float32)[:, None] - surface[None, :]).astype(np.float32)
    # A little beyond the lung's own edge, so that no bright rim of pleura is left standing in the fluid.
    coarse = np.asarray(Image.fromarray(lung).resize((64, 64), Image.Resampling.BOX))
    around = smoothstep(enlarge(gaussian_filter(maximum_filter(coarse, 3), 0.7), size) - 0.25, 0.5)
    fluid = rng.uniform(1.10, 1.25) + 0.012 * noise_field(rng, 8, size)
    missing = np.clip(fluid - attenuation, 0, 1)
    return np.asarray(0.82 * missing * smoothstep(below, 0.06 * size) * around, dtype=np.float32)


def render_finding(rng: np.random.Generator, finding: str, right: Array, left: Array, attenuation: Array) -> Array:
    """Draw a finding into one of the lungs.

    Args:
        rng: source of chance.
        finding: ``consolidation``, ``effusion`` or ``cardiomegaly`` (which adds nothing here).
        right: ``(H, W)`` soft mask of the patient's right lung on the film, 0-1.
        left: the same of the left lung.
        attenuation: ``(H, W)``, the film without the finding.

    Returns:
        Attenuation to add, ``(H, W)``.
    """
    lung = right if rng.random() < 0.5 else left
    if finding == "consolidation":
        return _consolidation(rng, lung)
    if finding == "effusion":
        return _effusion(rng, lung, attenuation)
    return np.zeros_like(lung)
