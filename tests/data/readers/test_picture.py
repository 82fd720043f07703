from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.data.readers import decode_image, whole_image_size
from tests.data.images_by_hand import COLUMNS, ROWS, assert_block, block_image, cut, noise_png, refusal


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_gray_png_is_upright_with_its_values(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(block_image()))
    image = decode_image(path)
    assert_block(image.pixels, 200, 10)
    assert image.pixels.dtype == np.float32
    assert (image.source_format, image.steps) == ("png", [])
    assert whole_image_size(path) == (30, 40)


@pytest.mark.parametrize("value", [1000, 60000])
def test_16_bit_png_is_not_clipped(tmp_path: Path, value: int) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(block_image(value, np.uint16)))
    assert_block(decode_image(path).pixels, value, 10)


def test_one_bit_png_becomes_black_and_white(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(block_image(255, background=0)).convert("1"))
    assert_block(decode_image(path).pixels, 255, 0)


def test_equal_channels_are_the_channel_exactly(tmp_path: Path) -> None:
    # Luma in floats would give 199.99999 or so.
    path = saved(tmp_path / "a.png", Image.fromarray(np.stack([block_image(201)] * 3, axis=-1)))
    image = decode_image(path)
    assert np.array_equal(np.unique(image.pixels), [10, 201])
    assert image.steps == ["equal channels to one"]


def test_color_becomes_itu_r_601_luma(tmp_path: Path) -> None:
    color = np.zeros((30, 40, 3), dtype=np.uint8)
    color[ROWS, COLUMNS] = (100, 50, 200)
    path = saved(tmp_path / "a.png", Image.fromarray(color))
    assert_block(decode_image(path).pixels, 0.299 * 100 + 0.587 * 50 + 0.114 * 200, 0, tolerance=1e-4)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_dropped_not_averaged_in(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(block_image()).convert(mode)
    image.putalpha(Image.fromarray(np.tile(np.arange(40, dtype=np.uint8) * 6, (30, 1))))
    decoded = decode_image(saved(tmp_path / "a.png", image))
    assert_block(decoded.pixels, 200, 10)
    assert "alpha dropped" in decoded.steps


@pytest.mark.parametrize("transparency", [None, 1])
def test_palette_is_expanded_to_what_is_shown(tmp_path: Path, transparency: int | None) -> None:
    image = Image.fromarray(block_image(1, background=0)).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([10, 10, 10, 200, 200, 200])
    options = {} if transparency is None else {"transparency": transparency}
    assert_block(decode_image(saved(tmp_path / "a.png", image, **options)).pixels, 200, 10)


T = Image.Transpose
UNDO = {
    1: None, 2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE, 6: T.ROTATE_90,
    7: T.TRANSVERSE, 8: T.ROTATE_270,
}  # fmt: skip


def turned(orientation: int) -> Image.Image:
    """What an orientation tag turns upright."""
    undo = UNDO[orientation]
    return Image.fromarray(block_image()) if undo is None else Image.fromarray(block_image()).transpose(undo)


@pytest.mark.parametrize("orientation", UNDO)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options = {"quality": 100, "subsampling": 0} if suffix == "jpg" else {}
    path = saved(tmp_path / f"a.{suffix}", turned(orientation), exif=exif, **options)
    assert_block(decode_image(path).pixels, 200, 10, tolerance=3)
    assert whole_image_size(path) == (30, 40)


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(block_image()))
    renamed = path.rename(tmp_path / "a.dcm")
    assert decode_image(renamed).source_format == "png"


@pytest.mark.parametrize("fraction", [0.1, 0.6, 0.98])
@pytest.mark.parametrize("forgiving", [False, True])
def test_cut_png_is_corrupt(tmp_path: Path, fraction: float, forgiving: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # The global that makes Pillow paint missing rows black may be on: other libraries set it.
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", forgiving)
    path = cut(noise_png(tmp_path / "a.png", side=64), fraction)
    assert refusal(path) is ReasonCode.CORRUPT


def test_a_flipped_bit_in_a_png_is_corrupt(tmp_path: Path) -> None:
    path = noise_png(tmp_path / "a.png", side=64)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert refusal(path) is ReasonCode.CORRUPT


@pytest.mark.parametrize("forgiving", [False, True])
def test_cut_jpeg_is_corrupt(tmp_path: Path, forgiving: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", forgiving)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = cut(saved(tmp_path / "a.jpg", Image.fromarray(noise), quality=95))
    assert refusal(path) is ReasonCode.CORRUPT


def test_cmyk_is_refused_as_color(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.fromarray(block_image()).convert("CMYK"))
    assert refusal(path) is ReasonCode.COLOR


def test_animated_png_is_refused(tmp_path: Path) -> None:
    first, second = Image.fromarray(block_image()), Image.fromarray(block_image(90))
    path = saved(tmp_path / "a.png", first, save_all=True, append_images=[second])
    assert refusal(path) is ReasonCode.MULTI_FRAME


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 200), (np.uint16, 60000), (np.float32, 0.5)])
def test_tiff_keeps_its_values(tmp_path: Path, compression: str | None, dtype: type, value: float, big: bool) -> None:
    path = tmp_path / "a"
    Image.fromarray(block_image(value, dtype)).save(path, format="TIFF", compression=compression, big_tiff=big)
    image = decode_image(path)
    assert_block(image.pixels, value, 10)
    assert image.source_format == "tiff"
    assert whole_image_size(path) == (30, 40)


