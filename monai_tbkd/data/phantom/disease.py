"""Disease: tuberculous lesions with the boxes of what was drawn, and findings that are not tuberculosis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, maximum_filter

from monai_tbkd.data.phantom.canvas import Array, enlarge, noise_field, smoothstep

Box = tuple[float, float, float, float]
"""``(xmin, ymin, xmax, ymax)`` in image pixels, half-open pixel edges, x = column."""

ACTIVE = "ActiveTuberculosis"
LATENT = "ObsoletePulmonaryTuberculosis"

ACTIVE_KINDS = {"infiltrate": 0.45, "cavity": 0.27, "nodules": 0.28}
LATENT_KINDS = {"fibrosis": 0.55, "calcified": 0.45}

_LATENT_IMAGES = 0.20  # TBX11K: 212 of 1190 labeled TB images are latent only, and latent boxes are 20 % of all
_BILATERAL_IMAGES = 0.5  # TBX11K: 48 % of the validation images have boxes in both halves
_UPPER_ZONE = 0.77
_AREA = (0.01, 0.12)  # of the image
_EDGE = 0.15  # the box is where a lesion is stronger than this fraction of its peak
_TRIES = 8
_SIDE = 96  # texture is drawn on a fixed grid, so that a lesion is the same at every image size
FINDINGS = {"consolidation": 0.4, "effusion": 0.35, "cardiomegaly": 0.25}


@dataclass(frozen=True)
class Lesion:
    """One tuberculous lesion."""

    box: Box  # tight extent of what was drawn
    kind: str  # infiltrate, cavity, nodules, fibrosis or calcified
    tb_type: str  # TBX11K's category, ACTIVE or LATENT
    contrast: float  # 0 (subtle) to 1 (obvious)


_bumps = partial(noise_field, pixels=_SIDE)


def _disc() -> tuple[Array, Array, Array]:
    axis = ((np.arange(_SIDE, dtype=np.float32) + 0.5) / _SIDE * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y, np.sqrt(x * x + y * y)


def _infiltrate(rng: np.random.Generator) -> Array:
    """Patchy, fluffy shadowing with an irregular edge."""
    _, _, radius = _disc()
    texture = 0.55 * _bumps(rng, 5) + 0.40 * _bumps(rng, 10) + 0.28 * _bumps(rng, 22)
    body = np.clip(1.25 * (1 - radius * (1.02 + 0.16 * _bumps(rng, 4))), 0, 1)
    return np.asarray(body**0.75 * np.clip(0.62 + 0.42 * texture, 0.08, 1.5), dtype=np.float32)


def _cavity(rng: np.random.Generator) -> Array:
    """An uneven ring with a clear center, in hazy surroundings that are thicker on one side."""
    x, y, whole = _disc()
    x, y = x - rng.uniform(-0.2, 0.2), y - rng.uniform(-0.2, 0.2)
    lumps = _bumps(rng, 5)
    radius = np.sqrt(x * x + (y * rng.uniform(0.8, 1.25)) ** 2) * (1 + 0.09 * lumps)
    ring, wall = rng.uniform(0.32, 0.52), rng.uniform(0.09, 0.17) * (1 + 0.25 * _bumps(rng, 4))
    lean = 1 + 0.35 * (x * np.cos(angle := rng.uniform(0, 2 * np.pi)) + y * np.sin(angle))
    shell = np.exp(-(((radius - ring) / wall) ** 2)) * lean * (0.85 + 0.15 * _bumps(rng, 8))
    outside = 1 / (1 + np.exp(-(radius - ring) / 0.05))
    haze = np.clip(1.1 * (1 - whole), 0, 1) * np.clip(0.5 + 0.5 * _bumps(rng, 8), 0, 1.4) * outside * lean
    return np.asarray(0.85 * shell + 0.75 * haze + 0.05 * (1 - outside), dtype=np.float32)


def _spots(rng: np.random.Generator, count: int, radii: tuple[float, float], sharpness: float) -> Array:
    """Round spots strewn over the disc, the first ones near its rim so that the cluster fills its box."""
    x, y, _ = _disc()
    field = np.zeros((_SIDE, _SIDE), dtype=np.float32)
    for i in range(count):
        angle, away = rng.uniform(0, 2 * np.pi), (0.72 if i < 4 else 0.75 * np.sqrt(rng.random()))
        angle = i * np.pi / 2 + rng.uniform(-0.5, 0.5) if i < 4 else angle
        r = rng.uniform(*radii)
        distance = np.sqrt((x - away * np.cos(angle)) ** 2 + (y - away * np.sin(angle)) ** 2) / r
        field = np.maximum(field, rng.uniform(0.7, 1.0) * np.exp(-(distance**sharpness)))
    return field


def _nodules(rng: np.random.Generator) -> Array:
    """A cluster of soft nodules in a faint haze."""
    _, _, radius = _disc()
    spots = _spots(rng, int(rng.integers(6, 13)), (0.11, 0.24), 2.5)
    return np.asarray(spots + 0.22 * np.clip(1 - radius, 0, 1) * np.clip(1 + 0.5 * _bumps(rng, 8), 0, 2))


def _calcified(rng: np.random.Generator) -> Array:
    """Small, dense, sharp spots."""
    _, _, radius = _disc()
    return np.asarray(_spots(rng, int(rng.integers(7, 16)), (0.045, 0.11), 3.5) + 0.12 * np.clip(1 - radius, 0, 1))


def _fibrosis(rng: np.random.Generator) -> Array:
    """Irregular streaks that run from the hilar side up toward the apex, in a patchy haze."""
    scale = 3
    plate = Image.new("L", (_SIDE * scale, _SIDE * scale), 0)
    draw = ImageDraw.Draw(plate)
    t = np.linspace(0, 1, 9)[:, None]
    for _ in range(int(rng.integers(12, 20))):
        heading = rng.normal(0, 0.55)
        way = np.array([np.sin(heading), -np.cos(heading)])
        across = np.array([way[1], -way[0]])
        start = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.2, 0.85)])
        wander = np.cumsum(rng.normal(0, 0.035, (9, 1)), axis=0) + rng.normal(0, 0.3) * t * (1 - t)
        points = start + t * rng.uniform(0.5, 1.2) * way + wander * across
        pixels = [(float(px), float(py)) for px, py in (points + 1) / 2 * _SIDE * scale]
        draw.line(pixels, fill=int(rng.uniform(110, 255)), width=int(rng.integers(3, 9)))
    streaks = np.asarray(plate.reduce(scale), dtype=np.float32) / 255
    _, _, radius = _disc()
    body = np.clip(1.5 * (1 - radius), 0, 1)
    haze = np.clip(0.40 + 0.30 * _bumps(rng, 6) + 0.15 * _bumps(rng, 16), 0, 1)
    return np.asarray(body * (0.75 * streaks + 0.75 * haze), dtype=np.float32)


# kind -> (pattern, attenuation of a fully obvious lesion, usual area as a fraction of the image)
_KINDS = {
    "infiltrate": (_infiltrate, 0.46, 0.056),
    "cavity": (_cavity, 0.44, 0.042),
    "nodules": (_nodules, 0.40, 0.048),
    "fibrosis": (_fibrosis, 0.46, 0.056),
    "calcified": (_calcified, 0.62, 0.036),
}


def _position(rng: np.random.Generator, lung: Array) -> tuple[float, float]:
    """A center (x, y) in pixels inside one lung, mostly in its upper zone."""
    rows = np.flatnonzero(lung.max(axis=1) > 0.5)
    zone = rng.uniform(0.10, 0.42) if rng.random() < _UPPER_ZONE else rng.uniform(0.42, 0.82)
    y = rows[0] + zone * (rows[-1] - rows[0])
    columns = np.flatnonzero(lung[int(y)] > 0.5)
    return float(columns[0] + rng.uniform(0.18, 0.82) * (columns[-1] - columns[0])), float(y)


def _stamp(pattern: Array, center: tuple[float, float], radii: tuple[float, float], lung: Array) -> Array:
    """The pattern on an empty image, confined to the lung."""
    image = np.zeros_like(lung)
    size = lung.shape[0]
    width, height = (max(3, round(2 * r)) for r in radii)
    x0, y0 = round(center[0] - width / 2), round(center[1] - height / 2)
    patch = np.asarray(Image.fromarray(pattern).resize((width, height), Image.Resampling.BILINEAR))
    left, top, right, bottom = max(0, x0), max(0, y0), min(size, x0 + width), min(size, y0 + height)
    window = (slice(top, bottom), slice(left, right))
    image[window] = patch[top - y0 : bottom - y0, left - x0 : right - x0] * lung[window]
    return image


def _tight_box(field: Array) -> Box:
    """The box of what is stronger than a fraction of the peak."""
    strength = np.abs(field)
    seen = strength > _EDGE * strength.max()
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over the smaller box."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    return max(0.0, width) * max(0.0, height) / smaller


def _one(rng: np.random.Generator, lung: Array, kind: str, tb_type: str) -> tuple[Array, Lesion]:
    size = lung.shape[0]
    draw, full, usual = _KINDS[kind]
    contrast = float(rng.beta(1.6, 1.3))
    area = float(np.clip(np.exp(rng.normal(np.log(usual), 0.5)), *_AREA))
    aspect = float(np.exp(rng.normal(0.08, 0.18)))
    pattern, center = draw(rng), _position(rng, lung)
    if rng.random() < 0.5:
        pattern = np.ascontiguousarray(pattern[:, ::-1])
    # The lung cuts some of it off; grow or shrink until the box has the wanted area, as far as the lung allows.
    radius = 0.5 * size * np.sqrt(area) * 1.1
    for _ in range(5):
        field = _stamp(pattern, center, (radius / np.sqrt(aspect), radius * np.sqrt(aspect)), lung)
        box = _tight_box(field)
        got = (box[2] - box[0]) * (box[3] - box[1]) / size**2
        if abs(got / area - 1) < 0.12:
            break
        radius = float(np.clip(radius * (area / got) ** 0.5, 0.04 * size, 0.26 * size))
    strength = full * (0.38 + 0.62 * contrast)
    lesion = Lesion(box=box, kind=kind, tb_type=tb_type, contrast=round(contrast, 3))
    return field * np.float32(strength), lesion


def render_lesions(rng: np.random.Generator, right: Array, left: Array) -> tuple[Array, tuple[Lesion, ...]]:
    """Draw the lesions of one image with tuberculosis, given soft masks ``(H, W)`` of the patient's lungs on the image.

    Returns:
        Attenuation to add ``(H, W)``, and the 1-3 lesions.
    """
    latent = rng.random() < _LATENT_IMAGES
    odds = LATENT_KINDS if latent else ACTIVE_KINDS
    total = np.zeros_like(right)
    lesions: list[Lesion] = []
    if rng.random() < _BILATERAL_IMAGES:
        sides = [0, 1] + ([int(rng.integers(2))] if rng.random() < 0.15 else [])
    else:
        sides = [int(rng.integers(2))] * (1 + int(rng.random() < 0.15))
    for side in sides:
        kind = str(rng.choice(list(odds), p=np.asarray(list(odds.values())) / sum(odds.values())))
        for left_over in reversed(range(_TRIES)):
            field, lesion = _one(rng, (right, left)[side], kind, LATENT if latent else ACTIVE)
            low, high = (a * right.size for a in _AREA)
            area = (lesion.box[2] - lesion.box[0]) * (lesion.box[3] - lesion.box[1])
            apart = all(_overlap(lesion.box, other.box) < 0.25 for other in lesions)
            if (low <= area <= high and apart) or (not lesions and not left_over):  # never an image without any
                total += field
                lesions.append(lesion)
                break
    return total, tuple(lesions)


def sample_finding(rng: np.random.Generator) -> str:
    """Draw what makes a sick image sick."""
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
    """Draw a finding into one of the lungs as attenuation to add; ``cardiomegaly`` adds none, being anatomy."""
    lung = right if rng.random() < 0.5 else left
    if finding == "consolidation":
        return _consolidation(rng, lung)
    if finding == "effusion":
        return _effusion(rng, lung, attenuation)
    return np.zeros_like(lung)
