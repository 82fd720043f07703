"""Fits the gate: a logistic regression of upright images against all else, with the hardest of many pictures.

Nothing of it comes from a patient or a photograph. Pictures are phantom images in many states, and things that are no
images, ``(128, 128)`` float32, drawn from a generator.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.optimize import minimize
from tqdm import tqdm

from monai_tbkd.data.gate.image_features import BLOCKS, CELLS, DIRECTIONS, ImageFeatures, Turn, image_features
from monai_tbkd.data.phantom import CLASS_NAMES, PhantomImage, make_image

Array = NDArray[Any]
Rng = np.random.Generator

SIDE = 128


def phantom(seed: int, rng: Rng | None = None) -> Array:
    """A phantom image; with a generator, one whose one lung is white, as after its destruction or in an effusion."""
    image = make_image(CLASS_NAMES[seed % len(CLASS_NAMES)], (91, seed), SIDE)
    return image.image.astype(np.float32) if rng is None else _white_lung(image, rng)


def _white_lung(image: PhantomImage, rng: Rng) -> Array:
    lung = image.lung_field.astype(np.float32)
    lung[:, slice(0, SIDE // 2) if rng.random() < 0.5 else slice(SIDE // 2, None)] = 0
    lung = ndimage.gaussian_filter(lung, 2) * rng.uniform(0.5, 1)
    if rng.random() < 0.5:  # up to some level only
        lung *= np.clip((_grid()[0] + 0.5 - rng.uniform(0.1, 0.5)) * 8, 0, 1)
    gray = image.image.astype(np.float32)
    return np.asarray(gray * (1 - lung) + lung * np.percentile(gray, rng.uniform(65, 95)))


def varied(image: Array, rng: Rng) -> Array:
    """The image of another patient, pose, exposure and frame."""
    if rng.random() < 0.35:
        image = _with_patches(image, rng)
    angle = np.deg2rad(rng.uniform(-10, 10))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn / np.exp(rng.uniform(-0.28, 0.33) + rng.uniform(-0.13, 0.13, 2))
    middle = np.full(2, (SIDE - 1) / 2)
    shift = np.array([rng.uniform(-0.16, 0.16), rng.uniform(-0.10, 0.10)]) * SIDE
    mode = ("nearest", "constant")[rng.integers(2)]
    low = float(np.percentile(image, 1))
    image = ndimage.affine_transform(image, matrix, middle - matrix @ (middle + shift), order=1, mode=mode, cval=low)
    return framed(degraded(image, rng), rng)


def degraded(picture: Array, rng: Rng) -> Array:
    """Another gray curve, uneven light, blur and noise."""
    out = picture.astype(np.float64)
    out = (out - out.min()) / max(float(np.ptp(out)), 1e-6)
    if rng.random() < 0.6:
        out = out ** np.exp(rng.uniform(-0.8, 0.8))
    if rng.random() < 0.3:
        out = out + rng.uniform(0.1, 0.5) * ndimage.zoom(rng.random((4, 4)), SIDE / 4, order=1)
    if rng.random() < 0.3:
        out = ndimage.gaussian_filter(out, rng.uniform(0.5, 2))
    if rng.random() < 0.4:
        out = out + rng.normal(0, rng.uniform(0.01, 0.08), out.shape)
    return out.astype(np.float32)


def framed(picture: Array, rng: Rng) -> Array:
    """With black or white borders, straight or slanted, and letters and plates."""
    out = picture.copy()
    value = out.max() if rng.random() < 0.4 else out.min()
    if rng.random() < 0.4:
        for side in range(4):
            if rng.random() < 0.5:
                depth = int(rng.choice([0.05, 0.15, 0.28]) * rng.random() * SIDE)
                np.rot90(out, side)[:depth] = value
    elif rng.random() < 0.3:
        a, b, c, d, e, f, g, h = rng.uniform(0, 0.12, 8) * SIDE
        mask = Image.new("L", (SIDE, SIDE))
        ImageDraw.Draw(mask).polygon([(a, b), (SIDE - c, d), (SIDE - e, SIDE - f), (g, SIDE - h)], fill=1)
        out = np.where(np.asarray(mask) > 0, out, value)
    if rng.random() < 0.4:
        for _ in range(rng.integers(1, 4)):
            height, width = rng.uniform(0.02, 0.10, 2) * SIDE
            row, column = rng.uniform(0, 0.9, 2) * SIDE
            if rng.random() < 0.7:
                row = SIDE * (rng.uniform(0, 0.12) if rng.random() < 0.5 else rng.uniform(0.85, 0.95))
            out[int(row) : int(row + height), int(column) : int(column + width)] = (
                out.max() if rng.random() < 0.5 else out.min()
            )
    return np.asarray(out, dtype=np.float32)


def _with_patches(image: Array, rng: Rng) -> Array:
    """White patches, as of consolidations, effusions and devices."""
    y, x = _grid()
    for _ in range(rng.integers(1, 3)):
        (row, column), (height, width) = rng.uniform(-0.3, 0.3, 2), rng.uniform(0.05, 0.22, 2)
        patch = np.clip(1.5 * (1.3 - np.hypot((y - row) / height, (x - column) / width)), 0, 1) * rng.uniform(0.3, 0.95)
        image = image * (1 - patch) + patch * np.percentile(image, rng.uniform(60, 97))
    return np.asarray(image, dtype=np.float32)


def _grid() -> tuple[Array, Array]:
    """Row and column of each pixel, -0.5 to 0.5."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    return y, x


