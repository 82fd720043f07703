"""Read PNG, JPEG, TIFF and BMP with Pillow, to one gray channel without clipping."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from monai_tbkd.data.files.own_results import is_marked
from monai_tbkd.data.readers.decoded_image import DecodedImage, ImageLimits, as_corrupt, finite_pixels, strips
from monai_tbkd.data.readers.file_format import HEAD_BYTES, sniff_format
from monai_tbkd.data.readers.image_turn import ImageTurn
from monai_tbkd.data.readers.picture_parts import has_all_rows, needed_jpeg, needed_png, needed_tiff
from monai_tbkd.data.readers.reason_codes import ImageError, ImageWarning, ReasonCode

PICTURE_FORMATS = ("png", "jpeg", "tiff", "bmp")
_ORIENTATION_TAG, _PHOTOMETRIC_TAG, _BITS_TAG = 274, 262, 258
# EXIF 2.32, table 6: how to turn a stored picture of each orientation upright, in letters of `ImageTurn`
_TURNS = {2: "C", 3: "RC", 4: "R", 5: "T", 6: "TC", 7: "TRC", 8: "TR"}
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601-7, section 2.5.1
# pixels looked at, groups of the same brightness, distance of colors (of 255 a channel), fraction of the pixels
_SAMPLE, _BRIGHTNESSES, _HUE, _MANY = 40_000, 32, 20, 0.2
_DAMAGED = "the picture is cut short or damaged ({error}); copy or export it again"


@contextmanager
def _pillow() -> Iterator[None]:
    """Give Pillow's errors their reason, and drop its warnings of odd metadata, which the pixels do not need."""
    with as_corrupt(_DAMAGED), warnings.catch_warnings(action="ignore"):
        try:
            yield
        except Image.DecompressionBombError as error:
            raise ImageError(ReasonCode.TOO_LARGE, detail=f"{error}; resample the image") from error
        except UnidentifiedImageError as error:
            raise ImageError(ReasonCode.CORRUPT, detail=_DAMAGED.format(error="its header")) from error


def decode_picture(path: Path, limits: ImageLimits) -> DecodedImage:
    """Decode a PNG, JPEG, TIFF or BMP image.

    Gray of 1, 8 and 16 bits keeps its values (Pillow's own conversion would clip 16 bits to 255). Color becomes luma
    (ITU-R BT.601), or the channel where all three are the same. Alpha is dropped, a palette expanded, the orientation
    tag applied, a TIFF in which 0 is white inverted. CMYK and pictures of many hues are refused as COLOR.
    """
    content = _read(path)
    if is_marked(content):
        raise ImageError(ReasonCode.OWN_RESULT, detail="drawn by this program; give the image that it shows")
    file_format = str(sniff_format(content[:HEAD_BYTES]))
    content, complete = _needed(content, file_format)
    if not complete:
        raise ImageError(ReasonCode.CORRUPT, detail=_DAMAGED.format(error="no end mark"))
    steps: list[str] = []
    with _pillow(), Image.open(io.BytesIO(content), formats=[file_format.upper()]) as image:
        limits.check(image.height, image.width)
        frames = int(getattr(image, "n_frames", 1))
        if frames > 1 and image.format != "MPO":  # a JPEG of a phone: previews and depth follow the picture
            detail = f"{frames} frames; expected one, so export a single picture"
            raise ImageError(ReasonCode.MULTI_FRAME, detail=detail)
        tags: Any = image.tag_v2 if file_format == "tiff" else {}  # type: ignore[attr-defined]
        orientation = tags.get(_ORIENTATION_TAG, 1) if file_format == "tiff" else _orientation(image)
        turn = ImageTurn.from_text(_TURNS.get(orientation, ""))
        white = _white_that_is_zero(image.mode, tags)
        deep = image.mode.startswith("RGB") and 16 in tags.get(_BITS_TAG, ())
        if file_format == "png":
            deep = content[24] == 16 and content[25] != 0 and image.mode != "I;16"
            # verify() checks every chunk's CRC, which decoding does not; it leaves the picture unusable.
            with Image.open(io.BytesIO(content), formats=["PNG"]) as again:
                again.verify()
        if deep:
            steps.append("16-bit channels read as 8-bit")
        image.load()  # also turns a TIFF upright
        if file_format == "png" and _ends_black(image) and not has_all_rows(content):
            raise ImageError(ReasonCode.CORRUPT, detail=_DAMAGED.format(error="fewer rows than its header says"))
        if file_format == "tiff" and orientation != 1:
            steps.append("TIFF orientation applied")
        elif turn:
            steps.append(f"EXIF orientation {orientation} applied")
        pixels = _to_gray(image, steps)
        if file_format != "tiff":
            pixels = turn.upright(pixels)
        if white is not None:
            pixels = white - pixels
            steps.append("inverted")
        pixels = finite_pixels(pixels, steps)
    return DecodedImage(pixels, file_format, steps, turn=turn, warnings=[ImageWarning.UNTAGGED])


