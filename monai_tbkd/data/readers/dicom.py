"""DICOM films through pydicom."""

from __future__ import annotations

import importlib.util
import logging
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from monai_tbkd.data.film_rules import FilmRules
from monai_tbkd.data.film_turn import FilmTurn
from monai_tbkd.data.own_results import is_own_result
from monai_tbkd.data.readers.decoded_film import DecodedFilm, finite_pixels
from monai_tbkd.data.readers.dicom_display import VOI_CHOICES, display_values
from monai_tbkd.data.readers.dicom_rules import check_tags, patient_orientation, quoted
from monai_tbkd.data.readers.dicom_stream import check_stream
from monai_tbkd.data.readers.file_format import HEAD_BYTES, sniff_format
from monai_tbkd.data.readers.film_limits import FilmLimits
from monai_tbkd.data.readers.jpeg_extended import decode_12_bit_jpeg, is_12_bit_jpeg
from monai_tbkd.data.reason_codes import FilmError, ReasonCode

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# Only what the size needs, so that no element with patient data is even parsed.
_SIZE_TAGS = ["Rows", "Columns", "PatientOrientation", "SOPClassUID"]


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
            MULTI_FRAME, UNSUPPORTED_SYNTAX, TOO_SMALL or TOO_LARGE.
        ValueError: `voi` is not known.
    """
    if voi not in VOI_CHOICES:
        raise ValueError(f"voi is {voi!r}; expected one of {VOI_CHOICES}.")
    with quiet_pydicom():
        ds = _read(path, limits, headless)
        # pydicom parses an element when it is first asked for, so that a damaged one fails anywhere in here.
        with _damage_named(path, "one of its tags cannot be read"):
            found = check_tags(path, ds, rules)
            _check_pixels(path, ds)
            limits.check(path, int(ds.Rows), int(ds.Columns))
            spacing, turn = _spacing(ds), turn_to_upright(ds)
            uid = _uid(ds)
        cells = _decode(path, ds)
        with _damage_named(path, "its LUT or window cannot be applied"):
            pixels, steps = display_values(cells, ds, voi)
            pixels = finite_pixels(path, pixels, steps)
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
        FilmError: CORRUPT, NOT_AN_IMAGE, or TOO_LARGE for a deflated data set that no film can be.
    """
    with quiet_pydicom():
        try:
            if not headless:
                _refuse_inflated_bomb(path, FilmLimits())
            ds = pydicom.dcmread(path, force=headless, stop_before_pixels=True, specific_tags=list(_SIZE_TAGS))
            size = int(ds.Rows), int(ds.Columns)
            return size[::-1] if turn_to_upright(ds).transpose else size
        except FilmError:
            raise
        except (AttributeError, TypeError) as error:
            raise FilmError(ReasonCode.NOT_AN_IMAGE, path, "a DICOM file without rows and columns") from error
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
            if kind == "headless_dicom":
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
    except (FilmError, ImportError):
        raise
    except Exception as error:  # pydicom lets through what zlib, struct and its own parsers raise
        reason = ReasonCode.NOT_AN_IMAGE if headless else ReasonCode.CORRUPT
        raise FilmError(
            reason, path, f"the DICOM file is cut short or damaged ({type(error).__name__}); send it again"
        ) from error
    if headless:
        _assume_transfer_syntax(ds)
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
    """A data set without a meta header does not name its encoding; how it could be parsed tells it."""
    implicit, little = ds.original_encoding
    if not hasattr(ds, "file_meta") or "TransferSyntaxUID" not in ds.file_meta:
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _check_pixels(path: Path, ds: Dataset) -> None:
    for key in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "PhotometricInterpretation"):
        if ds.get(key) is None:
            raise FilmError(ReasonCode.CORRUPT, path, f"the DICOM element {key} is missing; export the film again")
    allocated, stored = int(ds.BitsAllocated), int(ds.BitsStored)
    high = int(ds.get("HighBit") or stored - 1)
    if not 1 <= stored <= high + 1 <= allocated:
        raise FilmError(
            ReasonCode.CORRUPT,
            path,
            f"BitsAllocated {allocated}, BitsStored {stored} and HighBit {high} contradict each other; export the film "
            "again",
        )
    photometric = str(ds.PhotometricInterpretation)
    if int(ds.get("SamplesPerPixel", 1) or 1) != 1 or not photometric.startswith("MONOCHROME"):
        raise FilmError(
            ReasonCode.COLOR,
            path,
            f"{quoted(photometric)} pixels; expected MONOCHROME1 or MONOCHROME2, so send the original radiograph",
        )
    frames = int(ds.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise FilmError(ReasonCode.MULTI_FRAME, path, f"{frames} frames; expected a single radiograph")


def _decode(path: Path, ds: Dataset) -> NDArray[Any]:
    try:
        check_stream(path, ds)
        # With all bits of each cell, as the padding value may lie outside the stored ones.
        ds.pixel_array_options(correct_unused_bits=False)
        cells = decode_12_bit_jpeg(ds) if is_12_bit_jpeg(ds) else np.asarray(ds.pixel_array)
    except (FilmError, ImportError):
        raise
    except Exception as error:
        syntax = getattr(getattr(ds, "file_meta", None), "TransferSyntaxUID", None)
        name = getattr(syntax, "name", None) or "an unnamed transfer syntax"
        if _lacks_decoder(error):
            raise FilmError(
                ReasonCode.UNSUPPORTED_SYNTAX,
                path,
                f"no decoder for {name}; {_mend()}",
            ) from error
        raise FilmError(
            ReasonCode.CORRUPT, path, f"the pixel data ({name}) are cut short or damaged; send the file again"
        ) from error
    expected = (int(ds.Rows), int(ds.Columns))
    if cells.shape != expected:
        raise FilmError(ReasonCode.CORRUPT, path, f"pixel data of shape {cells.shape}; the header says {expected}")
    return cells


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


def _spacing(ds: Dataset) -> tuple[float, float] | None:
    for key in ("PixelSpacing", "ImagerPixelSpacing"):
        value = ds.get(key)
        if value is None or isinstance(value, (str, float)) or len(value) != 2:
            continue
        try:
            rows, columns = float(value[0]), float(value[1])
        except ValueError:  # an empty value, or no number
            continue
        # Some exporters write 0 where they know nothing.
        if rows > 0 and columns > 0:
            return rows, columns
    return None
