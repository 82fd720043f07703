"""DICOM films through pydicom."""

from __future__ import annotations

import importlib.util
import logging
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)

from monai_tbkd.data.film_rules import FilmRules
from monai_tbkd.data.film_turn import FilmTurn
from monai_tbkd.data.film_warnings import FilmWarning
from monai_tbkd.data.own_results import is_own_result
from monai_tbkd.data.readers.decoded_film import DecodedFilm, finite_pixels
from monai_tbkd.data.readers.dicom_display import VOI_CHOICES, DisplaySteps, is_padding, padding_range
from monai_tbkd.data.readers.dicom_elements import numbers, quoted_values, spacing_of, text_of
from monai_tbkd.data.readers.dicom_rules import check_tags, patient_orientation, quoted
from monai_tbkd.data.readers.dicom_stream import StreamHead, guess_syntax, read_stream_head
from monai_tbkd.data.readers.file_format import HEAD_BYTES, sniff_format
from monai_tbkd.data.readers.film_limits import FilmLimits
from monai_tbkd.data.readers.jpeg_extended import decode_12_bit_jpeg
from monai_tbkd.data.readers.pixel_bits import PixelBits, true_bits
from monai_tbkd.data.reason_codes import FilmError, ReasonCode

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# Only what the size needs, so that no element with patient data is even parsed.
_SIZE_TAGS = ["Rows", "Columns", "PatientOrientation", "SOPClassUID"]
_LOSSY_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit)


def decode_dicom(
    path: Path, limits: FilmLimits, rules: FilmRules, voi: str = "first", headless: bool = False
) -> DecodedFilm:
    """Decode a gray single-frame DICOM file to what a viewer shows.

    Args:
        path: the file.
        limits: smallest and largest film.
        rules: what its tags must say.
        voi: ``"first"`` applies the first VOI LUT or window, ``"none"`` leaves it out.
        headless: the file lacks preamble and meta header; it is a film only if pixel data come out of it.

    Returns:
        The film, turned as PatientOrientation says (rows to the patient's left, columns to the feet; as stored where
        it says nothing), larger values brighter.

    Raises:
        FilmError: CORRUPT, NOT_AN_IMAGE, UNSUPPORTED_SOP, FOR_PROCESSING, NOT_CHEST, NOT_FRONTAL, UNDER_AGE, COLOR,
            MULTI_FRAME, UNREADABLE_TAG, UNSUPPORTED_SYNTAX, TOO_SMALL or TOO_LARGE.
        ValueError: `voi` is not known.
    """
    if voi not in VOI_CHOICES:
        raise ValueError(f"voi is {voi!r}; expected one of {VOI_CHOICES}.")
    with quiet_pydicom():
        ds = _read(path, limits, headless)
        # pydicom parses an element when it is first asked for, so that a damaged one fails anywhere in here.
        with _damage_named(path, "one of its tags cannot be read"):
            found = check_tags(path, ds, rules)
            layout = _read_layout(path, ds)
            limits.check(path, layout.rows, layout.columns)
            spacing = spacing_of(ds, "PixelSpacing") or spacing_of(ds, "ImagerPixelSpacing")
            turn = turn_to_upright(ds)
            uid = _uid(ds)
        cells, stream = _decode(path, ds, layout)
        with _damage_named(path, "its LUT or window cannot be applied"):
            bits, steps, doubts = _true_bits(cells, ds, layout, stream)
            try:
                display = DisplaySteps(ds, bits, voi)
            except ValueError as error:
                raise FilmError(ReasonCode.UNREADABLE_TAG, path, str(error)) from error
            pixels = display(cells)
            steps += display.steps
            pixels = finite_pixels(path, pixels, steps)
        found += [*doubts, *([FilmWarning.DISPLAY_LEFT_OUT] if display.left_out else [])]
        if turn:
            pixels = turn.upright(pixels)
            steps.append(f"turned upright ({turn}), as PatientOrientation says")
            spacing = spacing[::-1] if spacing and turn.transpose else spacing
        return DecodedFilm(pixels, "dicom", steps, spacing, uid, turn, found)


