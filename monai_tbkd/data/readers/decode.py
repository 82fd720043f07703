"""Decode an image file of any supported format."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from monai_tbkd.data.readers.decoded_image import DecodedImage, ImageLimits
from monai_tbkd.data.readers.dicom import decode_dicom, dicom_size
from monai_tbkd.data.readers.dicom_rules import ImageRules
from monai_tbkd.data.readers.file_format import HEAD_BYTES, ITK_FORMATS, sniff_format
from monai_tbkd.data.readers.nifti import decode_nifti, nifti_size
from monai_tbkd.data.readers.picture import PICTURE_FORMATS, decode_picture, picture_size
from monai_tbkd.data.readers.reader_process import decode_apart
from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode, named_errors


def decode_image(
    path: str | os.PathLike[str],
    voi: str = "first",
    limits: ImageLimits | None = None,
    rules: ImageRules | None = None,
) -> DecodedImage:
    """Decode one image, upright, rows first, in a process of its own.

    Args:
        path: a PNG, JPEG, TIFF, BMP, DICOM, NIfTI, MetaImage or NRRD file, told by its content.
        voi: for DICOM, ``"first"`` applies the first VOI LUT or window, ``"none"`` leaves it out.
        limits: smallest and largest image.
        rules: what a DICOM file's tags must say; the defaults of `ImageRules` if None.

    Raises:
        ImageError: the file cannot be used; its reason says why.

    Example:
        >>> decode_image("image.dcm").pixels.shape  # doctest: +SKIP
        (2022, 1756)
    """
    path = Path(path)
    limits, rules = limits or ImageLimits(), rules or ImageRules()
    with named_errors(path):
        file_format = _format_of(path)
        limits.check_file(path)
        return decode_apart(_decode, limits.max_pixels, path, file_format, voi, limits, rules)


def _decode(path: Path, file_format: str, voi: str, limits: ImageLimits, rules: ImageRules) -> DecodedImage:
    if file_format in PICTURE_FORMATS:
        return decode_picture(path, limits)
    if file_format in ITK_FORMATS:
        return _itk_image().decode_itk(path, limits, file_format)
    if file_format == "nifti":
        return decode_nifti(path, limits)
    return decode_dicom(path, limits, rules, voi=voi, headless=file_format == "headless_dicom")


def whole_image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return height and width in pixels that `decode_image` would give, from the header alone."""
    path = Path(path)
    with named_errors(path):
        file_format = _format_of(path)
        if file_format in PICTURE_FORMATS:
            return picture_size(path)
        if file_format in ITK_FORMATS:
            return _itk_image().itk_size(path, file_format)
        return nifti_size(path) if file_format == "nifti" else dicom_size(path)


def _itk_image() -> ModuleType:
    """Import the reader of MetaImage and NRRD, which the Model Zoo's folder lacks."""
    try:
        from monai_tbkd.data.readers import itk_image
    except ImportError as error:
        raise ImageError(
            ReasonCode.UNSUPPORTED_SYNTAX,
            detail="MetaImage and NRRD are read by the installed package alone (pip install monai_tbkd); convert it to "
            "NIfTI, DICOM or PNG",
        ) from error
    return itk_image


def _format_of(path: Path) -> str:
    try:
        # Opening a pipe would wait for ever, so only regular files are opened.
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "there is no such file"
            what = "a folder that cannot be opened" if path.is_dir() else what
            raise ImageError(ReasonCode.NOT_READABLE, detail=f"{what}; check the path")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        detail = f"cannot be opened ({error.strerror or error}); check its permissions"
        raise ImageError(ReasonCode.NOT_READABLE, detail=detail) from error
    if not head:
        raise ImageError(ReasonCode.CORRUPT, detail="the file is empty; copy it again")
    file_format = sniff_format(head)
    if file_format is None:
        detail = "not a PNG, JPEG, TIFF, BMP, DICOM, NIfTI, MetaImage or NRRD file by its content; convert it to one"
        raise ImageError(ReasonCode.NOT_AN_IMAGE, detail=detail)
    return file_format
