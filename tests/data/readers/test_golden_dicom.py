"""Golden DICOM images: the values that the standard's formulas give, written out here, and what dcmtk shows.

Two paths, neither of them pydicom's: numpy formulas from PS3.3 C.11, in the value scale of the image, exactly; and
dcmtk's dcm2pnm at 16 bits, to one gray level. The scales differ: `decode_image` keeps a window's output in the range of
the values that went in (12 bits stay 0..4095), dcm2pnm always shows 0..65535; `dcmtk_gray` maps the one to the other.

Where dcmtk and the standard differ, the standard is followed:

* dcmtk rounds rescaled values down to whole numbers before it goes on (a slope of 0.25 loses 2 bits).
* dcmtk 3.6.7 takes LINEAR_EXACT for LINEAR, so it has no say there.
* dcmtk shows padding as any other value; here it becomes the darkest (C.7.5.1.1.2: it "may be suppressed").
* dcmtk looks up no PresentationLUTSequence of an image (which no image IOD has, but some files do).
* For MONOCHROME1 with a PresentationLUTShape of IDENTITY, which contradict each other (C.8.11.3.1.2 asks for INVERSE),
  dcmtk believes the shape; here MONOCHROME1 is always inverted, as C.7.6.3.1.2 says.
* dcmtk keeps only the stored bits of what lossy JPEG decodes to, so that 1024 of 1023 wraps to 0; here it is clipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from monai_tbkd.data import ImageError, ImageRules, ReasonCode
from monai_tbkd.data.readers import DecodedImage, decode_image
from tests.data.golden_dicom import (
    by_dcmtk,
    by_gdcm,
    by_pillow,
    in_rle,
    lut_item,
    mosaic,
    ramp,
    seen_by_dcmtk,
    write_image,
)

Array = NDArray[Any]

EVERYTHING = ImageRules(min_age=0, secondary_capture=True, any_view=True, any_body_part=True)


# ---- PS3.3 C.11 by hand ---------------------------------------------------------------------------------------------


def bounds(bits: int, signed: bool = False) -> tuple[int, int]:
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def linear(x: Array, center: float, width: float, low: float, high: float) -> Array:
    """C.11.2.1.2.1"""
    left, right = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    inside = ((x - (center - 0.5)) / max(width - 1, 1e-9) + 0.5) * (high - low) + low
    return np.where(x <= left, low, np.where(x > right, high, inside))


def linear_exact(x: Array, center: float, width: float, low: float, high: float) -> Array:
    """C.11.2.1.3.2"""
    inside = (x - center) / width * (high - low) + (high + low) / 2
    return np.where(x <= center - width / 2, low, np.where(x > center + width / 2, high, inside))


def sigmoid(x: Array, center: float, width: float, low: float, high: float) -> Array:
    """C.11.2.1.3.1"""
    return low + (high - low) / (1 + np.exp(-4 * (x - center) / width))


def looked_up(x: Array, entries: Any, first: int) -> Array:
    """C.11.1.1, C.11.2.1.1: values below the first mapped take the first entry, above the last the last."""
    entries = np.asarray(entries)
    return entries[np.clip(x - first, 0, len(entries) - 1)]


# ---- cases ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An image, the display values it must give, and the range `low`..`high` that these values could have."""

    name: str
    stored: Array
    bits: int
    expected: Array
    low: float
    high: float
    how: dict[str, Any] = field(default_factory=dict)
    dcmtk: str | None = ""  # what chooses the window or LUT; None where dcmtk has no say (see above)
    dcmtk_tolerance: float = 1
    tolerance: float = 0

    @property
    def windowed(self) -> bool:
        return self.dcmtk == "+Wi 1" and np.min(self.how["WindowWidth"]) > 0

    @property
    def inverted(self) -> bool:
        return "MONOCHROME1" in self.how.values() or "INVERSE" in self.how.values()


CASES: list[Case] = []


def case(name: str, stored: Array, bits: int, expected: Array, low: float, high: float, **more: Any) -> None:
    checks = {key: more.pop(key) for key in ("dcmtk", "dcmtk_tolerance", "tolerance") if key in more}
    CASES.append(Case(name, stored, bits, expected, low, high, more, **checks))


def flip(x: Array, low: float, high: float) -> Array:
    return low + high - x


R = ramp(0, 4095)
S = ramp(-2048, 2047)
M1 = {"PhotometricInterpretation": "MONOCHROME1"}
WINDOW = {"dcmtk": "+Wi 1", "tolerance": 0.01}

for bits in (8, 12, 15, 16):  # all of a word, a part of one, an odd number, all of two bytes
    for signed in (False, True):
        low, high = bounds(bits, signed)
        x = ramp(low, high)
        case(f"{bits} bits{' signed' * signed}", x, bits, x, low, high, signed=signed)
        case(f"{bits} bits{' signed' * signed} M1", x, bits, flip(x, low, high), low, high, signed=signed, **M1)
