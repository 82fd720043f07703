"""Fits the plain finder of the lungs' box on phantom images, and measures it on real ones.

    python benchmarks/lung_box_fit.py --output monai_tbkd/transforms/lung_box.npz
    python benchmarks/lung_box_fit.py --measure DIR --lung_weights FILE

Phantom images are moved, zoomed, turned and exposed at random; a ridge regression takes their thumbnails to the boxes
of their lung fields. ``--measure`` compares it, on images of a folder, with the box of a lung-field network's lungs:
the mean absolute error of each edge in fractions of the image, beside that of the mean box.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from tqdm import tqdm

from monai_tbkd.data import list_images
from monai_tbkd.data.phantom import CLASS_NAMES, make_image
from monai_tbkd.data.readers import decode_image
from monai_tbkd.networks import LungFieldNet
from monai_tbkd.transforms import LungBoxFinder, box_of_lungs
from monai_tbkd.transforms.lung_crop import thumbnail

SIDE, IMAGES, LOOKS, PENALTY = 128, 1200, 3, 5000.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where the coefficients go")
    parser.add_argument("--measure", type=Path, help="a folder of images")
    parser.add_argument("--lung_weights", type=Path, help="lung-field network to compare with")
    args = parser.parse_args()
    if args.output:
        weight, bias = fit()
        np.savez_compressed(args.output, weight=weight.astype(np.float16), bias=bias.astype(np.float32))
    if args.measure:
        measure(args.measure, args.lung_weights)


def fit() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs, boxes = [], []
    for number in tqdm(range(IMAGES), desc="phantom images", disable=None):
        image = make_image(CLASS_NAMES[number % len(CLASS_NAMES)], (77, number), SIDE)
        for _ in range(LOOKS):
            picture, box = look(image.image, image.lung_field, rng)
            if box is None:
                continue
            cells = thumbnail(torch.from_numpy(picture)[None])
            inputs += [cells.ravel(), cells[:, ::-1].ravel()]
            boxes += [box, np.array([1 - box[2], box[1], 1 - box[0], box[3]])]
    x, y = np.array(inputs), np.array(boxes)
    mean, middle = x.mean(axis=0), y.mean(axis=0)
    x = x - mean
    weight = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ (y - middle))
    return weight, middle - mean @ weight


def look(image: np.ndarray, lungs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
    """A phantom image as of another patient, pose and exposure, and the box of its lungs."""
    zoom = np.exp(rng.uniform(-0.22, 0.22) + rng.uniform(-0.1, 0.1, 2))
    angle = np.deg2rad(rng.uniform(-5, 5))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * zoom[:, None]
    middle = np.full(2, (SIDE - 1) / 2)
    shift = np.array([rng.uniform(-0.1, 0.1), rng.uniform(-0.06, 0.06)]) * SIDE
    offset = middle - turn @ (middle + shift)
    picture = ndimage.affine_transform(image.astype(np.float32), turn, offset, order=1, mode="nearest")
    field = ndimage.affine_transform(lungs.astype(np.float32), turn, offset, order=1)
    picture = (picture - picture.min()) / max(float(np.ptp(picture)), 1e-6)
    picture = 255 * picture ** np.exp(rng.uniform(-0.4, 0.4)) + rng.normal(0, 4, picture.shape)
    return picture.astype(np.float32), box_of_lungs(field)


def measure(folder: Path, lung_weights: Path) -> None:
    network, plain = LungFieldNet(lung_weights), LungBoxFinder()
    found, true = [], []
    for image in tqdm(list_images(folder), disable=None):
        pixels = torch.from_numpy(np.asarray(decode_image(Path(image["image"])).pixels, dtype=np.float32)).reshape(
            1, 512, -1
        )
        box = box_of_lungs(network(pixels[None])[0, 0].numpy())
        if box is not None:
            found.append(plain(pixels))
            true.append(box)
    error, spread = np.abs(np.array(found) - true), np.abs(np.array(true) - np.mean(true, axis=0))
    print(f"n = {len(true)}; edges: left, top, right, bottom, in fractions of the image")
    print("mean absolute error of the plain finder:", error.mean(axis=0).round(4))
    print("mean absolute error of the mean box:    ", spread.mean(axis=0).round(4))


if __name__ == "__main__":
    main()
