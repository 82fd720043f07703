"""PNG, JPEG, TIFF and BMP through Pillow, to one gray channel without clipping."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from monai_tbkd.data.film_turn import FilmTurn
from monai_tbkd.data.film_warnings import FilmWarning
from monai_tbkd.data.own_results import is_marked
from monai_tbkd.data.readers.decoded_film import DecodedFilm, finite_pixels
from monai_tbkd.data.readers.file_format import HEAD_BYTES, sniff_format
from monai_tbkd.data.readers.film_limits import FilmLimits
from monai_tbkd.data.readers.film_strips import strips
from monai_tbkd.data.readers.picture_parts import has_all_rows, needed_jpeg, needed_png, needed_tiff
from monai_tbkd.data.reason_codes import FilmError, ReasonCode

PICTURE_FORMATS = ("png", "jpeg", "tiff", "bmp")
_PILLOW_FORMATS = [name.upper() for name in PICTURE_FORMATS]
_ORIENTATION_TAG = 274
_PHOTOMETRIC_TAG, _BITS_TAG = 262, 258
# EXIF 2.32, table 6: what to do to a stored picture of each orientation to stand it upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNS = {2: "C", 3: "RC", 4: "R", 5: "T", 6: "TC", 7: "TRC", 8: "TR"}
"""The same in letters of `FilmTurn`."""
# ITU-R BT.601-7, section 2.5.1.
_LUMA = np.array([0.299, 0.587, 0.114])
# pixels looked at, groups of the same brightness, distance of colors (of 255 a channel), part of the pixels
_SAMPLE, _BRIGHTNESSES, _HUE, _MANY = 40_000, 32, 20, 0.2
_DAMAGED = "the picture is cut short or damaged ({}); copy or export it again"


def decode_picture(path: Path, limits: FilmLimits) -> DecodedFilm:
    """Decode a PNG, JPEG, TIFF or BMP film.

    Gray of 1, 8 and 16 bits keeps its values (Pillow's own conversion would clip 16 bits to 255). Color becomes luma
    (ITU-R BT.601), or simply the channel where all three are the same. Alpha is dropped, a palette expanded, the
    orientation tag applied, a TIFF in which 0 is white inverted.

    Args:
        path: the file.
        limits: smallest and largest film.

    Returns:
        The film, upright.

    Raises:
        FilmError: CORRUPT, MULTI_FRAME, COLOR (CMYK, or many hues), TOO_SMALL or TOO_LARGE.
    """
    content = _read(path)
    if is_marked(content):
        raise FilmError(ReasonCode.OWN_RESULT, path, "drawn by this program; give the image that it shows")
    file_format = str(sniff_format(content[:HEAD_BYTES]))
    content, complete = _needed(content, file_format)
    if not complete:
        raise FilmError(ReasonCode.CORRUPT, path, _DAMAGED.format("no end mark"))
    try:
        with _quiet(), Image.open(io.BytesIO(content), formats=[file_format.upper()]) as image:
            limits.check(path, image.height, image.width)
            frames, steps = int(getattr(image, "n_frames", 1)), []
            if frames > 1 and image.format != "MPO":  # a JPEG of a phone: previews and depth follow the picture
                raise FilmError(
                    ReasonCode.MULTI_FRAME, path, f"{frames} frames; expected one, so export a single picture"
                )
            orientation = _orientation(image)
            turn = FilmTurn.from_text(_TURNS.get(orientation, ""))
            if file_format == "png":
                # verify() leaves the picture unusable, so it works on a second one. It checks every chunk's CRC,
                # which decoding does not.
                with Image.open(io.BytesIO(content), formats=["PNG"]) as again:
                    again.verify()
                if image.mode != "I;16" and len(content) > 24 and content[24] == 16 and content[25] != 0:
                    steps.append("16-bit channels read as 8-bit")
            white = _white_that_is_zero(image) if file_format == "tiff" else None
            if file_format == "tiff" and image.mode.startswith("RGB") and 16 in image.tag_v2.get(_BITS_TAG, ()):  # type: ignore[attr-defined]
                steps.append("16-bit channels read as 8-bit")
            if file_format == "tiff" and image.tag_v2.get(_ORIENTATION_TAG, 1) != 1:  # type: ignore[attr-defined]
                steps.append("TIFF orientation applied")  # by load()
                turn = FilmTurn.from_text(_TURNS.get(image.tag_v2[_ORIENTATION_TAG], ""))  # type: ignore[attr-defined]
            image.load()
            if file_format == "png" and _ends_black(image) and not has_all_rows(content):
                raise FilmError(ReasonCode.CORRUPT, path, _DAMAGED.format("fewer rows than its header says"))
            upright = image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
            pixels, color_steps = _to_gray(path, upright)
            if white is not None:
                pixels = white - pixels
                color_steps.append("inverted")
            pixels = finite_pixels(path, pixels, color_steps)
    except FilmError:
        raise
    except Image.DecompressionBombError as error:
        raise FilmError(ReasonCode.TOO_LARGE, path, f"{error}; resample the film") from error
    except UnidentifiedImageError as error:
        raise FilmError(ReasonCode.CORRUPT, path, _DAMAGED.format("its header")) from error
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # Pillow lets through what struct, zlib and its own parsers raise
        raise FilmError(ReasonCode.CORRUPT, path, _DAMAGED.format(error)) from error
    if orientation in _UPRIGHT:
        steps.append(f"EXIF orientation {orientation} applied")
    return DecodedFilm(pixels, file_format, steps + color_steps, turn=turn, warnings=[FilmWarning.UNTAGGED])


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width of the upright picture, from its header.

    Args:
        path: the file.

    Returns:
        ``(height, width)`` in pixels.

    Raises:
        FilmError: CORRUPT or TOO_LARGE.
    """
    try:
        try:
            return _upright_size(path)
        except Image.DecompressionBombError:
            raise
        except Exception:  # perhaps of what the pixels do not need, for which the whole file has to be read
            content = _read(path)
            return _upright_size(io.BytesIO(_needed(content, str(sniff_format(content[:HEAD_BYTES])))[0]))
    except Image.DecompressionBombError as error:
        raise FilmError(ReasonCode.TOO_LARGE, path, f"{error}; resample the film") from error
    except UnidentifiedImageError as error:
        raise FilmError(ReasonCode.CORRUPT, path, _DAMAGED.format("its header")) from error
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # Pillow lets through what struct, zlib and its own parsers raise
        raise FilmError(ReasonCode.CORRUPT, path, _DAMAGED.format(error)) from error


def _upright_size(file: Path | io.BytesIO) -> tuple[int, int]:
    with _quiet(), Image.open(file, formats=_PILLOW_FORMATS) as image:
        sideways = _orientation(image) >= 5
        return (image.width, image.height) if sideways else (image.height, image.width)


def _needed(content: bytes, file_format: str) -> tuple[bytes, bool]:
    """What the pixels need, and whether the file has its end; TIFF and BMP have no end mark, Pillow counts bytes."""
    if file_format == "png":
        return needed_png(content)
    if file_format == "jpeg":
        return needed_jpeg(content)
    return needed_tiff(content) if file_format == "tiff" else content, True


def _quiet() -> warnings.catch_warnings[None]:
    """Pillow warns of odd metadata, which the pixels do not need."""
    return warnings.catch_warnings(action="ignore")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FilmError(ReasonCode.NOT_READABLE, path, f"cannot be read ({error.strerror}); copy it again") from error


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


def _white_that_is_zero(image: Image.Image) -> float | None:
    """The largest value of a TIFF in which 0 is white and that Pillow leaves so (it inverts 8 bits and fewer)."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    if tags.get(_PHOTOMETRIC_TAG) != 0 or not (image.mode.startswith("I") or image.mode == "F"):
        return None
    bits = int(tags.get(_BITS_TAG, (16,))[0])
    return 1.0 if image.mode == "F" else float(2**bits - 1)


def _to_gray(path: Path, image: Image.Image) -> tuple[NDArray[np.float32], list[str]]:
    steps: list[str] = []
    if image.mode in ("P", "PA"):
        has_alpha = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if has_alpha else "RGB")
        steps.append("palette expanded")
    if image.mode == "1":
        return _float(image.convert("L")), [*steps, "1 bit to 0 and 255"]
    if image.mode in ("L", "I", "F") or image.mode.startswith("I;16"):
        return _float(image), steps
    if image.mode in ("LA", "La"):
        return _float(image.getchannel(0)), [*steps, "alpha dropped"]
    if image.mode in ("RGB", "RGBA", "RGBX"):
        array = np.asarray(image)
        if array.shape[-1] > 3:
            steps.append("alpha dropped")
        red, green, blue = (array[..., channel] for channel in range(3))
        if np.array_equal(red, green) and np.array_equal(red, blue):
            return red.astype(np.float32), [*steps, "equal channels to one"]
        if _has_many_hues(array):
            raise FilmError(ReasonCode.COLOR, path, "a color photograph or drawing; expected a gray radiograph")
        luma = np.empty((image.height, image.width), dtype=np.float32)
        for rows in strips(image.height, image.width):
            luma[rows] = array[rows, :, :3] @ _LUMA
        return luma, [*steps, "color to ITU-R 601 luma"]
    raise FilmError(ReasonCode.COLOR, path, f"pixels of mode {image.mode}; expected gray or RGB, so convert the film")


def _has_many_hues(picture: NDArray[np.uint8]) -> bool:
    """Whether a fifth of the picture has other colors than most pixels as bright as they are.

    A stained or scanned film has one tint at each brightness; marks and letters of other colors take little room.
    """
    step = max(1, round((picture.shape[0] * picture.shape[1] / _SAMPLE) ** 0.5))
    colors = picture[::step, ::step, :3].reshape(-1, 3).astype(np.float32)
    alike = np.array_split(colors[np.argsort(colors @ _LUMA)], _BRIGHTNESSES)
    other = [np.linalg.norm(part - np.median(part, axis=0), axis=1) > _HUE for part in alike if len(part)]
    return bool(np.concatenate(other).mean() > _MANY)


def _ends_black(image: Image.Image) -> bool:
    """Whether one of the last two rows is 0, as is what a decoder was not given."""
    last = range(max(image.height - 2, 0), image.height)
    return any(image.crop((0, row, image.width, row + 1)).getbbox() is None for row in last)


def _float(image: Any) -> NDArray[np.float32]:
    return np.asarray(image).astype(np.float32)