def picture_size(path: Path) -> tuple[int, int]:
    """Return height and width of the upright picture, from its header."""
    with _pillow():
        try:
            return _upright_size(path)
        except Image.DecompressionBombError:
            raise
        except Exception:  # perhaps of what the pixels do not need, for which the whole file has to be read
            content = _read(path)
            return _upright_size(io.BytesIO(_needed(content, str(sniff_format(content[:HEAD_BYTES])))[0]))


def _upright_size(file: Path | io.BytesIO) -> tuple[int, int]:
    with Image.open(file, formats=[name.upper() for name in PICTURE_FORMATS]) as image:
        return (image.width, image.height) if _orientation(image) >= 5 else (image.height, image.width)


def _needed(content: bytes, file_format: str) -> tuple[bytes, bool]:
    """Keep what the pixels need; whether the file has its end. TIFF and BMP have no end mark, Pillow counts bytes."""
    if file_format == "png":
        return needed_png(content)
    if file_format == "jpeg":
        return needed_jpeg(content)
    return needed_tiff(content) if file_format == "tiff" else content, True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(ReasonCode.NOT_READABLE, detail=f"cannot be read ({error.strerror}); copy it again") from error


def _orientation(image: Image.Image) -> int:
    # Not getexif(): on a PNG that decodes the whole picture. The header's block is enough.
    exif = image.info.get("exif")
    if not exif:
        return 1
    block = Image.Exif()
    try:
        block.load(exif)
        value = int(block.get(_ORIENTATION_TAG, 1))
    except Exception:  # a broken block, of which Pillow raises all kinds; viewers take no notice of it
        return 1
    return value if 1 <= value <= 8 else 1


def _white_that_is_zero(mode: str, tags: Any) -> float | None:
    """Return the largest value of a TIFF in which 0 is white, where Pillow leaves it so (more than 8 bits)."""
    if tags.get(_PHOTOMETRIC_TAG) != 0 or not mode.startswith(("I", "F")):
        return None
    return 1.0 if mode == "F" else float(2 ** int(tags.get(_BITS_TAG, (16,))[0]) - 1)


def _to_gray(image: Image.Image, steps: list[str]) -> NDArray[np.float32]:
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
        steps.append("palette expanded")
    if image.mode == "1":
        image = image.convert("L")
        steps.append("1 bit to 0 and 255")
    if image.mode in ("LA", "La"):
        image = image.getchannel(0)
        steps.append("alpha dropped")
    array = np.asarray(image)
    if image.mode in ("L", "I", "F") or image.mode.startswith("I;16"):
        return array.astype(np.float32)
    if image.mode not in ("RGB", "RGBA", "RGBX"):
        detail = f"pixels of mode {image.mode}; expected gray or RGB, so convert the image"
        raise ImageError(ReasonCode.COLOR, detail=detail)
    if array.shape[-1] > 3:
        steps.append("alpha dropped")
    red, green, blue = (array[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        steps.append("equal channels to one")
        return red.astype(np.float32)
    if _has_many_hues(array):
        raise ImageError(ReasonCode.COLOR, detail="a color photograph or drawing; expected a gray radiograph")
    luma = np.empty(red.shape, dtype=np.float32)
    for rows in strips(*red.shape):
        luma[rows] = array[rows, :, :3] @ _LUMA
    steps.append("color to ITU-R 601 luma")
    return luma


def _has_many_hues(picture: NDArray[np.uint8]) -> bool:
    """Check whether a fifth of the picture has other colors than most pixels as bright as they are.

    A stained or scanned image has one tint at each brightness; marks and letters of other colors take little room.
    """
    step = max(1, round((picture.shape[0] * picture.shape[1] / _SAMPLE) ** 0.5))
    colors = picture[::step, ::step, :3].reshape(-1, 3).astype(np.float32)
    alike = np.array_split(colors[np.argsort(colors @ _LUMA)], _BRIGHTNESSES)
    other = [np.linalg.norm(part - np.median(part, axis=0), axis=1) > _HUE for part in alike if len(part)]
    return bool(np.concatenate(other).mean() > _MANY)


def _ends_black(image: Image.Image) -> bool:
    """Check whether one of the last two rows is 0, as is what a decoder was not given."""
    last = range(max(image.height - 2, 0), image.height)
    return any(image.crop((0, row, image.width, row + 1)).getbbox() is None for row in last)
