"""Images are changed as by MONAI's transforms under the same seed, up to the rounding to 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandAdjustContrastd, RandAffined, RandFlipd
from monai.utils import set_determinism
from torch.nn import functional as F

from monai_tbkd.transforms import PlainImaged, RandAffineImaged, RandGammaImaged, RandMirrorImaged
from monai_tbkd.transforms.image_augmentation import moved, with_gamma

MOVES: dict[str, Any] = {"rotate_range": 0.3, "scale_range": 0.2, "translate_range": [5, 9]}


@pytest.fixture
def image() -> MetaTensor:
    """Smooth, not square, neither black nor white."""
    rows, columns = np.mgrid[0:48, 0:64]
    values = 120 + 60 * np.sin(rows / 7) + 50 * np.cos(columns / 5)
    return MetaTensor(torch.from_numpy(np.rint(values).astype(np.uint8))[None], meta={"name": "a"})


def both(ours: Any, monai: Any, image: MetaTensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    found = []
    for transform in (ours, monai):
        transform.set_random_state(seed)
        found.append(transform({"image": image.clone()})["image"])
    return found[0], found[1].as_tensor()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("ours", "monai", "most"),
    [
        (RandMirrorImaged("image", 0.5), RandFlipd("image", prob=0.5, spatial_axis=1), 0),
        (RandAffineImaged("image", 0.8, **MOVES), RandAffined("image", prob=0.8, padding_mode="zeros", **MOVES), 0.51),
        (RandGammaImaged("image", 0.5, (0.7, 1.4)), RandAdjustContrastd("image", prob=0.5, gamma=(0.7, 1.4)), 0.51),
    ],
    ids=["mirror", "affine", "gamma"],
)
def test_each_change_is_monais(ours: Any, monai: Any, most: float, image: MetaTensor, seed: int) -> None:
    mine, theirs = both(ours, monai, image, seed)
    assert mine.dtype == torch.uint8
    assert not isinstance(mine, MetaTensor) or not mine.applied_operations
    assert (mine.float() - theirs.float()).abs().max() <= most


def test_all_of_them_are_monais_and_the_kept_image_stays(image: MetaTensor) -> None:
    before = image.clone()
    gamma = {"prob": 0.5, "gamma": (0.7, 1.4)}
    ours = Compose([
        PlainImaged("image"), RandMirrorImaged("image", 0.5), RandAffineImaged("image", 0.8, **MOVES),
        RandGammaImaged("image", **gamma),
    ])  # fmt: skip
    monai = Compose([
        RandFlipd("image", prob=0.5, spatial_axis=1), RandAffined("image", prob=0.8, padding_mode="zeros", **MOVES),
        RandAdjustContrastd("image", **gamma),
    ])  # fmt: skip
    changed = 0
    for seed in range(20):
        ours.set_random_state(seed)
        monai.set_random_state(seed)
        mine = ours({"image": image})["image"]
        theirs = monai({"image": image.clone()})["image"].as_tensor()
        assert type(mine) is torch.Tensor
        # half a level before the curve, as steep as it gets near black, and half a level after it
        assert (mine.float() - theirs.float()).abs().mean() < 0.5
        assert (mine.float() - theirs.float()).abs().max() < 4
        changed += not torch.equal(mine, before.as_tensor())
    assert changed > 10
    assert torch.equal(image, before)
    assert not image.applied_operations


def test_lung_field_and_labels_of_halves_go_along_with_the_mirror(image: MetaTensor) -> None:
    item = {"image": image, "lung_field": torch.tensor([[[1, 2, 3]]], dtype=torch.uint8), "label": np.array([1, 0])}
    turned = RandMirrorImaged("image", prob=1.0)(item)
    assert turned["lung_field"].tolist() == [[[3, 2, 1]]] and turned["label"].tolist() == [0, 1]
    still = RandMirrorImaged("image", prob=0.0)(item)
    assert still["lung_field"].tolist() == [[[1, 2, 3]]] and still["label"].tolist() == [1, 0]
    assert RandMirrorImaged("image", prob=1.0)({"image": image, "label": 1})["label"] == 1
    assert item["label"].tolist() == [1, 0]


@pytest.mark.parametrize("seed", range(3))
def test_a_lung_field_of_fewer_pixels_moves_as_the_image_does(seed: int) -> None:
    field = torch.zeros(1, 24, 24, dtype=torch.uint8)
    field[0, 8:16, 5:14] = 255
    image = field.repeat_interleave(4, -1).repeat_interleave(4, -2)
    move = RandAffineImaged("image", 1.0, rotate_range=0.3, scale_range=0.2, translate_range=[12, 20])
    found = move.set_random_state(seed)({"image": image, "lung_field": field})
    assert not torch.equal(found["lung_field"], field)
    as_image = F.avg_pool2d(found["image"].float()[None], 4)[0]
    assert (as_image - found["lung_field"].float()).abs().mean() < 4  # of 255


def test_moved_by_hand() -> None:
    image = torch.zeros(1, 5, 7, dtype=torch.uint8)
    image[0, 2, 3] = 200
    # the pixel of the result that shows the image's center: one row down, two columns to the left
    shift = np.array([[1.0, 0, -1], [0, 1, 2]])
    found = moved(image, shift)
    assert found[0, 3, 1] == 200
    assert found.sum() == 200


def test_an_image_of_one_value_keeps_it() -> None:
    image = torch.full((1, 3, 3), 77, dtype=torch.uint8)
    assert torch.equal(with_gamma(image, 1.4), image)


def test_the_global_seed_decides(image: MetaTensor) -> None:
    found = []
    for _ in range(2):
        set_determinism(3)
        steps = Compose([RandAffineImaged("image", 1.0, **MOVES), RandGammaImaged("image", 1.0, (0.7, 1.4))])
        found.append([steps({"image": image})["image"] for _ in range(3)])
    set_determinism(None)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert not torch.equal(found[0][0], found[0][1])