case("8 of 16 bits", ramp(0, 255), 8, ramp(0, 255), 0, 255, allocated=16)
case("8 of 16 bits signed", ramp(-128, 127), 8, ramp(-128, 127), -128, 127, allocated=16, signed=True)
case("signed, sign not extended", S & 0xFFF, 12, S, -2048, 2047, signed=True)
case("a part of the range", ramp(500, 3000), 12, ramp(500, 3000), 0, 4095)
case("a part of the range M1", ramp(500, 3000), 12, 4095 - ramp(500, 3000), 0, 4095, **M1)
case("DX", R, 12, R, 0, 4095, Modality="DX", SOPClassUID=DigitalXRayImageStorageForPresentation)
# Overlay planes in the unused bits (retired, still found): bits 12 to 15 are not pixels.
case("overlay in high bits", R | (R > 2000) << 12 | 1 << 15, 12, R, 0, 4095, overlay_bits=[12, 15])

case("IDENTITY", R, 12, R, 0, 4095, PresentationLUTShape="IDENTITY")
case("INVERSE M1", R, 12, 4095 - R, 0, 4095, PresentationLUTShape="INVERSE", **M1)
case("INVERSE alone", R, 12, 4095 - R, 0, 4095, PresentationLUTShape="INVERSE")
case("IDENTITY M1", R, 12, 4095 - R, 0, 4095, PresentationLUTShape="IDENTITY", dcmtk=None, **M1)

case("rescale", R, 12, 2 * R - 100, -100, 8090, RescaleSlope=2, RescaleIntercept=-100)
case("rescale M1", R, 12, flip(2 * R - 100, -100, 8090), -100, 8090, RescaleSlope=2, RescaleIntercept=-100, **M1)
case(
    "rescale, fraction", R, 12, 0.25 * R, 0, 1023.75, RescaleSlope=0.25, RescaleIntercept=0,
    dcmtk_tolerance=65536 / 1024,
)  # fmt: skip
case("rescale, fraction and offset", R, 12, R / 4 + 0.5, 0.5, 1024.25, RescaleSlope=0.25, RescaleIntercept=0.5,
     dcmtk=None)  # fmt: skip
case("rescale, negative", R, 12, 4095 - R, 0, 4095, RescaleSlope=-1, RescaleIntercept=4095)
case("rescale, negative, M1 signed", S, 12, flip(10 - 2 * S, -4084, 4106), -4084, 4106, signed=True,
     RescaleSlope=-2, RescaleIntercept=10, **M1)  # fmt: skip

CURVE = np.arange(4096) ** 2 * 65535 // 4095**2
case("modality LUT", R, 12, CURVE[R], 0, 65535, ModalityLUTSequence=lut_item(CURVE, 0, 16))
case("modality LUT as bytes", R, 12, CURVE[R], 0, 65535, ModalityLUTSequence=lut_item(CURVE, 0, 16, packed=True))
case("modality LUT M1", R, 12, 65535 - CURVE[R], 0, 65535, ModalityLUTSequence=lut_item(CURVE, 0, 16), **M1)
case("modality LUT, offset", R, 12, looked_up(R, CURVE[:1000], 500), 0, 65535,
     ModalityLUTSequence=lut_item(CURVE[:1000], 500, 16))  # fmt: skip
