"""DICOM results of every golden image and of real images: valid by dciodvfy, re-read by highdicom and pydicom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from monai_tbkd.data import ImageTurn
from monai_tbkd.dicom import KINDS, ImageFinding, SourceImage, write_image_results
from tests.data.golden_dicom import ramp, write_image
from tests.data.images_by_hand import ADULT_CHEST_PA, block_image, make_dicom
from tests.data.readers.test_golden_dicom import CASES, LOSSLESS, Case
from tests.data.readers.test_real_dicom import REAL, Real
from tests.dicom.dicom_images import finding
from tests.dicom.validator import errors_of, further_errors

pytestmark = pytest.mark.system

# What the results take over: depth and sign, inversion, each kind of window and LUT, each way of writing a header.
GOLDEN = [each for each in CASES if each.name in (
    "8 bits M1", "8 of 16 bits signed", "15 bits signed M1", "16 bits", "overlay in high bits", "DX", "INVERSE alone",
    "rescale, negative, M1 signed", "modality LUT of 8 bits as bytes", "modality LUT, signed, implicit VR",
    "window 1000.5/700.25 M1", "two windows", "window SIGMOID", "VOI LUT of 16 bits, offset", "rescale and VOI LUT",
    "modality LUT and VOI LUT M1", "presentation LUT", "implicit VR, 8 bits", "big endian, VOI LUT as bytes",
    "deflated, signed window M1", "no meta header, big endian, 8 bits", "no meta header, modality LUT and window M1",
)]  # fmt: skip
assert len(GOLDEN) == 22

MAP = np.linspace(0, 1, 16 * 12, dtype=np.float32).reshape(16, 12)
# by hand, with what the little writer of those images leaves out and a result has to refer to
REFERABLE = {
    "StudyInstanceUID": generate_uid(entropy_srcs=["a"]),
    "SeriesInstanceUID": generate_uid(entropy_srcs=["b"]),
}
REQUEST = Dataset()
REQUEST.RequestedProcedureID, REQUEST.ScheduledProcedureStepID = "R1", "S1"
BY_HAND: dict[str, dict[str, Any]] = {
    "plain": ADULT_CHEST_PA,
    "no tags": {},
    "windows": {"WindowCenter": [2048, 50], "WindowWidth": [2000, 10]},
    "rescaled": {"RescaleSlope": 2, "RescaleIntercept": 0},
    "MONOCHROME1": {"PhotometricInterpretation": "MONOCHROME1"},
    "inverse": {"PresentationLUTShape": "INVERSE"},
    "spacing": {"PixelSpacing": [0.2, 0.1]},
    "no spacing": {"PixelSpacing": [0, 0]},
    "imager spacing": {"ImagerPixelSpacing": [0.2, 0.1]},
    "padding": {"PixelPaddingValue": 10},
    "aspect ratio": {"PixelAspectRatio": [2, 1]},
    "time zone": {"TimezoneOffsetFromUTC": "+0530", "OtherPatientIDs": ["a", "b"]},
    "requested": {"RequestAttributesSequence": [REQUEST]},
    **{
        f"seen as {across}{down}": {"PatientOrientation": [across, down]}
        for across, down in ("LF", "RF", "LH", "RH", "FL", "FR", "HL", "HR")
    },
}


def check(image: Path, folder: Path) -> None:
    """Write all results of an image, hold them against the validator, and read them back."""
    before = image.read_bytes()
    source = SourceImage.read(image)
    rows, columns = source.size
    found = finding((0, 0, columns, rows, 0.9), (columns - 1.5, 1.25, columns, 2, 0.123), tb_map=MAP)
    written = write_image_results(folder, source, found)
    assert image.read_bytes() == before
    assert set(written) == set(KINDS)
    own = errors_of(image)
    for kind, path in written.items():
        assert not further_errors(errors_of(path), own), kind
        result = pydicom.dcmread(path)
        assert result.StudyInstanceUID == source.header.StudyInstanceUID
        assert result.get("PatientID") == (source.header.get("PatientID") or "")
    report = hd.sr.srread(str(written["sr"]))
    assert len(report.content.get_image_measurement_groups()) == 3
    check_segmentations(source, found, written)
    capture = pydicom.dcmread(written["sc"])
    assert capture.pixel_array.shape == (capture.Rows, capture.Columns, 3)
    state = pydicom.dcmread(written["gsps"])
    (annotation,) = state.GraphicAnnotationSequence
    assert [len(graphic.GraphicData) for graphic in annotation.GraphicObjectSequence] == [10, 10]


def check_segmentations(source: SourceImage, found: ImageFinding, written: dict[str, Path]) -> None:
    rows, columns = source.size
    fractions = hd.seg.segread(str(written["seg_map"])).get_pixels_by_source_instance([source.uid])[0, :, :, 0]
    assert fractions.shape == (rows, columns)
    # the map rises from its first corner to its last, wherever the turn has put them
    turn: ImageTurn = source.turn
    upright = turn.upright(fractions)
    assert upright[0, 0] == pytest.approx(0, abs=0.05)
    assert upright[-1, -1] == pytest.approx(1, abs=0.05)
    masks = hd.seg.segread(str(written["seg_boxes"])).get_pixels_by_source_instance([source.uid])[0]
    expected = np.zeros((rows, columns, 2), dtype=bool)
    expected[:, :, 0] = True
    expected[1, columns - 2 :, 1] = True
    np.testing.assert_array_equal(masks.astype(bool), expected)
    assert len(found.boxes) == masks.shape[-1]


@pytest.mark.parametrize("each", GOLDEN, ids=lambda each: each.name)
def test_golden_images(each: Case, tmp_path: Path) -> None:
    check(write_image(tmp_path / "image.dcm", each.stored, each.bits, **each.how), tmp_path / "out")


@pytest.mark.parametrize("name", ["RLE by pydicom", "JPEG Lossless 14 SV1 by dcmtk", "JPEG 2000 by GDCM"])
def test_compressed_images(name: str, tmp_path: Path) -> None:
    compress: Callable[[Path], Path] = LOSSLESS[name]
    check(compress(write_image(tmp_path / "image.dcm", ramp(0, 4095), 12)), tmp_path / "out")


@pytest.mark.parametrize(("name", "headless"), [*((name, False) for name in BY_HAND), ("plain", True)])
def test_images_by_hand(name: str, headless: bool, tmp_path: Path) -> None:
    elements = {**REFERABLE, **BY_HAND[name]}
    image = make_dicom(tmp_path / "image.dcm", block_image(2085, np.uint16, 100), headless, **elements)
    check(image, tmp_path / "out")


@pytest.mark.parametrize("each", REAL, ids=lambda each: each.path)
def test_real_images(each: Real, real_data: Path, tmp_path: Path) -> None:
    check(real_data / "dicom" / each.path, tmp_path / "out")