def noise(rng: Rng) -> Array:
    """White noise, clouds, their symmetric kind and islands."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.random((SIDE, SIDE))
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = 1 / SIDE
    clouds = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(SIDE, SIDE))) / frequency ** rng.uniform(0.5, 2.2))
    if kind == 2:
        return clouds + clouds[:, ::-1]
    return clouds > np.percentile(clouds, rng.uniform(20, 80)) if kind == 3 else clouds


def gradient(rng: Rng) -> Array:
    """Slopes, spots and waves."""
    y, x = _grid()
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * x + np.sin(angle) * y
    if rng.random() < 0.5:
        row, column = rng.uniform(-0.3, 0.3, 2)
        slope = np.hypot(x - column, (y - row) * rng.uniform(0.5, 2)) * rng.choice([-1, 1])
    if rng.random() < 0.3:
        slope = np.sin(slope * rng.uniform(5, 60))
    return slope + rng.normal(0, rng.uniform(0, 0.05), slope.shape)


def shapes(rng: Rng) -> Array:
    """Ellipses, boxes, polygons and lines, sharp or blurred."""
    image = Image.new("L", (SIDE, SIDE), int(rng.integers(256)))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(1, 25)):
        middle, half = rng.uniform(0, SIDE, 2), rng.uniform(3, SIDE * 0.5, 2) * rng.uniform(0.2, 1)
        box, value, kind = [*(middle - half), *(middle + half)], int(rng.integers(256)), rng.integers(4)
        if kind == 0:
            draw.ellipse(box, fill=value)
        elif kind == 1:
            draw.rectangle(box, fill=value)
        elif kind == 2:
            draw.polygon([tuple(rng.uniform(0, SIDE, 2)) for _ in range(rng.integers(3, 7))], fill=value)
        else:
            points = [tuple(rng.uniform(0, SIDE, 2)) for _ in range(rng.integers(2, 6))]
            draw.line(points, fill=value, width=int(rng.integers(1, 10)))
    out = np.asarray(image, np.float32) / 255
    if rng.random() < 0.6:
        out = ndimage.gaussian_filter(out, rng.uniform(0.5, 5))
    return out + rng.uniform(0, 0.5) * ndimage.gaussian_filter(rng.normal(size=out.shape), 2)


def page(rng: Rng) -> Array:
    """A page of text, black on white or white on black."""
    image = Image.new("L", (SIDE, SIDE), 255)
    draw, row, step = ImageDraw.Draw(image), rng.uniform(3, 20), rng.uniform(4, 14)
    while row < SIDE - 5:
        column = rng.uniform(3, 12)
        while column < SIDE - 8 and rng.random() > 0.06:
            word = "".join(rng.choice(list(string.ascii_lowercase), rng.integers(1, 6)))
            draw.text((column, row), word, fill=int(rng.integers(80)))
            column += rng.uniform(7, 29)
        row += step
    out = np.asarray(image, np.float32)
    return out if rng.random() < 0.7 else 255 - out


def words(rng: Rng) -> Array:
    """A few words, large."""
    image = Image.new("L", (SIDE, SIDE), int(rng.integers(100)))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(1, 4)):
        word = "".join(rng.choice(list(string.ascii_letters + string.digits), rng.integers(1, 8)))
        font = ImageFont.load_default(float(rng.uniform(15, 90)))
        position = (rng.uniform(0, 0.3) * SIDE, rng.uniform(0, 0.8) * SIDE)
        draw.text(position, word, fill=int(rng.integers(120, 256)), font=font)
    out = np.asarray(image, np.float32)
    return out if rng.random() < 0.6 else 255 - out


def limb(rng: Rng) -> Array:
    """A tube of tissue with bones in it."""
    y, x = _grid()
    angle = rng.uniform(0, np.pi) if rng.random() < 0.4 else rng.normal(0, 0.15)
    across = np.cos(angle) * x + np.sin(angle) * y + rng.uniform(-0.2, 0.2)
    along = -np.sin(angle) * x + np.cos(angle) * y
    half = rng.uniform(0.1, 0.5) * (1 + rng.uniform(-0.8, 0.8) * along)
    out = np.sqrt(np.clip(1 - (across / half) ** 2, 0, None))
    for _ in range(rng.integers(1, 4)):
        joint = 1 + rng.uniform(0.2, 1.5) * (along / 0.5) ** 2 * rng.integers(2)
        bone = np.clip(
            1 - ((across - rng.uniform(-0.6, 0.6) * half) / (rng.uniform(0.1, 0.35) * half * joint)) ** 2, 0, 1
        )
        out = out + rng.uniform(0.4, 1.2) * (np.sqrt(bone) - 0.5 * bone)
    for _ in range(rng.integers(3)):
        (row, column), (height, width) = rng.uniform(-0.4, 0.4, 2), rng.uniform(0.05, 0.3, 2)
        ball = np.clip(1 - ((x - column) / width) ** 2 - ((y - row) / height) ** 2, 0, None)
        out = out + rng.uniform(0.3, 1) * np.sqrt(ball)
    out = out + 0.4 * ndimage.gaussian_filter(rng.normal(size=out.shape), 1.5)
    if rng.random() < 0.3:
        out[:, : int(rng.uniform(0, 0.3) * SIDE)] = out.max()
    return out


def blocks(rng: Rng) -> Array:
    """A few large pixels, or what they become when they are enlarged smoothly."""
    rows = int(rng.integers(3, 20))
    small = ndimage.gaussian_filter(rng.random((rows, int(rows * rng.uniform(0.6, 1.6)) + 1)), rng.uniform(0, rows / 8))
    way = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)[rng.integers(3)]
    return np.asarray(Image.fromarray(small.astype(np.float32)).resize((SIDE, SIDE), way))


def slice_through(rng: Rng) -> Array:
    """Rings with something in them, as slices through a head or a trunk have."""
    y, x = _grid()
    (row, column), (height, width), thick = rng.normal(0, 0.04, 2), rng.uniform(0.2, 0.5, 2), rng.uniform(0.03, 0.2)
    radius = np.hypot((x - column) / width, (y - row) / height)
    out = (radius < 1) * rng.uniform(0.1, 0.8) + (np.abs(radius - 1 + thick) < thick) * rng.uniform(-0.3, 1)
    for _ in range(rng.integers(7)):
        dy, dx = rng.uniform(-0.6, 0.6, 2) * (height, width)
        ry, rx = rng.uniform(0.03, 0.3, 2) * min(height, width)
        organ = rng.uniform(-0.6, 0.6) * (np.hypot((x - column - dx) / rx, (y - row - dy) / ry) < 1)
        out = out + organ + (organ[:, ::-1] if rng.random() < 0.5 else 0)
    return ndimage.gaussian_filter(out, rng.uniform(0.5, 3))


def scene(rng: Rng) -> Array:
    """Ground, sky and upright things."""
    y, x = _grid()
    out = rng.uniform(-1, 1) * y
    out = np.where(y > rng.uniform(-0.1, 0.5), rng.random(), out)
    for _ in range(rng.integers(1, 8)):
        width = rng.uniform(0.01, 0.25) * (y + 0.6 if rng.random() < 0.4 else 1)
        top = rng.uniform(-0.5, 0.2)
        thing = (np.abs(x - rng.uniform(-0.5, 0.5)) < width / 2) & (y > top) & (y < rng.uniform(top, 0.7))
        out = np.where(thing, rng.uniform(-0.5, 1.5), out)
    return ndimage.gaussian_filter(out, rng.uniform(0.2, 2)) + 0.15 * ndimage.gaussian_filter(
        rng.normal(size=out.shape), 1.5
    )


NOT_IMAGES: tuple[Callable[[Rng], Array], ...] = (
    noise, gradient, shapes, page, words, limb, blocks, slice_through, scene,
)  # fmt: skip


def symmetric(rng: Rng) -> Array:
    """Any of them laid over its mirror image, which makes it more like a chest."""
    picture = np.asarray(NOT_IMAGES[rng.integers(len(NOT_IMAGES))](rng), dtype=np.float64)
    return (picture + picture[:, ::-1]) / 2


def pieces(image: Array, rng: Rng) -> Array:
    """A small part of an image, its parts in another order, or several images in one."""
    kind, half = rng.integers(5), SIDE // 2
    if kind == 0:
        side = int(SIDE * rng.uniform(0.25, 0.5))
        row, column = rng.integers(0, SIDE - side, 2)
        part = Image.fromarray(np.ascontiguousarray(image[row : row + side, column : column + side]))
        return np.asarray(part.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    if kind in (1, 2):
        return np.roll(image, half, axis=kind - 1)
    if kind == 3:
        n = int(rng.choice([2, 4]))
        parts = image.reshape(n, SIDE // n, n, SIDE // n).transpose(0, 2, 1, 3).reshape(n * n, SIDE // n, SIDE // n)
        mixed = parts[rng.permutation(n * n)].reshape(n, n, SIDE // n, SIDE // n)
        return mixed.transpose(0, 2, 1, 3).reshape(SIDE, SIDE)
    return np.tile(image[::2, ::2], (2, 2))


def half_image(image: Array, rng: Rng) -> Array:
    """One lung, as wide as an image."""
    height, width = image.shape
    half = image[:, : width // 2] if rng.random() < 0.5 else image[:, width // 2 :]
    picture = Image.fromarray(np.ascontiguousarray(half, dtype=np.float32))
    return np.asarray(picture.resize((height, width), Image.Resampling.BILINEAR))


def not_a_image(number: int, images: list[Array], rng: Rng) -> Array:
    """One of the kinds above, in turn."""
    kind = number % (len(NOT_IMAGES) + 3)
    if kind < len(NOT_IMAGES):
        picture = NOT_IMAGES[kind](rng)
    elif kind == len(NOT_IMAGES):
        picture = symmetric(rng)
    else:
        picture = (pieces, half_image)[kind - len(NOT_IMAGES) - 1](images[rng.integers(len(images))], rng)
    picture = degraded(np.asarray(picture), rng)
    return framed(picture, rng) if rng.random() < 0.5 else picture


# ------------------------------------------------------------ the fit
PHANTOMS, WHITE_LUNGS, UPRIGHT, OTHERS = 1500, 300, 4500, 14400
LOOKS = 3
PENALTY = 3.0e-3  # of the squared coefficients
GRAYS = 2.0  # weight of the grays beside the edges: a larger one is penalized less
HARD, ROUNDS = 3000, 3  # pictures that are no images: a first draw, then half as many of the hardest, so many times

_BOTH = (Turn(), Turn(mirrored=True))
_WRONG = tuple(
    Turn(t, f, m, i) for i in (False, True) for t in (False, True) for f in (False, True) for m in (False, True)
)[2:]
_OTHER = (Turn(), Turn(False, True, True), Turn(True, False, True), Turn(False, False, False, True))


def phantom_looks() -> list[list[ImageFeatures]]:
    """Looks at phantom images in many poses, exposures and frames."""
    images = [phantom(i) for i in range(PHANTOMS)]
    images += [phantom(i, np.random.default_rng((5, i))) for i in range(WHITE_LUNGS)]
    rngs = (np.random.default_rng((1, i)) for i in range(UPRIGHT))
    varied = (varied(images[i % len(images)], rng) for i, rng in enumerate(rngs))
    return _features(varied, UPRIGHT, "upright phantom images")


def other_looks() -> list[list[ImageFeatures]]:
    """Looks at synthetic pictures that are no images."""
    images = [phantom(i) for i in range(PHANTOMS)]
    others = (not_a_image(i, images, np.random.default_rng((2, i))) for i in range(OTHERS))
    return _features(others, OTHERS, "pictures that are no images")


def _features(images: Iterable[Array], total: int, what: str) -> list[list[ImageFeatures]]:
    found = (image_features(image) for image in tqdm(images, desc=what, total=total, disable=None))
    return [looks for looks in found if len(looks) == LOOKS]


def fit(upright: Sequence[Sequence[ImageFeatures]], others: Sequence[Sequence[ImageFeatures]]) -> dict[str, Array]:
    """Fit the gate.

    Args:
        upright: features of the looks at upright images; they are turned and inverted here.
        others: features of the looks at pictures that are no images.

    Returns:
        ``edges``, ``grays`` and ``bias``, as the gate loads them.
    """
    views = np.stack([_rows([image[look] for image in upright], _BOTH[:1]) for look in range(LOOKS)])
    wrong = _rows([image[i % LOOKS] for i, image in enumerate(upright)], _WRONG)
    candidates = np.stack([_rows(picture, _OTHER[i % 2 :: 2]) for i, picture in enumerate(others)])
    chosen = np.zeros(len(others), dtype=bool)
    chosen[np.random.default_rng(0).permutation(len(others))[:HARD]] = True
    best = np.ones(len(upright), dtype=np.int64)  # the look at each image that counts; at first the one without borders
    weights, bias = np.zeros(0), 0.0
    for step in range(ROUNDS + 1):
        if step:
            best = (views @ weights).argmax(0)
            chosen[np.argsort(-(candidates @ weights).max(1))[: HARD // 2]] = True
        right = _rows([image[look] for image, look in zip(upright, best)], _BOTH)
        weights, bias = _regression(right, wrong, candidates[chosen].reshape(-1, candidates.shape[-1]))
    edges, grays = np.split(weights, [CELLS * CELLS * DIRECTIONS])
    whole = ImageFeatures(edges.reshape(CELLS, CELLS, DIRECTIONS), GRAYS * grays.reshape(BLOCKS, BLOCKS))
    mirror = whole.turned(_BOTH[1])  # blind to mirror images to the last digit
    return {
        "edges": ((whole.edges + mirror.edges) / 2).astype(np.float32),
        "grays": ((whole.grays + mirror.grays) / 2).astype(np.float32),
        "bias": np.float32(bias),
    }


def save(weights: dict[str, Array], path: Path) -> None:
    """Write coefficients where the gate finds them."""
    np.savez_compressed(path, **weights)


def _rows(features: Sequence[ImageFeatures], turns: Sequence[Turn]) -> Array:
    """A row for each turn of each picture."""
    turned = (image.turned(turn) for image in features for turn in turns)
    return np.array([np.concatenate([f.edges.ravel(), GRAYS * f.grays.ravel()]) for f in turned], dtype=np.float32)


def _regression(right: Array, wrong: Array, others: Array) -> tuple[Array, float]:
    """Weights and bias; upright images weigh half, the two kinds of other pictures a quarter each."""
    rows = np.concatenate([right, wrong, others])
    sign = np.repeat(np.float32([1, -1, -1]), [len(right), len(wrong), len(others)])
    fraction = np.repeat(
        [0.5 / len(right), 0.25 / len(wrong), 0.25 / len(others)], [len(right), len(wrong), len(others)]
    )
    middle, scale = rows.mean(0), float(rows.std())
    rows = (rows - middle) / scale

    def loss(x: Array) -> tuple[float, Array]:
        margin = sign * (rows @ x[:-1].astype(np.float32) + x[-1])
        pull = -sign * fraction / (1 + np.exp(margin.astype(np.float64)))
        slope = np.append(rows.T @ pull.astype(np.float32) + PENALTY * x[:-1], pull.sum())
        return float(fraction @ np.logaddexp(0, -margin) + PENALTY / 2 * x[:-1] @ x[:-1]), slope.astype(np.float64)

    found = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 150}).x
    weights = found[:-1] / scale
    return weights, float(found[-1] - middle @ weights)