def dicom_size(path: Path, headless: bool = False) -> tuple[int, int]:
    """Rows and columns, from the header.

    Args:
        path: the file.
        headless: the file lacks preamble and meta header.

    Returns:
        ``(height, width)`` in pixels.

    Raises:
        FilmError: CORRUPT, NOT_AN_IMAGE, UNREADABLE_TAG, or TOO_LARGE for a deflated data set that no film can be.
    """
    with quiet_pydicom():
        try:
            if not headless:
                _refuse_inflated_bomb(path, FilmLimits())
            ds = pydicom.dcmread(path, force=headless, stop_before_pixels=True, specific_tags=list(_SIZE_TAGS))
            if not numbers(ds, "Rows") or not numbers(ds, "Columns"):
                raise FilmError(ReasonCode.NOT_AN_IMAGE, path, "a DICOM file without rows and columns")
            size = _whole_number(path, ds, "Rows"), _whole_number(path, ds, "Columns")
            return size[::-1] if turn_to_upright(ds).transpose else size
        except FilmError:
            raise
        except Exception as error:
            raise FilmError(
                ReasonCode.CORRUPT, path, f"the DICOM header is damaged ({type(error).__name__})"
            ) from error


def read_dicom_header(path: Path) -> Dataset:
    """Everything of a DICOM file but its pixels.

    Args:
        path: the file, with or without preamble and meta header.

    Returns:
        The data set; elements are parsed when they are first asked for.

    Raises:
        FilmError: NOT_READABLE, NOT_AN_IMAGE, CORRUPT or TOO_LARGE.
    """
    with quiet_pydicom():
        try:
            with path.open("rb") as file:
                kind = sniff_format(file.read(HEAD_BYTES))
        except OSError as error:
            raise FilmError(ReasonCode.NOT_READABLE, path, f"cannot be opened ({error.strerror or error})") from error
        if kind not in ("dicom", "headless_dicom"):
            raise FilmError(ReasonCode.NOT_AN_IMAGE, path, "not a DICOM file by its content")
        with _damage_named(path, "the DICOM header is damaged"):
            if kind == "dicom":
                _refuse_inflated_bomb(path, FilmLimits())
            ds = pydicom.dcmread(path, force=kind == "headless_dicom", stop_before_pixels=True)
            _assume_transfer_syntax(ds)
            return ds


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep back what pydicom, and highdicom with it, say of odd values of odd files.

    They often quote them, and so at times patient data. pydicom also logs a traceback for a stream that cannot be
    decoded, which is told by a reason here.
    """
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _damage_named(path: Path, what: str) -> Iterator[None]:
    """Whatever pydicom raises on a damaged file is the file's fault; its words may quote the file, and are left out."""
    try:
        yield
    except (FilmError, ImportError):  # a broken installation is no fault of the film
        raise
    except Exception as error:
        raise FilmError(ReasonCode.CORRUPT, path, f"{what} ({type(error).__name__}); export the film again") from error


def _read(path: Path, limits: FilmLimits, headless: bool) -> Dataset:
    try:
        if not headless:
            _refuse_inflated_bomb(path, limits)
        ds = pydicom.dcmread(path, force=headless)
        if is_own_result(ds):
            raise FilmError(ReasonCode.OWN_RESULT, path, "written by this program; give the image that it is about")
        if not any(key in ds for key in _PIXELS):
            if not headless and _has_lost_pixels(ds):
                raise FilmError(ReasonCode.CORRUPT, path, "an image without its pixel data; send the file again")
            raise FilmError(ReasonCode.NOT_AN_IMAGE, path, "a DICOM file without pixel data; expected a radiograph")
        _assume_transfer_syntax(ds)
        if not ds.file_meta.TransferSyntaxUID:
            raise FilmError(
                ReasonCode.UNSUPPORTED_SYNTAX,
                path,
                "the DICOM element TransferSyntaxUID is missing, and the compressed pixel data do not tell it; send "
                "the file again with it",
            )
    except (FilmError, ImportError):
        raise
    except Exception as error:  # pydicom lets through what zlib, struct and its own parsers raise
        reason = ReasonCode.NOT_AN_IMAGE if headless else ReasonCode.CORRUPT
        raise FilmError(
            reason, path, f"the DICOM file is cut short or damaged ({type(error).__name__}); send it again"
        ) from error
    return ds


def _has_lost_pixels(ds: Dataset) -> bool:
    """Whether the file was cut: pydicom drops a cut element, and everything where the pixel data are compressed."""
    kind = str(getattr(ds.file_meta.get("MediaStorageSOPClassUID"), "name", ""))
    return "Rows" in ds or len(ds) == 0 or "Image Storage" in kind


