"""What viewers step over is no damage; what is cut short is."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.data import ReasonCode
from monai_tbkd.data.readers import decode_image, whole_image_size
from tests.data.golden_dicom import ramp
from tests.data.images_by_hand import block_image, refusal

IMAGE = ramp(0, 255).astype(np.uint8)
BOMB = zlib.compress(bytes(2**25), 9)


def encoded(file_format: str, image: np.ndarray = IMAGE, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, file_format, **options)
    return out.getvalue()


PICTURES = {
    "png": encoded("PNG"),
    "jpeg": encoded("JPEG", quality=95),
    "progressive": encoded("JPEG", quality=95, progressive=True),
    "tiff": encoded("TIFF"),
    "lzw": encoded("TIFF", compression="tiff_lzw"),
    "bmp": encoded("BMP"),
}


def read(folder: Path, content: bytes) -> np.ndarray:
    path = folder / "a"
    path.write_bytes(content)
    pixels = decode_image(path).pixels
    assert whole_image_size(path) == pixels.shape
    return pixels


def assert_same_picture(folder: Path, content: bytes, name: str) -> None:
    np.testing.assert_array_equal(read(folder, content), read(folder, PICTURES[name]))


def assert_corrupt(folder: Path, content: bytes) -> None:
    (folder / "a").write_bytes(content)
    assert refusal(folder / "a") is ReasonCode.CORRUPT


TAILS = {
    "zeros": bytes(9000),
    "a newline": b"\n",
    "a page": b"<html>" * 2000,
    "a picture": encoded("JPEG", block_image()),
    "half a picture": encoded("JPEG", block_image())[:500],
    "another format": encoded("PNG", block_image()),
    "marks": b"\xff\xda\xff\xff\xd8" * 2000,
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("name", PICTURES)
def test_bytes_after_the_end(name: str, tail: str, tmp_path: Path) -> None:
    assert_same_picture(tmp_path, PICTURES[name] + TAILS[tail], name)


@pytest.mark.parametrize("tail", ["zeros", "a page"])
@pytest.mark.parametrize("fraction", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("name", ["png", "jpeg", "progressive"])
def test_a_cut_picture_is_corrupt_whatever_follows(name: str, fraction: float, tail: str, tmp_path: Path) -> None:
    picture = PICTURES[name]
    assert_corrupt(tmp_path, picture[: int(len(picture) * fraction)])
    assert_corrupt(tmp_path, picture[: int(len(picture) * fraction)] + TAILS[tail])


# ---- PNG -------------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes, spoiled: bool = False) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ spoiled)


def with_chunk(new: bytes, at: str, picture: bytes = PICTURES["png"]) -> bytes:
    position = 33 if at == "before" else len(picture) - 12
    return picture[:position] + new + picture[position:]


NOTES = {
    "zTXt": chunk(b"zTXt", b"a\0\0" + BOMB),
    "iTXt": chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB),
    "iTXt, not packed": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 2**21),
    "tEXt": b"".join(chunk(b"tEXt", b"a%d\0" % number + b"x" * 2**20) for number in range(65)),
    "iCCP": chunk(b"iCCP", b"a\0\0" + BOMB),
    "unknown packing": chunk(b"zTXt", b"a\0\5garbage"),
    "EXIF of no use": chunk(b"eXIf", b"MM\0*\0\0\0\x08" + b"\xff" * 40),
    **{
        f"{kind}, {what}": chunk(kind.encode(), data, what == "spoiled")
        for kind in ("tEXt", "zTXt", "iCCP", "pHYs", "gAMA", "cHRM", "sRGB", "tIME", "eXIf", "tRNS", "acTL", "prVt")
        for what, data in (("spoiled", b"abcd"), ("empty", b""))
    },
}


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize("note", NOTES)
def test_notes_of_a_png(note: str, at: str, tmp_path: Path) -> None:
    assert_same_picture(tmp_path, with_chunk(NOTES[note], at), "png")


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT", b"IEND"])
def test_a_wrong_checksum_of_what_the_pixels_need_is_corrupt(kind: bytes, tmp_path: Path) -> None:
    picture = bytearray(PICTURES["png"])
    position = picture.index(kind)
    picture[position + 4 + int.from_bytes(picture[position - 4 : position], "big")] ^= 1
    assert_corrupt(tmp_path, bytes(picture))


def test_frames_transparency_and_orientation_are_still_seen(tmp_path: Path) -> None:
    frames = io.BytesIO()
    Image.fromarray(IMAGE).save(frames, "PNG", save_all=True, append_images=[Image.fromarray(255 - IMAGE)])
    (tmp_path / "a").write_bytes(frames.getvalue())
    assert refusal(tmp_path / "a") is ReasonCode.MULTI_FRAME
    exif = Image.Exif()
    exif[274] = 3
    turned = with_chunk(NOTES["zTXt"], "before", encoded("PNG", exif=exif))
    np.testing.assert_array_equal(read(tmp_path, turned), IMAGE[::-1, ::-1])


def interlaced(image: np.ndarray) -> bytes:
    """Adam7, which Pillow does not write."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    parts = (image[top::down, left::across] for left, top, across, down in passes)
    raw = b"".join(b"\0" + row.astype(f">u{image.itemsize}").tobytes() for part in parts for row in part)
    height, width = image.shape
    head = struct.pack(">IIBBBBB", width, height, 8 * image.itemsize, 0, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("image", [IMAGE, ramp(0, 65535).astype(np.uint16)], ids=["8 bits", "16 bits"])
def test_an_interlaced_png_with_notes(image: np.ndarray, tmp_path: Path) -> None:
    for at in ("before", "after"):
        picture = with_chunk(NOTES["zTXt"], at, interlaced(image))
        np.testing.assert_array_equal(read(tmp_path, picture + bytes(9000)), image)


# ---- JPEG ------------------------------------------------------------------------------------------------------------


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


SEGMENTS = {
    "EXIF of no use": segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08" + b"\xff" * 40),
    "EXIF of nothing": segment(0xE1, b"Exif\0\0"),
    "short JFIF": segment(0xE0, b"JFIF\0"),
    "short Adobe": segment(0xEE, b"Adobe"),
    "short profile": segment(0xE2, b"ICC_PROFILE\0"),
    "a profile of too many parts": segment(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(9)),
    "false list of pictures": segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + b"\xff" * 20),
    "Photoshop": segment(0xED, b"Photoshop 3.0\x008BIM\4\4\xff"),
    "long texts": (segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + bytes(60000)) + segment(0xFE, bytes(60000))) * 20,
    "a thumbnail": segment(0xE3, encoded("JPEG", block_image())),
    "fill bytes": b"\xff" * 5,
    "a short length": segment(0xE5, b"ab") + b"rest of the segment",
    "a second start": b"\xff\xd8",
}


