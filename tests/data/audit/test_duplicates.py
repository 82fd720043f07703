from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.data import ReasonCode, list_images
from monai_tbkd.data.audit.duplicates import DUPLICATE_KINDS, DuplicatePair, find_duplicates
from monai_tbkd.data.audit.image_scan import STATISTICS, ImageScan, image_thumbnail, scan_image, scan_images
from tests.data.images_by_hand import block_image, cut, noise_png


@pytest.fixture(scope="module")
def images(phantoms: Path) -> list[str]:
    return [image["image"] for image in list_images(phantoms / "imgs")]


@pytest.fixture(scope="module")
def scans(images: list[str]) -> list[ImageScan]:
    return scan_images(images)


def changed(image: Image.Image, how: str) -> Image.Image:
    width, height = image.size
    if how == "shifted":
        moved = Image.new("L", image.size)
        moved.paste(image, (2, 2))  # of 128 pixels: 8 of 512
        return moved
    if how == "cropped":
        return image.crop((round(0.03 * width), round(0.03 * height), round(0.97 * width), round(0.97 * height)))
    if how == "gamma":
        return image.point([round(255 * (value / 255) ** 1.5) for value in range(256)])
    if how == "mirrored":
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image.resize((width // 2, height // 2), Image.Resampling.BICUBIC)


def copies_of(pairs: list[DuplicatePair]) -> list[tuple[int, int, str]]:
    return [(pair.first, pair.second, pair.kind) for pair in pairs if pair.kind in DUPLICATE_KINDS]


def test_phantoms_are_not_copies_of_each_other(scans: list[ImageScan]) -> None:
    assert len(scans) == 36
    assert copies_of(find_duplicates(scans)) == []


def test_the_same_bytes_and_the_same_pixels(images: list[str], scans: list[ImageScan], tmp_path: Path) -> None:
    shutil.copy(images[3], tmp_path / "bytes.png")
    Image.open(images[3]).convert("RGB").save(tmp_path / "pixels.bmp")
    more = [scan_image(str(tmp_path / name)) for name in ("bytes.png", "pixels.bmp")]
    assert copies_of(find_duplicates([*scans, *more])) == [
        (3, 36, "same file"),
        (3, 37, "same pixels"),
        (36, 37, "same pixels"),
    ]


@pytest.mark.parametrize("how", ["shifted", "cropped", "gamma", "smaller", "mirrored", "jpeg"])
def test_changed_copies_are_found(images: list[str], scans: list[ImageScan], tmp_path: Path, how: str) -> None:
    chosen, scans = range(0, 12, 6), scans[::3]
    copies = []
    for number in chosen:
        with Image.open(images[3 * number]) as image:
            copy = image.convert("L") if how == "jpeg" else changed(image.convert("L"), how)
            copies.append(str(tmp_path / f"{number}.{'jpg' if how == 'jpeg' else 'png'}"))
            copy.save(copies[-1], **({"quality": 60} if how == "jpeg" else {}))
    kind = "mirrored" if how == "mirrored" else "near"
    expected = {(number, 12 + position, kind) for position, number in enumerate(chosen)}
    assert set(copies_of(find_duplicates([*scans, *scan_images(copies)]))) == expected
    # The other way round, the copy first: the warp has to be turned.
    back = {(position, len(copies) + number, kind) for position, number in enumerate(chosen)}
    assert set(copies_of(find_duplicates([*scan_images(copies), *scans]))) == back


def test_a_near_copy_of_equal_images_is_one_of_each(images: list[str], scans: list[ImageScan], tmp_path: Path) -> None:
    shutil.copy(images[0], tmp_path / "equal.png")
    with Image.open(images[0]) as image:
        changed(image.convert("L"), "gamma").save(tmp_path / "gamma.png")
    found = copies_of(find_duplicates([*scans, *scan_images([str(tmp_path / f"{n}.png") for n in ("equal", "gamma")])]))
    assert found == [(0, 36, "same file"), (0, 37, "near"), (36, 37, "near")]


def test_blank_and_unreadable_images_have_no_near_copy(tmp_path: Path) -> None:
    for name, value in (("a", 0), ("b", 200), ("c", 200)):
        Image.fromarray(np.full((40, 40), value, dtype=np.uint8)).save(tmp_path / f"{name}.png")
    Image.fromarray(np.full((40, 41), 200, dtype=np.uint8)).save(tmp_path / "d.png")
    cut(noise_png(tmp_path / "e.png"))
    scans = scan_images([str(tmp_path / f"{name}.png") for name in "abcde"])
    assert scans[4].reason is ReasonCode.CORRUPT
    assert find_duplicates(scans) == [DuplicatePair(1, 2, "same file", 1.0)]
    assert find_duplicates([]) == []
    assert find_duplicates([scans[4], dataclasses.replace(scans[4])]) == [], "two faults are not one image"


def test_many_equal_images_are_named_with_the_first(scans: list[ImageScan]) -> None:
    assert len(find_duplicates([scans[0]] * 10)) == 45
    assert len(find_duplicates([scans[0]] * 60)) == 59


@pytest.mark.system
def test_processes_scan_as_one_does(images: list[str], scans: list[ImageScan]) -> None:
    for one, other in zip(scans, scan_images(images, workers=1), strict=True):
        assert (one.file_hash, one.pixel_hash, one.size, one.source_format) == (
            other.file_hash, other.pixel_hash, other.size, "png",
        )  # fmt: skip
        np.testing.assert_array_equal(one.thumbnail, other.thumbnail)
    with pytest.raises(ValueError, match="workers is -1"):
        scan_images(images, workers=-1)


def test_a_thumbnail_is_a_stretched_mean_over_cells() -> None:
    image = np.kron(block_image(200, np.float32), np.ones((16, 8), dtype=np.float32))  # 480 x 320
    thumbnail, statistics = image_thumbnail(image)
    assert (thumbnail.min(), thumbnail.max(), thumbnail.shape) == (0, 255, (64, 64))
    bright = np.argwhere(thumbnail > 127)
    # Rows 2-7 of 30 and columns 24-33 of 40, on 64 x 64.
    np.testing.assert_allclose(bright.min(0), [2 / 30 * 64, 24 / 40 * 64], atol=1)
    np.testing.assert_allclose(bright.max(0) + 1, [8 / 30 * 64, 34 / 40 * 64], atol=1)
    fraction = 60 / 1200
    found = dict(zip(STATISTICS, statistics.tolist(), strict=True))
    assert found["mean"] == pytest.approx(fraction, abs=0.005)
    assert found["standard deviation"] == pytest.approx((fraction * (1 - fraction)) ** 0.5, abs=0.01)
    assert found["skewness"] == pytest.approx((1 - 2 * fraction) / (fraction * (1 - fraction)) ** 0.5, abs=0.2)
    assert (found["10th percentile"], found["90th percentile"]) == (0, 0)


def test_exposure_does_not_change_a_thumbnail() -> None:
    image = np.random.default_rng(0).normal(100, 20, (200, 150)).astype(np.float32)
    for one, other in zip(image_thumbnail(image), image_thumbnail(image * 16 + 500), strict=True):
        np.testing.assert_allclose(one.astype(float), other.astype(float), atol=1e-3 if one.ndim == 1 else 1)


@pytest.mark.bundle
def test_real_images_are_no_copies_but_some_are_alike(real_data: Path) -> None:
    tb = [image["image"] for image in list_images(real_data / "TBX11K" / "imgs")][360:]
    others = [image["image"] for image in list_images(real_data / "nih")][:160]
    pairs = find_duplicates(scan_images([*tb, *others]))
    assert Counter(pair.kind for pair in pairs) == {"alike": 4}
    # The others are of one image a patient, so that no pair with one of them can be of one person.
    assert all(pair.second < len(tb) for pair in pairs)