def _refuse_inflated_bomb(path: Path, limits: FilmLimits) -> None:
    """A deflated data set is inflated whole before anything of it can be checked, and zlib packs up to 1000 to 1."""
    most = limits.max_pixels * 4 + 2**24
    with path.open("rb") as file:
        pydicom.filereader.read_preamble(file, force=False)
        meta = pydicom.filereader.read_file_meta_info(path)
        length = meta.get("FileMetaInformationGroupLength")
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian or length is None:
            return
        file.seek(128 + 4 + 12 + int(length))
        inflate, size, chunk = zlib.decompressobj(-zlib.MAX_WBITS), 0, b""
        while not inflate.eof and (chunk := inflate.unconsumed_tail or file.read(2**16)):
            try:
                size += len(inflate.decompress(chunk, 2**20))
            except zlib.error:
                return  # damaged: the reading proper says so
            if size > most:
                raise FilmError(
                    ReasonCode.TOO_LARGE, path, f"inflates to more than {most} bytes; send the film uncompressed"
                )


def _uid(ds: Dataset) -> str:
    """The SOP instance UID; empty where it is none, as where a damaged length makes it run over the patient's name."""
    uid = str(ds.get("SOPInstanceUID", "") or "")
    return uid if re.fullmatch(r"[0-9.]{1,64}", uid) else ""


def turn_to_upright(ds: Dataset) -> FilmTurn:
    """From how the film is stored to rows that run to the patient's left and columns that run to the feet."""
    orientation = patient_orientation(ds)
    if orientation is None:
        return FilmTurn()
    across, down = orientation[0][0], orientation[1][0]
    transpose = across in "HF" and down in "LR"
    if transpose:
        across, down = down, across
    if across not in "LR" or down not in "HF":  # seen from the side or from above
        return FilmTurn()
    return FilmTurn(transpose, flip_rows=down == "H", flip_columns=across == "R")


def _assume_transfer_syntax(ds: Dataset) -> None:
    """A data set that does not name its encoding was parsed as it looks, which tells it."""
    if not hasattr(ds, "file_meta"):
        ds.file_meta = pydicom.dataset.FileMetaDataset()
    if not ds.file_meta.get("TransferSyntaxUID"):
        implicit, little = ds.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if implicit else explicit
        if "PixelData" in ds and ds["PixelData"].is_undefined_length:
            syntax = guess_syntax(ds.PixelData)
        ds.file_meta.TransferSyntaxUID = syntax


@dataclass(frozen=True)
class _Layout:
    """How the header says that the pixels are stored."""

    rows: int
    columns: int
    allocated: int
    bits: PixelBits


def _read_layout(path: Path, ds: Dataset) -> _Layout:
    photometric = text_of(ds, "PhotometricInterpretation")
    if not photometric:
        raise _missing(path, "PhotometricInterpretation")
    if _whole_number(path, ds, "SamplesPerPixel", 1) != 1 or not photometric.startswith("MONOCHROME"):
        raise FilmError(
            ReasonCode.COLOR,
            path,
            f"{quoted(photometric)} pixels; expected MONOCHROME1 or MONOCHROME2, so send the original radiograph",
        )
    frames = _whole_number(path, ds, "NumberOfFrames", 1)
    if frames > 1:
        raise FilmError(ReasonCode.MULTI_FRAME, path, f"{frames} frames; expected a single radiograph")
    rows, columns = _whole_number(path, ds, "Rows"), _whole_number(path, ds, "Columns")
    allocated, signed = _whole_number(path, ds, "BitsAllocated"), _whole_number(path, ds, "PixelRepresentation") != 0
    high = _whole_number(path, ds, "HighBit", -1)
    # HighBit is BitsStored - 1 (PS3.3 C.7.6.3.1), so that either tells the other.
    stored = _whole_number(path, ds, "BitsStored", high + 1 or None)
    high = stored - 1 if high < 1 else high
    if not 1 <= stored <= high + 1 <= allocated:
        raise FilmError(
            ReasonCode.CORRUPT,
            path,
            f"BitsAllocated {allocated}, BitsStored {stored} and HighBit {high} contradict each other; export the film "
            "again",
        )
    return _Layout(rows, columns, allocated, PixelBits(stored, high, signed))


def _whole_number(path: Path, ds: Dataset, keyword: str, default: int | None = None) -> int:
    found = numbers(ds, keyword)
    if not found:
        if default is None:
            raise _missing(path, keyword)
        return default
    if found[0] is None or found[0] != int(found[0]):
        raise FilmError(
            ReasonCode.UNREADABLE_TAG,
            path,
            f"{keyword} is {quoted_values(ds, keyword)}; expected a whole number, so have the element corrected",
        )
    return int(found[0])


def _missing(path: Path, keyword: str) -> FilmError:
    return FilmError(ReasonCode.UNREADABLE_TAG, path, f"the DICOM element {keyword} is missing; export the film again")


