"""Lossy JPEG of 12 bits (JPEG Extended, process 4) through GDCM, which pydicom's plugin for it forbids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import JPEGExtended12Bit


def is_12_bit_jpeg(ds: Dataset) -> bool:
    """Whether a data set's pixels are lossy JPEG of more than 8 bits."""
    return bool(ds.file_meta.get("TransferSyntaxUID") == JPEGExtended12Bit and int(ds.BitsStored) > 8)


def decode_12_bit_jpeg(ds: Dataset) -> NDArray[Any]:
    """Decode one frame of unsigned pixels.

    GDCM is told the stream's own 12 bits and not BitsStored: otherwise what lossy coding has put above the range comes
    back as nearly black (8 pixels of one of the NEMA sample films). It is clipped here instead.

    Args:
        ds: the data set.

    Returns:
        ``(H, W)`` uint16.

    Raises:
        NotImplementedError: python-gdcm is not installed, or the pixels are signed: no decoder.
        ValueError: the stream does not give as many pixels as the header says.
    """
    try:
        import gdcm
    except ImportError as error:
        raise NotImplementedError("python-gdcm is not installed") from error
    if int(ds.PixelRepresentation) != 0 or int(ds.BitsStored) > 12:
        raise NotImplementedError("signed, or more than 12 bits")
    stream = next(generate_frames(ds.PixelData, number_of_frames=1))
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((int(ds.Columns), int(ds.Rows), 1))
    image.SetDataElement(element)
    gray = gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    image.SetPhotometricInterpretation(gray)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    frame = image.GetBuffer().encode("utf-8", "surrogateescape")
    values = np.frombuffer(frame, "<u2").reshape(int(ds.Rows), int(ds.Columns))
    return np.minimum(values, 2 ** int(ds.BitsStored) - 1)