@pytest.mark.parametrize("orientation", UNDO)
def test_tiff_orientation_is_applied_once(tmp_path: Path, orientation: int) -> None:
    turned(orientation).save(tmp_path / "a", format="TIFF", tiffinfo={274: orientation})
    assert_block(decode_image(tmp_path / "a").pixels, 200, 10)
    assert whole_image_size(tmp_path / "a") == (30, 40)


def test_tiff_in_which_zero_is_white_is_inverted(tmp_path: Path) -> None:
    # Pillow inverts 8 bits when it writes and reads, and 16 bits neither way.
    Image.fromarray(block_image()).save(tmp_path / "a", format="TIFF", tiffinfo={262: 0})
    assert_block(decode_image(tmp_path / "a").pixels, 200, 10)
    Image.fromarray(65535 - block_image(200, np.uint16)).save(tmp_path / "b", format="TIFF", tiffinfo={262: 0})
    assert_block(decode_image(tmp_path / "b").pixels, 200, 10)


def test_bmp_is_read_and_a_text_that_starts_like_one_is_not(tmp_path: Path) -> None:
    Image.fromarray(block_image()).save(tmp_path / "a", format="BMP")
    assert_block(decode_image(tmp_path / "a").pixels, 200, 10)
    (tmp_path / "b").write_text("BMI of all patients, by age and sex, and more of it\n" * 9)
    assert refusal(tmp_path / "b") is ReasonCode.NOT_AN_IMAGE


@pytest.mark.parametrize("file_format", ["TIFF", "BMP"])
@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.6, 0.9, 0.99])
def test_cut_tiff_and_bmp_are_corrupt(tmp_path: Path, file_format: str, fraction: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 48), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "a", format=file_format)
    assert refusal(cut(tmp_path / "a", fraction)) is ReasonCode.CORRUPT


def test_pages_of_a_tiff_are_refused(tmp_path: Path) -> None:
    page = Image.fromarray(block_image())
    page.save(tmp_path / "a", format="TIFF", save_all=True, append_images=[page])
    assert refusal(tmp_path / "a") is ReasonCode.MULTI_FRAME


@pytest.mark.parametrize("mode", ["L", "I;16", "1", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.98])
def test_a_png_with_fewer_rows_than_its_header_says_is_corrupt(tmp_path: Path, mode: str, fraction: float) -> None:
    """Its stream ends properly and all checksums are right; Pillow leaves the rest black. One that is black is read."""
    gray = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 48), dtype=np.uint8))
    gray.paste(0, (0, 56, 48, 64))
    image = Image.fromarray(np.asarray(gray).astype(np.uint16) * 200) if mode == "I;16" else gray.convert(mode)
    whole = saved(tmp_path / "a", image, format="PNG").read_bytes()
    assert decode_image(tmp_path / "a").pixels.shape == (64, 48)
    start = whole.index(b"IDAT") - 4
    length = int.from_bytes(whole[start : start + 4], "big")
    rows = zlib.decompress(whole[start + 8 : start + 8 + length])
    packed = b"IDAT" + zlib.compress(rows[: int(fraction * len(rows))])
    chunk = struct.pack(">I", len(packed) - 4) + packed + struct.pack(">I", zlib.crc32(packed))
    (tmp_path / "b").write_bytes(whole[:start] + chunk + whole[start + 12 + length :])
    assert refusal(tmp_path / "b") is ReasonCode.CORRUPT


def test_a_bigtiff_that_points_out_of_every_file_is_corrupt(tmp_path: Path) -> None:
    Image.fromarray(block_image()).save(tmp_path / "a", format="TIFF", big_tiff=True)
    content = bytearray((tmp_path / "a").read_bytes())
    (start,) = struct.unpack("<Q", content[8:16])
    positions = range(start + 8, start + 8 + 20 * content[start], 20)
    strips = next(position for position in positions if content[position : position + 2] == struct.pack("<H", 273))
    content[strips : strips + 20] = struct.pack("<HHQQ", 273, 16, 1, 2**63)
    (tmp_path / "a").write_bytes(content)
    assert refusal(tmp_path / "a") is ReasonCode.CORRUPT


def test_a_picture_of_many_hues_is_no_radiograph(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 256, (120, 100, 1)).astype(np.uint8)
    tinted = (gray * np.array([0.8, 0.9, 1.0])).astype(np.uint8)
    marked = np.repeat(gray, 3, axis=-1)
    marked[:20, :60] = (255, 0, 0)
    for name, pixels in (("tinted", tinted), ("marked", marked)):
        image = decode_image(saved(tmp_path / f"{name}.png", Image.fromarray(pixels)))
        assert "color to ITU-R 601 luma" in image.steps
    many = Image.fromarray(rng.integers(0, 256, (12, 10, 3)).astype(np.uint8)).resize((100, 120))
    with pytest.raises(ImageError, match="color photograph") as refused:
        decode_image(saved(tmp_path / "many.jpg", many))
    assert refused.value.reason == ReasonCode.COLOR