def _decode(path: Path, ds: Dataset, layout: _Layout) -> tuple[NDArray[Any], StreamHead | None]:
    """The cells with all their bits, as padding and overlays may lie outside the stored ones, signed as they are."""
    try:
        stream = read_stream_head(path, ds, layout.rows, layout.columns, layout.allocated)
        if stream is not None and stream.bits > 8 and ds.file_meta.TransferSyntaxUID in _LOSSY_JPEG:
            cells = decode_12_bit_jpeg(ds.PixelData, layout.rows, layout.columns, layout.bits.stored)
        else:
            cells = _decodable(ds, layout, stream).pixel_array
            if layout.bits.signed and stream is not None and stream.bits == layout.allocated == 8 * cells.itemsize:
                cells = cells.view(f"i{cells.itemsize}")  # padding is compared with them
    except (FilmError, ImportError):
        raise
    except Exception as error:
        syntax = ds.file_meta.get("TransferSyntaxUID")
        if _lacks_decoder(error):
            raise FilmError(
                ReasonCode.UNSUPPORTED_SYNTAX,
                path,
                f"no decoder for the transfer syntax {syntax.name}; {_mend()}",
            ) from error
        raise FilmError(
            ReasonCode.CORRUPT, path, f"the pixel data ({syntax.name}) are cut short or damaged; send the file again"
        ) from error
    expected = layout.rows, layout.columns
    if cells.shape != expected:
        raise FilmError(ReasonCode.CORRUPT, path, f"pixel data of shape {cells.shape}; the header says {expected}")
    return cells, stream


def _decodable(ds: Dataset, layout: _Layout, stream: StreamHead | None) -> Dataset:
    """The pixel data under a header of the compressed stream's own depth and sign, by which decoders go."""
    frame = Dataset()
    frame.file_meta = ds.file_meta
    frame.Rows, frame.Columns, frame.SamplesPerPixel = layout.rows, layout.columns, 1
    frame.PhotometricInterpretation = "MONOCHROME2"
    frame.BitsAllocated, frame.BitsStored = layout.allocated, layout.bits.stored
    frame.PixelRepresentation = int(layout.bits.signed)
    if stream is not None:
        frame.BitsAllocated = 8 if stream.bits <= 8 else 16 if stream.bits <= 16 else 32
        frame.BitsStored, frame.PixelRepresentation = stream.bits, int(stream.signed or False)
    for key in (*_PIXELS, "ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if key in ds:
            frame[key] = ds[key]
    frame.pixel_array_options(correct_unused_bits=False)
    return frame


def _true_bits(
    cells: NDArray[Any], ds: Dataset, layout: _Layout, stream: StreamHead | None
) -> tuple[PixelBits, list[str], list[FilmWarning]]:
    """Which bits are the pixel: the header's, unless the cells show that it is wrong; with what is to be said of it."""
    bits, padding = layout.bits, padding_range(ds)
    if cells.dtype.kind not in "iu" or _has_overlay_bits(ds):
        return bits, [], []
    depth, signed = (layout.allocated, None) if stream is None else (stream.bits, stream.signed)
    no_image = None if padding is None else is_padding(bits.values(cells), cells, padding)
    found, contradiction = true_bits(cells, bits, depth, signed, no_image)
    if not contradiction:
        return bits, [], []
    header = f"BitsStored {bits.stored}, HighBit {bits.high} and PixelRepresentation {int(bits.signed)}"
    step = f"bits outside {header} left out"
    if found.clipped:
        step = f"values outside {header} clipped to them"
    elif found != bits:
        step = f"read as {depth} {'signed' if found.signed else 'unsigned'} bits, which {header} contradict"
    return found, [step], [FilmWarning.BITS_DOUBTFUL]


def _has_overlay_bits(ds: Dataset) -> bool:
    """Whether the header says that overlays lie in unused bits of the pixels (retired; PS3.3 C.9.2 before 2004)."""
    return any((group, 0x0102) in ds and (group, 0x3000) not in ds for group in range(0x6000, 0x6020, 2))


def _mend() -> str:
    if importlib.util.find_spec("gdcm") is None:
        return "install python-gdcm, or send the film uncompressed"
    return "python-gdcm, which is installed, does not read it either, so send the film uncompressed"


def _lacks_decoder(error: Exception) -> bool:
    # pydicom has no exception class of its own for this.
    text = str(error).lower()
    return isinstance(error, NotImplementedError) or any(
        sign in text for sign in ("missing dependencies", "does not support", "no pixel data decoders", "unsupported")
    )
