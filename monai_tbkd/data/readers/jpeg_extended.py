"""Lossy JPEG of 12 bits (JPEG Extended, process 4) through GDCM, which pydicom's plugin for it forbids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames


def decode_12_bit_jpeg(pixel_data: bytes, rows: int, columns: int, bits_stored: int) -> NDArray[Any]:
    """Decode one frame of unsigned pixels.

    GDCM is told the stream's own 12 bits and not BitsStored: otherwise what lossy coding has put above the range comes
    back as nearly black (8 pixels of one of the NEMA sample films). It is clipped here instead.

    Args:
        pixel_data: of the data set.
        rows: of its header.
        columns: of its header.
        bits_stored: of its header.

    Returns:
        ``(H, W)`` uint16; values far above the range of `bits_stored` are kept, as lossy coding does not make them.

    Raises:
        NotImplementedError: python-gdcm is not installed: no decoder.
        ValueError: the stream does not give as many pixels as the header says.
    """
    try:
        import gdcm
    except ImportError as error:
        raise NotImplementedError("python-gdcm is not installed") from error
    stream = next(generate_frames(pixel_data, number_of_frames=1))
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    gray = gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    image.SetPhotometricInterpretation(gray)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    frame = image.GetBuffer().encode("utf-8", "surrogateescape")
    values = np.frombuffer(frame, "<u2").reshape(rows, columns)
    top = 2**bits_stored - 1
    return np.minimum(values, top) if values.max() <= 1.25 * top else values
