from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from monai_tbkd.data.gate.plain_border import inside_border
from monai_tbkd.data.phantom import ShortcutSpec, make_image
from monai_tbkd.data.readers import decode_image

IMAGE = make_image("tb", seed=3, size=256).image


def canvas(gray: int, size: tuple[int, int], at: tuple[int, int]) -> np.ndarray:
    """The image on a plain canvas of (height, width), its corner at (row, column)."""
    picture = np.full(size, gray, dtype=np.uint8)
    picture[at[0] : at[0] + 256, at[1] : at[1] + 256] = IMAGE
    return picture


def as_jpeg(picture: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer))


def screenshot() -> np.ndarray:
    """A toolbar above, a panel at the left, and texts."""
    picture = Image.fromarray(canvas(0, (600, 1000), (180, 400)))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 999, 40), fill=190)
    for x in range(10, 990, 50):
        draw.rectangle((x, 8, x + 30, 32), fill=80)
    draw.rectangle((0, 41, 80, 599), fill=120)
    for y in (80, 100, 540):
        draw.text((800, y), "CHEST PA  W 4096", fill=255)
    return np.asarray(picture)


@pytest.mark.parametrize(
    ("picture", "at"),
    [
        (canvas(0, (256, 900), (0, 300)), (0, 300)),
        (canvas(255, (600, 500), (100, 130)), (100, 130)),
        (canvas(128, (600, 500), (100, 130)), (100, 130)),
        (canvas(60, (600, 256), (0, 0)), (0, 0)),
        (as_jpeg(canvas(255, (600, 500), (104, 136))), (104, 136)),
        (canvas(128, (600, 500), (100, 130)) + np.random.default_rng(0).normal(0, 2, (600, 500)), (100, 130)),
        (canvas(0, (2400, 2000), (1100, 700)), (1100, 700)),
        (screenshot(), (180, 400)),
    ],
    ids=["pillars", "white", "gray", "below alone", "JPEG", "noise", "tiny", "screenshot"],
)  # fmt: skip
def test_an_image_on_a_canvas_is_found(picture: np.ndarray, at: tuple[int, int]) -> None:
    inside = inside_border(picture)
    np.testing.assert_allclose(inside.box, [at[1], at[0], at[1] + 256, at[0] + 256], atol=6)
    assert inside.border == pytest.approx(1 - 256 * 256 / picture.size, abs=0.04) and not inside.several


def test_ranges_and_types_do_not_matter() -> None:
    picture = canvas(0, (300, 700), (20, 300))
    expected = inside_border(picture)
    assert inside_border(picture.astype(np.float32) * 16 - 1024) == expected
    assert inside_border(picture.astype(np.uint16) * 16) == expected


@pytest.mark.parametrize("fraction", [0.003, 0.01, 0.02])
@pytest.mark.parametrize("bright", [4095, 16383, 65535])
def test_a_bright_marker_changes_nothing(fraction: float, bright: int) -> None:
    side = round(256 * fraction**0.5)
    for seed in range(6):
        image = make_image("tb", seed=seed, size=256).image.astype(np.uint16) * 16
        image[8 : 8 + side, 8 : 8 + side] = bright
        inside = inside_border(image)
        assert inside.box == (0, 0, 256, 256) and not inside.several, seed
        on_canvas = inside_border(np.pad(image, ((40, 60), (300, 200))))
        np.testing.assert_allclose(on_canvas.box, [300, 40, 556, 296], atol=6)
        assert not on_canvas.several, seed


def test_a_saturated_area_and_bright_letters_do_not_set_the_range() -> None:
    for seed in range(6):
        image = make_image("tb", seed=seed, size=256).image.astype(np.uint16) * 16
        letters, saturated = image.copy(), image.copy()
        letters[8:28, 8:100:4] = 65535
        saturated[:80, :80] = 65535  # a tenth of the picture
        for picture in (letters, saturated):
            inside = inside_border(picture)
            assert inside.box == (0, 0, 256, 256) and not inside.several, seed


@pytest.mark.parametrize("apart", [56, 60, 64])
def test_an_image_with_clipped_grays_is_not_cut_to_its_lungs(apart: int) -> None:
    rows, columns = np.mgrid[:256, :256]
    lungs = [np.hypot((columns - 128 - side * apart) / 28, (rows - 120) / 60) for side in (-1, 1)]
    image = np.clip(60 + 140 * np.minimum(*lungs) ** 2, 0, 255)
    assert (image == 255).mean() > 0.7
    assert inside_border(image).box == (0, 0, 256, 256)


@pytest.mark.parametrize("gray", [0, 255])
def test_small_borders_stay(gray: int) -> None:
    picture = canvas(gray, (300, 300), (20, 20))  # 27 % of it
    inside = inside_border(picture)
    assert inside.box == (0, 0, 300, 300) and 0.25 < inside.border < 0.3


def test_images_and_pictures_of_one_value_are_not_cut() -> None:
    for seed in range(6):
        image = make_image("health", (5, seed), 128, ShortcutSpec()).image
        assert inside_border(image).box == (0, 0, 128, 128)
    assert inside_border(np.zeros((40, 90))).box == (0, 0, 90, 40)
    assert inside_border(np.ones((1, 1))).box == (0, 0, 1, 1)
    block = np.full((100, 200), 10)
    block[:40, 120:] = 250  # nothing of a radiograph
    assert inside_border(block).box == (0, 0, 200, 100)


def test_plain_lines_between_pictures_part_them() -> None:
    one = canvas(0, (300, 300), (20, 20))
    assert inside_border(np.hstack([one, one])).several
    assert inside_border(np.vstack([one, one])).several
    assert not inside_border(one).several


def test_no_real_chest_image_is_cropped(real_data: Path) -> None:
    images = [*sorted(real_data.glob("TBX11K/imgs/tb/*.png"))[::20], *sorted(real_data.glob("nih/*/*.png"))[::10]]
    assert len(images) > 50
    for path in images:
        inside = inside_border(decode_image(path).pixels)
        assert inside.border < 0.3 and not inside.several, path
