"""Real DICOM files: what is said of each, and what its pixels are.

The expected numbers come from the pixels that dcmtk decompressed (Pillow, for JPEG 2000), by the formulas of PS3.3
C.11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from monai_tbkd.data import ImageError, ImageRules, ReasonCode
from monai_tbkd.data.readers import DecodedImage, decode_image
from tests.data.golden_dicom import seen_by_dcmtk
from tests.data.readers.test_golden_dicom import EVERYTHING, Array, dcmtk_gray, needs_gdcm


@dataclass(frozen=True)
class Real:
    """A real file: what the default rules say of it, and what its pixels are once every kind of image is taken.

    `pixel` (at a third of the height and a quarter of the width of the upright image) and `mean` were computed from the
    pixels that dcmtk decompressed (Pillow, for JPEG 2000) by the formulas above.
    """

    path: str
    refused: ReasonCode | None
    shape: tuple[int, int]
    high: int
    pixel: float
    mean: float
    steps: tuple[str, ...]
    spacing: tuple[float, float] | None
    dcmtk: str | None = ""

    @property
    def lossy_12_bits(self) -> bool:
        return self.path.endswith("_JPLY.dcm")


WINDOWED, INVERTED, MIRRORED = "first VOI window applied", "inverted", "turned upright (C), as PatientOrientation says"
CAPTURE, NOT_CHEST = ReasonCode.UNSUPPORTED_SOP, ReasonCode.NOT_CHEST
RG1 = ((1955, 1841), 32767)
RG3 = ((1760, 1760), 1023)
RG3_STEPS = (WINDOWED, INVERTED, MIRRORED)
REAL = [
    # Modality CR, but SOP class Secondary Capture, as converters of PNG sets write
    Real("chest/1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm", CAPTURE, (1024, 1024), 255,
         124, 160.398, (), (0.168, 0.168)),
    # the same pixels, MONOCHROME1 by the tag alone: shown as the tag says
    Real("chest/Fake_MONOHR1.dcm", CAPTURE, (1024, 1024), 255, 131, 94.602, (INVERTED,), (0.168, 0.168)),
    # no meta header
    Real("chest/CR-MONO1-10-chest.dcm", None, (440, 440), 1023, 385, 559.142, (WINDOWED, INVERTED), None, "+Wi 1"),
    Real("chest/Monochrome1-Jpeg.dcm", None, (2446, 2010), 255, 30.158, 90.379, (WINDOWED, INVERTED), (0.175, 0.175),
         "+Wi 1"),
    # PixelSpacing 0.000, 0.000: unknown, not zero
    Real("chest/RG1_J2KI.dcm", None, *RG1, 17124.604, 24693.543, (WINDOWED, INVERTED), None, None),
    Real("chest/RG1_J2KR.dcm", None, *RG1, 17168.296, 24693.535, (WINDOWED, INVERTED), None, None),
    Real("chest/RG1_JLSN.dcm", None, *RG1, 17171.573, 24693.533, (WINDOWED, INVERTED), None, "+Wi 1"),
    # 10 bits in a LUT of 16: the image lies in the top 1024 of 65536 values
    Real("lut/CR-ModalitySequenceLUT.dcm", None, (1576, 1976), 65535, 64512, 64820.731,
         ("modality LUT applied", INVERTED), (0.15, 0.15)),
    Real("lut/mlut_18.dcm", CAPTURE, (512, 512), 65535, 19652, 33177.149, ("modality LUT applied",), None),
    Real("lut/vlut_04.dcm", CAPTURE, (512, 512), 65535, 19532, 33109.316, ("first VOI LUT applied",), None, "+Wl 1"),
    Real("other_cr/RG2_J2KI.dcm", NOT_CHEST, (2140, 1760), 1023, 474, 451.378, (WINDOWED,), (0.2, 0.2), None),
    Real("other_cr/RG2_JPLY.dcm", NOT_CHEST, (2140, 1760), 1023, 479, 451.880, (WINDOWED,), (0.2, 0.2), "+Wi 1"),
    Real("other_cr/RG3_J2KI.dcm", NOT_CHEST, *RG3, 899, 712.089, RG3_STEPS, None, None),
    Real("other_cr/RG3_JLSL.dcm", NOT_CHEST, *RG3, 900, 712.088, RG3_STEPS, None, "+Wi 1"),
    Real("other_cr/RG3_JPLL.dcm", NOT_CHEST, *RG3, 900, 712.088, RG3_STEPS, None, "+Wi 1"),
    Real("other_cr/RG3_JPLY.dcm", NOT_CHEST, *RG3, 899, 711.937, RG3_STEPS, None, "+Wi 1"),
    Real("other_cr/RG3_RLE.dcm", NOT_CHEST, *RG3, 900, 712.088, RG3_STEPS, None, "+Wi 1"),
]  # fmt: skip


def real_file(real_data: Path, name: str) -> Path:
    path = real_data / "dicom" / name
    if not path.is_file():
        pytest.skip(f"there is no {name} among the real images")
    return path


@cache
def decoded(path: Path) -> DecodedImage:
    """By the default rules where they take it; decoding takes up to a second."""
    refused = next(real.refused for real in REAL if path.match(real.path))
    return decode_image(path, rules=EVERYTHING if refused else ImageRules())


@pytest.fixture(scope="module", autouse=True)
def _forget_images() -> Iterator[None]:
    yield
    decoded.cache_clear()


@pytest.mark.parametrize("real", [r for r in REAL if r.refused], ids=[Path(r.path).stem for r in REAL if r.refused])
def test_the_default_rules_refuse_a_real_file(real: Real, real_data: Path) -> None:
    path = real_file(real_data, real.path)
    needs_gdcm_for(real)
    with pytest.raises(ImageError) as caught:
        decode_image(path)
    assert caught.value.reason is real.refused


@pytest.mark.system
@pytest.mark.parametrize("real", REAL, ids=[Path(real.path).stem for real in REAL])
def test_pixels_of_a_real_file(real: Real, real_data: Path, tmp_path: Path) -> None:
    path = real_file(real_data, real.path)
    needs_gdcm_for(real)
    image = decoded(path)
    height, width = real.shape
    assert image.pixels.shape == real.shape
    assert image.pixels[height // 3, width // 4] == pytest.approx(real.pixel, abs=0.01)
    # 0.15 for RG3_JPLY: 8 pixels that wrap in dcmtk do not here
    assert image.pixels.mean(dtype=np.float64) == pytest.approx(real.mean, abs=0.15 if real.lossy_12_bits else 0.01)
    assert tuple(image.steps) == real.steps
    assert image.spacing_mm == real.spacing
    if real.dcmtk is not None:
        upright = image.pixels[:, ::-1] if MIRRORED in real.steps else image.pixels
        gray = dcmtk_gray(upright, 0, real.high, real.dcmtk == "+Wi 1", INVERTED in real.steps)
        shown = seen_by_dcmtk(path, *real.dcmtk.split(), into=tmp_path) * 65535
        differs = np.abs(gray - shown) > 1 + (INVERTED in real.steps)
        assert differs.sum() <= (8 if real.lossy_12_bits else 0)


def needs_gdcm_for(real: Real) -> None:
    if real.path.endswith(("JLSN.dcm", "JLSL.dcm", "JPLL.dcm", "JPLY.dcm", "SequenceLUT.dcm")):
        needs_gdcm("JPEG Lossless or JPEG-LS")


@pytest.mark.system
def test_real_twins_agree(real_data: Path) -> None:
    # One image in several syntaxes: the lossless ones equal, the lossy ones near.
    needs_gdcm("JPEG Lossless and JPEG-LS")

    def pixels(name: str) -> Array:
        return decoded(real_file(real_data, name)).pixels

    run_length = pixels("other_cr/RG3_RLE.dcm")
    np.testing.assert_array_equal(pixels("other_cr/RG3_JLSL.dcm"), run_length)
    np.testing.assert_array_equal(pixels("other_cr/RG3_JPLL.dcm"), run_length)
    assert np.abs(pixels("other_cr/RG3_J2KI.dcm") - run_length).max() < 10
    reversible = pixels("chest/RG1_J2KR.dcm")
    assert np.abs(pixels("chest/RG1_JLSN.dcm") - reversible).max() < 5
    assert np.abs(pixels("chest/RG1_J2KI.dcm") - reversible).mean() < 60
    true = pixels("chest/1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm")
    np.testing.assert_array_equal(pixels("chest/Fake_MONOHR1.dcm"), 255 - true)