case("modality LUT, falling", R, 12, CURVE[::-1][R], 0, 65535, ModalityLUTSequence=lut_item(CURVE[::-1], 0, 16))
case("modality LUT of 8 bits", R, 12, CURVE[R] // 257, 0, 255, ModalityLUTSequence=lut_item(CURVE // 257, 0, 8))
case("modality LUT of 8 bits as bytes", R, 12, CURVE[R] // 257, 0, 255,
     ModalityLUTSequence=lut_item(CURVE // 257, 0, 8, packed=True))  # fmt: skip
# The standard knows 8 and 16 bits here, but writers give the depth they use, and it is as clear.
case("modality LUT of 12 bits", R, 12, CURVE[R] // 16, 0, 4095, ModalityLUTSequence=lut_item(CURVE // 16, 0, 12))
case("modality LUT, signed", S, 12, CURVE[S + 2048], 0, 65535, signed=True,
     ModalityLUTSequence=lut_item(CURVE, -2048, 16))  # fmt: skip
case("modality LUT, signed, implicit VR", S, 12, CURVE[S + 2048], 0, 65535, signed=True,
     syntax=ImplicitVRLittleEndian, ModalityLUTSequence=lut_item(CURVE, -2048, 16))  # fmt: skip
case("modality LUT, signed 8 bits", ramp(-128, 127), 8, CURVE[::16][ramp(0, 255)], 0, 65535, signed=True,
     ModalityLUTSequence=lut_item(CURVE[::16], -128, 16))  # fmt: skip
case("modality LUT, signed 16 bits", ramp(-32768, 32767), 16, 65535 - ramp(0, 65535), 0, 65535, signed=True,
     ModalityLUTSequence=lut_item(np.arange(65536)[::-1], -32768, 16, packed=True))  # fmt: skip
case("modality LUT, 65536 entries", ramp(0, 65535), 16, 65535 - ramp(0, 65535), 0, 65535,
     ModalityLUTSequence=lut_item(np.arange(65536)[::-1], 0, 16, packed=True))  # fmt: skip
case("modality LUT, longer than 8 bits need", ramp(0, 255), 8, 64 * ramp(0, 255), 0, 65535,
     ModalityLUTSequence=lut_item(np.arange(1024) * 64, 0, 16))  # fmt: skip
case("modality LUT beside an idle rescale", R, 12, CURVE[R], 0, 65535, RescaleSlope=1, RescaleIntercept=0,
     ModalityLUTSequence=lut_item(CURVE, 0, 16))  # fmt: skip

for center, width in ((2000, 1000), (2000, 1), (2000, 2), (2048, 20000), (1000.5, 700.25)):
    how = {"WindowCenter": center, "WindowWidth": width, **WINDOW}
    case(f"window {center}/{width}", R, 12, linear(R, center, width, 0, 4095), 0, 4095, **how)
    if width > 2:
        case(f"window {center}/{width} M1", R, 12, 4095 - linear(R, center, width, 0, 4095), 0, 4095, **how, **M1)
case("two windows", R, 12, linear(R, 1000, 500, 0, 4095), 0, 4095, WindowCenter=[1000, 2000], WindowWidth=[500, 10],
     **WINDOW)  # fmt: skip
case("window, signed", S, 12, linear(S, -300, 1500, -2048, 2047), -2048, 2047, signed=True, WindowCenter=-300,
     WindowWidth=1500, **WINDOW)  # fmt: skip
case("window of no width", R, 12, R, 0, 4095, WindowCenter=2000, WindowWidth=0, dcmtk="+Wi 1")
case("window of negative width", R, 12, R, 0, 4095, WindowCenter=2000, WindowWidth=-5, dcmtk="+Wi 1")
case("window LINEAR_EXACT", R, 12, linear_exact(R, 2000, 1000, 0, 4095), 0, 4095, VOILUTFunction="LINEAR_EXACT",
     WindowCenter=2000, WindowWidth=1000, dcmtk=None, tolerance=0.01)  # fmt: skip
case("window LINEAR_EXACT, below 1", R, 12, np.where(R > 2000, 4095, 0), 0, 4095, VOILUTFunction="LINEAR_EXACT",
     WindowCenter=2000.5, WindowWidth=0.5, dcmtk=None)  # fmt: skip
case("window SIGMOID", R, 12, sigmoid(R, 2000, 1000, 0, 4095), 0, 4095, VOILUTFunction="SIGMOID", WindowCenter=2000,
     WindowWidth=1000, **WINDOW)  # fmt: skip
case("window SIGMOID M1", R, 12, 4095 - sigmoid(R, 2000, 1000, 0, 4095), 0, 4095, VOILUTFunction="SIGMOID",
     WindowCenter=2000, WindowWidth=1000, **WINDOW, **M1)  # fmt: skip

case("rescale and window", R, 12, linear(2 * R - 100, 2048, 4096, -100, 8090), -100, 8090, RescaleSlope=2,
     RescaleIntercept=-100, WindowCenter=2048, WindowWidth=4096, **WINDOW)  # fmt: skip
case("rescale and window M1", R, 12, flip(linear(2 * R - 100, 2048, 4096, -100, 8090), -100, 8090), -100, 8090,
     RescaleSlope=2, RescaleIntercept=-100, WindowCenter=2048, WindowWidth=4096, **WINDOW, **M1)  # fmt: skip
case("fraction and window", R, 12, linear(R / 2, 1000, 700, 0, 2047.5), 0, 2047.5, RescaleSlope=0.5,
     RescaleIntercept=0, WindowCenter=1000, WindowWidth=700, dcmtk="+Wi 1", tolerance=0.01,
     dcmtk_tolerance=65535 / 699)  # fmt: skip
case("negative rescale and window", R, 12, linear(4095 - R, 1500, 1000, 0, 4095), 0, 4095, RescaleSlope=-1,
     RescaleIntercept=4095, WindowCenter=1500, WindowWidth=1000, **WINDOW)  # fmt: skip
case("negative rescale and window M1", R, 12, 4095 - linear(4095 - R, 1500, 1000, 0, 4095), 0, 4095, RescaleSlope=-1,
     RescaleIntercept=4095, WindowCenter=1500, WindowWidth=1000, **WINDOW, **M1)  # fmt: skip
case("negative rescale and SIGMOID", R, 12, sigmoid(4095 - R, 1500, 1000, 0, 4095), 0, 4095, RescaleSlope=-1,
     RescaleIntercept=4095, WindowCenter=1500, WindowWidth=1000, VOILUTFunction="SIGMOID", **WINDOW)  # fmt: skip
case("modality LUT and window M1", R, 12, 65535 - linear(CURVE[R], 30000, 40000, 0, 65535), 0, 65535,
     ModalityLUTSequence=lut_item(CURVE, 0, 16), WindowCenter=30000, WindowWidth=40000, **WINDOW, **M1)  # fmt: skip
case("modality LUT beside an idle rescale, and window", R, 12, linear(CURVE[R], 30000, 40000, 0, 65535), 0, 65535,
     ModalityLUTSequence=lut_item(CURVE, 0, 16), RescaleSlope=1, RescaleIntercept=0, WindowCenter=30000,
     WindowWidth=40000, **WINDOW)  # fmt: skip

ROOT = np.sqrt(np.arange(4096) / 4095)
LUT = {"dcmtk": "+Wl 1"}
for bits in (8, 12, 16):
    top = 2**bits - 1
    entries = (ROOT * top).astype(int)
    case(f"VOI LUT of {bits} bits", R, 12, entries[R], 0, top, VOILUTSequence=lut_item(entries, 0, bits), **LUT)
    case(f"VOI LUT of {bits} bits as bytes", R, 12, entries[R], 0, top,
         VOILUTSequence=lut_item(entries, 0, bits, packed=True), **LUT)  # fmt: skip
    case(f"VOI LUT of {bits} bits, offset", R, 12, looked_up(R, entries[::4], 1000), 0, top,
         VOILUTSequence=lut_item(entries[::4], 1000, bits), **LUT)  # fmt: skip
ROOT16 = (ROOT * 65535).astype(int)
case("VOI LUT M1", R, 12, 65535 - ROOT16[R], 0, 65535, VOILUTSequence=lut_item(ROOT16, 0, 16), **LUT, **M1)
case("VOI LUT, falling", R, 12, ROOT16[::-1][R], 0, 65535, VOILUTSequence=lut_item(ROOT16[::-1], 0, 16), **LUT)
case("VOI LUT, signed", S, 12, ROOT16[S + 2048], 0, 65535, signed=True, VOILUTSequence=lut_item(ROOT16, -2048, 16),
     **LUT)  # fmt: skip
case("VOI LUT, signed, implicit VR", S, 12, ROOT16[S + 2048], 0, 65535, signed=True, syntax=ImplicitVRLittleEndian,
     VOILUTSequence=lut_item(ROOT16, -2048, 16), **LUT)  # fmt: skip
case("VOI LUT goes before window", R, 12, ROOT16[R], 0, 65535, VOILUTSequence=lut_item(ROOT16, 0, 16),
     WindowCenter=5, WindowWidth=10, **LUT)  # fmt: skip
case("two VOI LUTs", R, 12, ROOT16[R], 0, 65535,
     VOILUTSequence=lut_item(ROOT16, 0, 16) + lut_item(ROOT16[::-1], 0, 16), **LUT)  # fmt: skip
case("rescale and VOI LUT", R, 12, ROOT16[R], 0, 65535, RescaleSlope=1, RescaleIntercept=-1024,
     VOILUTSequence=lut_item(ROOT16, -1024, 16), **LUT)  # fmt: skip
# With implicit VR the sign of the first mapped value is told by what goes into the LUT, not by the stored pixels.
case("rescale below 0 and VOI LUT, implicit VR", R, 12, ROOT16[R], 0, 65535, RescaleSlope=1, RescaleIntercept=-1024,
     syntax=ImplicitVRLittleEndian, VOILUTSequence=lut_item(ROOT16, -1024, 16), **LUT)  # fmt: skip
case("signed, modality LUT and VOI LUT from 40000, implicit VR", S, 12,
     looked_up(CURVE[S + 2048], np.arange(20000) * 3, 40000), 0, 65535, signed=True, syntax=ImplicitVRLittleEndian,
     ModalityLUTSequence=lut_item(CURVE, -2048, 16),
     VOILUTSequence=lut_item(np.arange(20000) * 3, 40000, 16, packed=True), **LUT)  # fmt: skip
case("rescale past 16 bits and VOI LUT", ramp(0, 65535), 16, looked_up(2 * ramp(0, 65535), ROOT16, 0), 0, 65535,
     RescaleSlope=2, RescaleIntercept=0, VOILUTSequence=lut_item(ROOT16, 0, 16), **LUT)  # fmt: skip
case("modality LUT and VOI LUT M1", R, 12, 65535 - ROOT16[CURVE[R] // 16], 0, 65535,
     ModalityLUTSequence=lut_item(CURVE // 16, 0, 16), VOILUTSequence=lut_item(ROOT16, 0, 16), **LUT,
     **M1)  # fmt: skip

# No image IOD has a Presentation LUT Sequence, but where one is, its input is the whole range, not this image's.
PLUT = np.arange(4096) ** 2 // 4095
case("presentation LUT", R, 12, PLUT[R], 0, 4095, PresentationLUTSequence=lut_item(PLUT, 0, 12), dcmtk=None,
     tolerance=2)  # fmt: skip
case("presentation LUT, a part of the range", ramp(500, 3000), 12, PLUT[ramp(500, 3000)], 0, 4095,
     PresentationLUTSequence=lut_item(PLUT, 0, 12), dcmtk=None, tolerance=2)  # fmt: skip

for name, syntax in (
    ("implicit VR", ImplicitVRLittleEndian),
    ("big endian", ExplicitVRBigEndian),
    ("deflated", DeflatedExplicitVRLittleEndian),
):
    case(f"{name}, 12 bits", R, 12, R, 0, 4095, syntax=syntax)
    case(f"{name}, 8 bits", ramp(0, 255), 8, ramp(0, 255), 0, 255, syntax=syntax)
    case(f"{name}, signed window M1", S, 12, flip(linear(S, -300, 1500, -2048, 2047), -2048, 2047), -2048, 2047,
         signed=True, syntax=syntax, WindowCenter=-300, WindowWidth=1500, **WINDOW, **M1)  # fmt: skip
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    case(f"{name}, VOI LUT as bytes", R, 12, ROOT16[R], 0, 65535, syntax=syntax,
         VOILUTSequence=lut_item(ROOT16, 0, 16, packed=True, order=order), **LUT)  # fmt: skip
for name, syntax in (
    ("implicit VR", ImplicitVRLittleEndian),
    ("explicit VR", ExplicitVRLittleEndian),
    ("big endian", ExplicitVRBigEndian),
):
    case(f"no meta header, {name}", R, 12, R, 0, 4095, syntax=syntax, headless=True)
    case(f"no meta header, {name}, 8 bits", ramp(0, 255), 8, ramp(0, 255), 0, 255, syntax=syntax, headless=True)
case("no meta header, modality LUT and window M1", S, 12, 65535 - linear(CURVE[S + 2048], 30000, 40000, 0, 65535), 0,
     65535, signed=True, syntax=ImplicitVRLittleEndian, headless=True, WindowCenter=30000, WindowWidth=40000,
     ModalityLUTSequence=lut_item(CURVE, -2048, 16), **WINDOW, **M1)  # fmt: skip

IDS = [each.name for each in CASES]


def dcmtk_gray(pixels: Array, low: float, high: float, windowed: bool, inverted: bool) -> Array:
    """Our display values, which could lie in `low`..`high`, as dcm2pnm would show them, 0 to 65535.

    A window's ends are black and white. Whole ranges and LUT outputs are taken as 65536 bins: 12-bit value v is shown
    as 16 v, and, inverted, as 65535 - 16 v.
    """
    pixels = pixels.astype(np.float64)
    if windowed:
        return (pixels - low) / (high - low) * 65535
    bin_width = 65536 / (high - low + 1)
    return 65535 - (high - pixels) * bin_width if inverted else (pixels - low) * bin_width


def image_of(each: Case, tmp_path: Path) -> DecodedImage:
    return decode_image(write_image(tmp_path / "image.dcm", each.stored, each.bits, **each.how))


@pytest.mark.parametrize("each", CASES, ids=IDS)
def test_values_are_those_of_the_standard(each: Case, tmp_path: Path) -> None:
    image = image_of(each, tmp_path)
    np.testing.assert_allclose(image.pixels, each.expected, rtol=1e-6, atol=each.tolerance)
    assert image.pixels.dtype == np.float32
    assert image.warnings == []
    assert image.steps.count("inverted") == each.inverted
    assert "inverted" not in image.steps[:-1], "inversion comes last"


@pytest.mark.system
@pytest.mark.parametrize("each", [e for e in CASES if e.dcmtk is not None], ids=lambda e: e.name)
def test_dcmtk_shows_the_same(each: Case, tmp_path: Path) -> None:
    path = write_image(tmp_path / "image.dcm", each.stored, each.bits, **each.how)
    shown = seen_by_dcmtk(path, *(each.dcmtk or "").split()) * 65535
    # dcmtk rounds down, and where it inverts, it does so twice.
    tolerance = each.dcmtk_tolerance + each.inverted
    for values in (each.expected, decode_image(path).pixels):
        gray = dcmtk_gray(values, each.low, each.high, each.windowed, each.inverted)
        np.testing.assert_allclose(gray, shown, rtol=0, atol=tolerance)


# ---- padding, odd bits, spacing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("padding", "elements"),
    [
        (0, {"PixelPaddingValue": 0}),
        (50, {"PixelPaddingValue": 50}),
        (4095, {"PixelPaddingValue": 4095}),
        (7, {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 10}),
        (4090, {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4085, **M1}),
        (4095, {"PixelPaddingValue": 4095, **M1}),
        (0, {"PixelPaddingValue": 0, **M1}),
    ],
)
@pytest.mark.parametrize("voi", [{}, {"WindowCenter": 2000, "WindowWidth": 3000}], ids=["all", "window"])
def test_padding_sets_neither_end_of_the_range(
    padding: int, elements: dict[str, Any], voi: dict[str, Any], tmp_path: Path
) -> None:
    image = ramp(100, 3900)
    stored = image.copy()
    stored[20:, :5] = padding
    image[20:, :5] = image[0, 0]  # of no matter: shown as padding
    shown = decode_image(write_image(tmp_path / "image.dcm", stored, 12, **elements, **voi))
    expected = linear(image, 2000, 3000, 0, 4095) if voi else image
    expected = 4095 - expected if "PhotometricInterpretation" in elements else expected
    outside = np.ones(stored.shape, bool)
    outside[20:, :5] = False
    np.testing.assert_allclose(shown.pixels[outside], expected[outside], atol=0.01)
    np.testing.assert_allclose(shown.pixels[~outside], expected[outside].min(), atol=0.01)


@pytest.mark.parametrize(("padding", "signed"), [(-32768, True), (63536, False)])
def test_padding_beyond_the_stored_bits_is_padding_too(padding: int, signed: bool, tmp_path: Path) -> None:
    # 12 bits stored, but the padding uses all 16: keeping 12 bits of it makes a gray patch of it.
    stored = ramp(100, 1900)
    stored[20:, :5] = padding
    path = write_image(tmp_path / "image.dcm", stored, 12, signed=signed, PixelPaddingValue=padding)
    image = decode_image(path)
    np.testing.assert_array_equal(image.pixels[20:, :5], 100)
    np.testing.assert_array_equal(image.pixels[:20], stored[:20])


def test_pixels_in_the_upper_bits_are_read_right_or_refused(tmp_path: Path) -> None:
    # HighBit of 15 for 12 stored bits: no longer allowed, read by dcmtk; never the lower 12 bits.
    path = write_image(tmp_path / "image.dcm", R << 4, 12, HighBit=15)
    try:
        image = decode_image(path)
    except ImageError as error:
        assert error.reason in (ReasonCode.UNSUPPORTED_SYNTAX, ReasonCode.CORRUPT)
    else:
        np.testing.assert_array_equal(image.pixels, R)


@pytest.mark.system
def test_bytes_in_words_of_a_big_endian_file(tmp_path: Path) -> None:
    # PS3.5 8.1.1: with OW, two 8-bit pixels are one word, and so change places in big endian.
    stored = ramp(0, 255)[:, :56]
    raw = stored.astype(np.uint8).reshape(-1, 2)[:, ::-1].tobytes()
    path = write_image(tmp_path / "image.dcm", stored, 8, syntax=ExplicitVRBigEndian)
    ds = pydicom.dcmread(path)
    ds.add_new("PixelData", "OW", raw)
    ds.save_as(path)
    np.testing.assert_array_equal(decode_image(path).pixels, stored)
    np.testing.assert_allclose(seen_by_dcmtk(path) * 65535, stored * 256, atol=1)


@pytest.mark.parametrize(
    ("elements", "spacing"),
    [
        ({"PixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.15, 0.25]}, (0.15, 0.25)),
        ({"PixelSpacing": [0.2, 0.1], "ImagerPixelSpacing": [0.3, 0.3]}, (0.2, 0.1)),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [0, 0.1], "ImagerPixelSpacing": [0.3, 0.4]}, (0.3, 0.4)),
        ({}, None),
    ],
)
def test_spacing(elements: dict[str, Any], spacing: tuple[float, float] | None, tmp_path: Path) -> None:
    assert decode_image(write_image(tmp_path / "image.dcm", R, 12, **elements)).spacing_mm == spacing


# ---- compressed -----------------------------------------------------------------------------------------------------

Encode = Callable[[Path], Path]
LOSSLESS: dict[str, Encode] = {
    "RLE by pydicom": in_rle,
    "RLE by dcmtk": lambda path: by_dcmtk(path, "dcmcrle"),
    "JPEG Lossless 14 by dcmtk": lambda path: by_dcmtk(path, "dcmcjpeg", "+el"),
    "JPEG Lossless 14 SV1 by dcmtk": lambda path: by_dcmtk(path, "dcmcjpeg", "+e1"),
    "JPEG Lossless 14 SV1 by GDCM": lambda path: by_gdcm(path, JPEGLosslessSV1),
    "JPEG-LS by dcmtk": lambda path: by_dcmtk(path, "dcmcjpls", "+el"),
    "JPEG-LS by GDCM": lambda path: by_gdcm(path, JPEGLSLossless),
    "JPEG 2000 by GDCM": lambda path: by_gdcm(path, JPEG2000Lossless),
}


def needs_gdcm(name: str) -> None:
    if not name.startswith(("RLE", "JPEG baseline", "JPEG 2000")):
        pytest.importorskip("gdcm", reason="python-gdcm is not installed (the extra dicom)")


@pytest.mark.system
@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, False), (15, True), (16, False), (16, True)])
@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_syntaxes_give_the_stored_values(name: str, bits: int, signed: bool, tmp_path: Path) -> None:
    needs_gdcm(name)
    if name == "JPEG Lossless 14 SV1 by GDCM" and bits == 8:
        pytest.skip("GDCM's encoder does not make it of 8 bits")
    stored = ramp(*bounds(bits, signed))
    path = LOSSLESS[name](write_image(tmp_path / "image.dcm", stored, bits, signed=signed))
    np.testing.assert_array_equal(decode_image(path).pixels, stored)
    if not name.startswith("JPEG 2000"):  # which dcmtk does not read
        gray = (stored - bounds(bits, signed)[0]) * 2 ** (16 - bits)
        np.testing.assert_allclose(seen_by_dcmtk(path) * 65535, gray, atol=1)


@pytest.mark.system
@pytest.mark.parametrize("name", [each for each in LOSSLESS if "GDCM" not in each])
def test_display_steps_follow_a_compressed_image(name: str, tmp_path: Path) -> None:
    needs_gdcm(name)
    path = write_image(tmp_path / "image.dcm", S, 12, signed=True, WindowCenter=-300, WindowWidth=1500, **M1)
    expected = flip(linear(S, -300, 1500, -2048, 2047), -2048, 2047)
    np.testing.assert_allclose(decode_image(LOSSLESS[name](path)).pixels, expected, atol=0.01)


@pytest.mark.system
@pytest.mark.parametrize("name", ["RLE by pydicom", "JPEG Lossless 14 SV1 by dcmtk", "JPEG-LS by dcmtk"])
def test_overlay_bits_of_a_compressed_image_are_no_pixels(name: str, tmp_path: Path) -> None:
    needs_gdcm(name)
    path = write_image(tmp_path / "image.dcm", R | (R > 2000) << 12 | 1 << 15, 12)
    np.testing.assert_array_equal(decode_image(LOSSLESS[name](path)).pixels, R)


@pytest.mark.system
@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
@pytest.mark.parametrize("deviation", [1, 3])
def test_near_lossless_jpeg_ls(bits: int, deviation: int, tmp_path: Path) -> None:
    needs_gdcm("JPEG-LS")
    stored = np.random.default_rng(0).integers(0, 2**bits, (41, 57))
    path = by_dcmtk(write_image(tmp_path / "image.dcm", stored, bits), "dcmcjpls", "+en", "+md", str(deviation))
    pixels = decode_image(path).pixels
    assert 0 < np.abs(pixels - stored).max() <= deviation
    np.testing.assert_allclose(seen_by_dcmtk(path) * 65535, pixels * 2 ** (16 - bits), atol=1)


@pytest.mark.system
@pytest.mark.parametrize("decoder", ["gdcm", "pillow"])
@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("dcmtk", lambda path: by_dcmtk(path, "dcmcjpeg", "+eb", "+q", "100")),
        ("dcmtk, 8 bits extended", lambda path: by_dcmtk(path, "dcmcjpeg", "+ee", "+q", "100")),
        ("Pillow", partial(by_pillow, syntax=JPEGBaseline8Bit, quality=100)),
    ],
)
def test_jpeg_baseline(
    name: str, encode: Encode, decoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(decoder, monkeypatch)
    stored = mosaic(0, 255)
    path = encode(write_image(tmp_path / "image.dcm", stored, 8, **M1))
    np.testing.assert_array_equal(decode_image(path).pixels, 255 - stored)
    np.testing.assert_allclose(seen_by_dcmtk(path) * 65535, 65535 - stored * 256, atol=1)


@pytest.mark.parametrize("decoder", ["gdcm", "pillow"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_jpeg_2000_by_either_decoder(
    decoder: str, bits: int, signed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = ramp(*bounds(bits, signed))
    path = by_gdcm(write_image(tmp_path / "image.dcm", stored, bits, signed=signed), JPEG2000Lossless)
    only(decoder, monkeypatch)
    np.testing.assert_array_equal(decode_image(path).pixels, stored)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_jpeg_2000_by_pillow_alone(bits: int, tmp_path: Path) -> None:
    # 12 bits stand in a stream of 16 here.
    stored = ramp(*bounds(bits))
    path = by_pillow(write_image(tmp_path / "image.dcm", stored, bits), JPEG2000Lossless)
    np.testing.assert_array_equal(decode_image(path).pixels, stored)


@pytest.mark.system
@pytest.mark.parametrize("offset_table", [True, False], ids=["offset table", "no offset table"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_fragments(pieces: int, offset_table: bool, tmp_path: Path) -> None:
    stored = ramp(0, 65535)
    path = by_pillow(write_image(tmp_path / "a.dcm", stored, 16), JPEG2000Lossless, pieces, offset_table)
    np.testing.assert_array_equal(decode_image(path).pixels, stored)
    stored = mosaic(0, 255)
    path = by_pillow(write_image(tmp_path / "b.dcm", stored, 8), JPEGBaseline8Bit, pieces, offset_table, quality=100)
    np.testing.assert_array_equal(decode_image(path).pixels, stored)
    needs_gdcm("JPEG Lossless")
    stored = np.random.default_rng(0).integers(0, 4096, (41, 57))  # noise, so that it fills several kilobytes
    options = ["+e1", *(["+fs", "1"] if pieces > 1 else []), "+ot" if offset_table else "-ot"]
    path = by_dcmtk(write_image(tmp_path / "c.dcm", stored, 12), "dcmcjpeg", *options)
    np.testing.assert_array_equal(decode_image(path).pixels, stored)


@pytest.mark.system
@pytest.mark.parametrize(
    "options", [["dcmcjpeg", "+el"], ["dcmcjpeg", "+e1"], ["dcmcjpls", "+el"], ["dcmcjpls", "+en"]], ids=" ".join
)
def test_without_gdcm_lossless_jpeg_and_jpeg_ls_are_refused_by_name(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = by_dcmtk(write_image(tmp_path / "image.dcm", R, 12), *options)
    without_gdcm(monkeypatch)
    with pytest.raises(ImageError, match="python-gdcm") as caught:
        decode_image(path)
    assert caught.value.reason is ReasonCode.UNSUPPORTED_SYNTAX


@pytest.mark.system
def test_jpeg_extended_of_12_bits(tmp_path: Path) -> None:
    stored = mosaic(0, 4095)
    path = by_dcmtk(write_image(tmp_path / "image.dcm", stored, 12), "dcmcjpeg", "+ee", "+q", "100")
    needs_gdcm("JPEG Extended")
    np.testing.assert_array_equal(decode_image(path).pixels, stored)


@pytest.mark.system
def test_jpeg_extended_does_not_wrap(tmp_path: Path) -> None:
    needs_gdcm("JPEG Extended")
    # Sharp edges at the top of 10 bits: lossy coding overshoots 1023, and the low 10 bits of 1024 are black.
    stored = np.where(np.random.default_rng(0).random((41, 57)) < 0.5, 1023, 900)
    path = by_dcmtk(write_image(tmp_path / "image.dcm", stored, 12), "dcmcjpeg", "+ee", "+sr", "+q", "90")
    ds = pydicom.dcmread(path)
    ds.BitsStored, ds.HighBit = 10, 9
    ds.save_as(path)
    assert seen_by_dcmtk(path).min() < 0.1  # dcmtk does wrap
    pixels = decode_image(path).pixels
    assert pixels.max() == 1023
    assert pixels.min() > 800


def without_gdcm(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels import decoders

    for kind in ("JPEGLossless", "JPEGLosslessSV1", "JPEGLSLossless", "JPEGLSNearLossless"):
        monkeypatch.setattr(getattr(decoders, f"{kind}Decoder"), "_available", {})


def only(decoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave pydicom with one decoder for JPEG and JPEG 2000, as on a machine that has no other."""
    from pydicom.pixels import decoders

    if decoder == "gdcm":
        pytest.importorskip("gdcm", reason="python-gdcm is not installed (the extra dicom)")
    for kind in ("JPEGBaseline8Bit", "JPEGExtended12Bit", "JPEG2000Lossless", "JPEG2000"):
        each = getattr(decoders, f"{kind}Decoder")
        monkeypatch.setattr(each, "_available", {decoder: each._available[decoder]})
