"""Read DICOM files to data sets, whole or without pixels, and add the transfer syntax where it is missing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom import Dataset, uid

from monai_tbkd.data.files.own_results import is_own_result
from monai_tbkd.data.readers.decoded_image import ImageLimits, as_corrupt, read_to_end, zlib_chunks
from monai_tbkd.data.readers.dicom_stream import guess_syntax
from monai_tbkd.data.readers.file_format import HEAD_BYTES, sniff_format
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode, named_errors

PIXEL_KEYS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def read_dicom_header(path: Path, keywords: Sequence[str] | None = None) -> Dataset:
    """Read everything of a DICOM file but its pixels, or the elements with these keywords alone.

    Raises:
        ImageError: NOT_READABLE, NOT_AN_IMAGE, CORRUPT or TOO_LARGE.
    """
    with quiet_pydicom(), named_errors(path):
        try:
            with path.open("rb") as file:
                kind = sniff_format(file.read(HEAD_BYTES))
        except OSError as error:
            raise ImageError(ReasonCode.NOT_READABLE, detail=f"cannot be opened ({error.strerror or error})") from error
        if kind not in ("dicom", "headless_dicom"):
            raise ImageError(ReasonCode.NOT_AN_IMAGE, detail="not a DICOM file by its content")
        with as_corrupt("the DICOM header is damaged ({kind}); export the image again", but=(ImageError, ImportError)):
            headless, tags = kind == "headless_dicom", None if keywords is None else list(keywords)
            return _read(path, ImageLimits(), headless, stop_before_pixels=True, specific_tags=tags)


def read_dicom(path: Path, limits: ImageLimits, headless: bool) -> Dataset:
    """Read a DICOM file with its pixels; a `headless` one lacks preamble and meta header."""
    reason = ReasonCode.NOT_AN_IMAGE if headless else ReasonCode.CORRUPT
    with as_corrupt(
        "the DICOM file is cut short or damaged ({kind}); send it again", reason, but=(ImageError, ImportError)
    ):
        ds = _read(path, limits, headless)
        if is_own_result(ds):
            raise ImageError(ReasonCode.OWN_RESULT, detail="written by this program; give the image that it is about")
        if not any(key in ds for key in PIXEL_KEYS):
            # pydicom drops a cut element, and everything where the pixel data are compressed.
            kind = str(getattr(ds.file_meta.get("MediaStorageSOPClassUID"), "name", ""))
            if not headless and ("Rows" in ds or len(ds) == 0 or "Image Storage" in kind):
                raise ImageError(ReasonCode.CORRUPT, detail="an image without its pixel data; send the file again")
            raise ImageError(ReasonCode.NOT_AN_IMAGE, detail="a DICOM file without pixel data; expected a radiograph")
        if not ds.file_meta.TransferSyntaxUID:
            raise ImageError(
                ReasonCode.UNSUPPORTED_SYNTAX,
                detail="the DICOM element TransferSyntaxUID is missing, and the compressed pixel data do not tell it; "
                "send the file again with it",
            )
    return ds


def _read(path: Path, limits: ImageLimits, headless: bool, **options: Any) -> Dataset:
    """Read a data set with a transfer syntax: the file's, the encoding that pydicom guessed, or the stream's own."""
    if not headless:
        _refuse_inflated_bomb(path, limits)
    ds = pydicom.dcmread(path, force=headless, **options)
    if not hasattr(ds, "file_meta"):
        ds.file_meta = pydicom.dataset.FileMetaDataset()
    if not ds.file_meta.get("TransferSyntaxUID"):
        implicit, little = ds.original_encoding
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        syntax = uid.ImplicitVRLittleEndian if implicit else explicit
        if "PixelData" in ds and ds["PixelData"].is_undefined_length:
            syntax = guess_syntax(ds.PixelData)
        ds.file_meta.TransferSyntaxUID = syntax
    return ds


def _refuse_inflated_bomb(path: Path, limits: ImageLimits) -> None:
    """Raise TOO_LARGE for a deflated data set that is larger than any image, since pydicom inflates it whole."""
    with path.open("rb") as file:
        pydicom.filereader.read_preamble(file, force=False)
        meta = pydicom.filereader.read_file_meta_info(path)
        length = meta.get("FileMetaInformationGroupLength")
        if meta.get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian or length is None:
            return
        file.seek(128 + 4 + 12 + int(length))
        try:
            read_to_end(zlib_chunks(file, -zlib.MAX_WBITS), limits.max_pixels * 4 + 2**24)
        except (zlib.error, EOFError):
            return  # damaged: pydicom finds it again
