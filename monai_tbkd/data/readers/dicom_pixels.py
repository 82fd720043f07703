"""Decode the pixels of a DICOM data set and find which of their bits are the image."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

from monai_tbkd.data.readers.dicom_display import is_padding, padding_range
from monai_tbkd.data.readers.dicom_elements import numbers, quoted, quoted_values, text_of
from monai_tbkd.data.readers.dicom_file import PIXEL_KEYS
from monai_tbkd.data.readers.dicom_stream import StreamHead, read_stream_head
from monai_tbkd.data.readers.pixel_bits import PixelBits, true_bits
from monai_tbkd.data.readers.reason_codes import ImageError, ImageWarning, ReasonCode


@dataclass(frozen=True)
class PixelLayout:
    """How the header says that the pixels are stored."""

    rows: int
    columns: int
    allocated: int
    bits: PixelBits

    @property
    def native_bytes(self) -> int:
        """Length of the pixels where they are not compressed."""
        return self.rows * self.columns * ((self.allocated + 7) // 8)


def read_layout(ds: Dataset) -> PixelLayout:
    """Read how the header says that the pixels are stored."""
    photometric = text_of(ds, "PhotometricInterpretation")
    if not photometric:
        raise _missing("PhotometricInterpretation")
    if whole_number(ds, "SamplesPerPixel", 1) != 1 or not photometric.startswith("MONOCHROME"):
        detail = f"{quoted(photometric)} pixels; expected MONOCHROME1 or MONOCHROME2, so send the original radiograph"
        raise ImageError(ReasonCode.COLOR, detail=detail)
    frames = whole_number(ds, "NumberOfFrames", 1)
    if frames > 1:
        raise ImageError(ReasonCode.MULTI_FRAME, detail=f"{frames} frames; expected a single radiograph")
    rows, columns = whole_number(ds, "Rows"), whole_number(ds, "Columns")
    allocated, signed = whole_number(ds, "BitsAllocated"), whole_number(ds, "PixelRepresentation") != 0
    high = whole_number(ds, "HighBit", -1)
    # HighBit is BitsStored - 1 (PS3.3 C.7.6.3.1), so that either tells the other.
    stored = whole_number(ds, "BitsStored", high + 1 or None)
    high = stored - 1 if high < 1 else high
    if not 1 <= stored <= high + 1 <= allocated:
        raise ImageError(
            ReasonCode.CORRUPT,
            detail=f"BitsAllocated {allocated}, BitsStored {stored} and HighBit {high} contradict each other; export "
            "the image again",
        )
    return PixelLayout(rows, columns, allocated, PixelBits(stored, high, signed))


def whole_number(ds: Dataset, keyword: str, default: int | None = None) -> int:
    """Return the first value of an element, or the default where it is missing; UNREADABLE_TAG if neither is there."""
    found = numbers(ds, keyword)
    if not found:
        if default is None:
            raise _missing(keyword)
        return default
    if found[0] is None or found[0] != int(found[0]):
        detail = f"{keyword} is {quoted_values(ds, keyword)}; expected a whole number, so have the element corrected"
        raise ImageError(ReasonCode.UNREADABLE_TAG, detail=detail)
    return int(found[0])


def _missing(keyword: str) -> ImageError:
    return ImageError(
        ReasonCode.UNREADABLE_TAG, detail=f"the DICOM element {keyword} is missing; export the image again"
    )


def decode_cells(ds: Dataset, layout: PixelLayout) -> tuple[NDArray[Any], StreamHead | None]:
    """Decode cells with all their bits, as padding and overlays may lie outside the stored ones, signed as they are."""
    syntax = ds.file_meta.get("TransferSyntaxUID")
    try:
        stream = read_stream_head(ds, layout.rows, layout.columns, layout.allocated)
        if stream is not None and stream.bits > 8 and syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
            cells = _decode_12_bit_jpeg(ds.PixelData, layout)
        else:
            cells = _decodable(ds, layout, stream).pixel_array
            if layout.bits.signed and stream is not None and stream.bits == layout.allocated == 8 * cells.itemsize:
                cells = cells.view(f"i{cells.itemsize}")  # padding is compared with them
    except (ImageError, ImportError, MemoryError):
        raise
    except Exception as error:
        # pydicom has no exception class of its own for a missing decoder.
        signs = ("missing dependencies", "does not support", "no pixel data decoders", "unsupported")
        if isinstance(error, NotImplementedError) or any(sign in str(error).lower() for sign in signs):
            mend = "python-gdcm, which is installed, does not read it either, so send the image uncompressed"
            if importlib.util.find_spec("gdcm") is None:
                mend = "install python-gdcm, or send the image uncompressed"
            detail = f"no decoder for the transfer syntax {syntax.name}; {mend}"
            raise ImageError(ReasonCode.UNSUPPORTED_SYNTAX, detail=detail) from error
        detail = f"the pixel data ({syntax.name}) are cut short or damaged; send the file again"
        raise ImageError(ReasonCode.CORRUPT, detail=detail) from error
    expected = layout.rows, layout.columns
    if cells.shape != expected:
        raise ImageError(ReasonCode.CORRUPT, detail=f"pixel data of shape {cells.shape}; the header says {expected}")
    return cells, stream


def _decodable(ds: Dataset, layout: PixelLayout, stream: StreamHead | None) -> Dataset:
    """Put the pixel data under a header of the compressed stream's own depth and sign, by which decoders go."""
    frame = Dataset()
    frame.file_meta = ds.file_meta
    frame.Rows, frame.Columns, frame.SamplesPerPixel = layout.rows, layout.columns, 1
    frame.PhotometricInterpretation = "MONOCHROME2"
    frame.BitsAllocated, frame.BitsStored = layout.allocated, layout.bits.stored
    frame.PixelRepresentation = int(layout.bits.signed)
    if stream is not None:
        frame.BitsAllocated = 8 if stream.bits <= 8 else 16 if stream.bits <= 16 else 32
        frame.BitsStored, frame.PixelRepresentation = stream.bits, int(stream.signed or False)
    for key in (*PIXEL_KEYS, "ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if key in ds:
            frame[key] = ds[key]
    frame.pixel_array_options(correct_unused_bits=False)
    return frame


def _decode_12_bit_jpeg(pixel_data: bytes, layout: PixelLayout) -> NDArray[Any]:
    """Decode lossy JPEG of 12 bits (JPEG Extended, process 4) with GDCM, which pydicom's plugin for it forbids.

    GDCM is told the stream's own 12 bits and not BitsStored: otherwise what lossy coding has put above the range comes
    back as nearly black (8 pixels of one of the NEMA sample images). It is clipped here; values far above the range are
    kept, as lossy coding does not make them.
    """
    try:
        import gdcm
    except ImportError as error:
        raise NotImplementedError("python-gdcm is not installed") from error
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(next(generate_frames(pixel_data, number_of_frames=1)))
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((layout.columns, layout.rows, 1))
    image.SetDataElement(element)
    gray = gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    image.SetPhotometricInterpretation(gray)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    frame = image.GetBuffer().encode("utf-8", "surrogateescape")
    values = np.frombuffer(frame, "<u2").reshape(layout.rows, layout.columns)
    top = 2**layout.bits.stored - 1
    return np.minimum(values, top) if values.max() <= 1.25 * top else values


def bits_of(
    cells: NDArray[Any], ds: Dataset, layout: PixelLayout, stream: StreamHead | None
) -> tuple[PixelBits, list[str], list[ImageWarning]]:
    """Find which bits are the pixel: the header's, unless the cells contradict it, with a step and a warning."""
    bits, padding = layout.bits, padding_range(ds)
    # Overlays in unused bits of the pixels are retired (PS3.3 C.9.2 before 2004) and still found.
    has_overlay = any((group, 0x0102) in ds and (group, 0x3000) not in ds for group in range(0x6000, 0x6020, 2))
    if cells.dtype.kind not in "iu" or has_overlay:
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
    return found, [step], [ImageWarning.BITS_DOUBTFUL]