@pytest.mark.parametrize("name", ["jpeg", "progressive"])
@pytest.mark.parametrize("notes", SEGMENTS)
def test_notes_of_a_jpeg(notes: str, name: str, tmp_path: Path) -> None:
    picture = PICTURES[name]
    assert_same_picture(tmp_path, picture[:2] + SEGMENTS[notes] + picture[2:], name)


def test_orientation_and_colors_of_a_jpeg_are_still_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 3
    color = np.stack([IMAGE, 255 - IMAGE, IMAGE // 2], axis=-1)
    options = {"quality": 95, "exif": exif, "subsampling": 0}
    plain = encoded("JPEG", color, **options)
    picture = plain[:2] + SEGMENTS["long texts"] + plain[2:] + TAILS["half a picture"]
    expected = read(tmp_path, plain)
    np.testing.assert_array_equal(read(tmp_path, picture), expected)
    luma = color[::-1, ::-1] @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(expected, luma, atol=12)


def test_millions_of_fill_bytes(tmp_path: Path) -> None:
    picture = PICTURES["jpeg"]
    assert_corrupt(tmp_path, picture[:300] + b"\xff" * 2**22)
    (tmp_path / "a").write_bytes(picture[:2] + b"\xff" * 2**22 + picture[2:])
    np.testing.assert_array_equal(decode_image(tmp_path / "a").pixels, read(tmp_path, picture))


# ---- TIFF ------------------------------------------------------------------------------------------------------------


def spoiled_tiff(spoil: Callable[[bytearray, int, int], None], **options: object) -> bytes:
    content = bytearray(encoded("TIFF", **options))
    first = int.from_bytes(content[4:8], "little")
    spoil(content, first + 2, int.from_bytes(content[first : first + 2], "little"))
    return bytes(content)


@pytest.mark.parametrize("next_page", [1, 4, 300, 2**31 - 1])
def test_a_next_page_that_is_none(next_page: int, tmp_path: Path) -> None:
    def spoil(content: bytearray, start: int, number: int) -> None:
        struct.pack_into("<I", content, start + 12 * number, next_page)

    assert_same_picture(tmp_path, spoiled_tiff(spoil), "tiff")


@pytest.mark.parametrize("tag", [270, 700, 34675])
def test_a_note_that_lies_outside_of_the_file(tag: int, tmp_path: Path) -> None:
    def spoil(content: bytearray, start: int, number: int) -> None:
        (position,) = (
            at for at in range(start, start + 12 * number, 12) if content[at : at + 2] == struct.pack("<H", tag)
        )
        struct.pack_into("<I", content, position + 8, 2**30)

    value: object = "long description" if tag == 270 else b"long description"
    assert_same_picture(tmp_path, spoiled_tiff(spoil, tiffinfo={tag: value}), "tiff")
