from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from monai_tbkd.data import DatalistError, datalist_item, load_datalist
from monai_tbkd.data.lists.mask_pictures import find_masks, looks_like_mask
from monai_tbkd.data.phantom import make_image

Tree = Callable[..., Path]


def lungs(side: int = 512) -> NDArray[np.uint8]:
    """Two white ellipses on black."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    inside = ((np.abs(x) - 0.45) / 0.3) ** 2 + (y / 0.7) ** 2 < 1
    return (inside * 255).astype(np.uint8)


def found(folder: Path, name: str, picture: Image.Image, **options: int) -> bool:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return find_masks([datalist_item(path, name, "tb", "train")]) == [name]


@pytest.mark.parametrize(("name", "options"), [("a.png", {}), ("a.bmp", {}), ("a.tif", {}), ("a.jpg", {"quality": 95})])
def test_a_mask_is_told_by_its_pixels(tmp_path: Path, name: str, options: dict[str, int]) -> None:
    assert found(tmp_path, name, Image.fromarray(lungs()), **options)


def test_classes_of_a_label_map_and_an_empty_mask() -> None:
    assert looks_like_mask(lungs(64) // 255 * np.arange(64) // 16)
    assert looks_like_mask(np.zeros((64, 64)))


@pytest.mark.parametrize("name", ["tb/masks/a.png", "Ground Truth/a.png", "a_mask.png", "lung-Segmentation/a.png"])
def test_a_soft_mask_is_told_by_its_name_and_the_gate(tmp_path: Path, name: str) -> None:
    soft = Image.fromarray(lungs(256)).filter(ImageFilter.GaussianBlur(40))
    assert found(tmp_path, name, soft)
    assert not found(tmp_path, "other/a.png", soft)


@pytest.mark.parametrize("name", ["a.png", "masks/a.png", "a_mask.png", "a.bmp"])
def test_an_image_is_none_whatever_its_name(tmp_path: Path, name: str) -> None:
    assert not found(tmp_path, name, Image.fromarray(make_image("health", seed=1, size=256).image))


def test_a_training_does_not_take_masks(tree: Tree) -> None:
    root = tree("tb/images/a.png", "normal/images/b.png")
    for name in ("tb/masks/a.png", "normal/b_mask.png"):
        (root / name).parent.mkdir(exist_ok=True)
        Image.fromarray(lungs(64)).save(root / name)
    with pytest.raises(
        DatalistError, match=r"Masks among the images \(2: normal/b_mask\.png, tb/masks/a\.png; 4 images"
    ):
        load_datalist(root)
    (root / "images.csv").write_text("image,label\ntb/masks/a.png,tb\nnormal/images/b.png,normal\ntb/images/a.png,tb\n")
    with pytest.raises(DatalistError, match=r"Masks among the images \(1: tb/masks/a\.png"):
        load_datalist(root / "images.csv")


def test_no_real_image_is_a_mask(real_data: Path) -> None:
    for name in ("tb0005", "tb0069", "tb1199"):
        path = real_data / "TBX11K" / "imgs" / "tb" / f"{name}.png"
        assert find_masks([datalist_item(path, f"masks/{name}.png", "tb", "train")]) == []
