"""Presentation states: boxes, and gray values as without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from monai_tbkd.dicom import SourceImage, presentation_state
from monai_tbkd.dicom.presentation_state import carry_gray_values
from monai_tbkd.dicom.result_object import write_object
from tests.data.golden_dicom import lut_item, ramp, write_image
from tests.data.images_by_hand import put_text
from tests.dicom.dicom_images import COMPLETE, TWO_BOXES, finding


def state_of(tmp_path: Path, *boxes: tuple[float, float, float, float, float], **elements: Any) -> Dataset:
    image = write_image(tmp_path / "image.dcm", ramp(0, 4095), 12, **{**COMPLETE, **elements})
    write_object(presentation_state(SourceImage.read(image), finding(*boxes)), tmp_path / "state.dcm")
    return pydicom.dcmread(tmp_path / "state.dcm")


def test_boxes_are_closed_lines_on_the_image(tmp_path: Path) -> None:
    state = state_of(tmp_path, *TWO_BOXES)
    (annotation,) = state.GraphicAnnotationSequence
    for graphic, (xmin, ymin, xmax, ymax, _) in zip(annotation.GraphicObjectSequence, TWO_BOXES, strict=True):
        assert graphic.GraphicAnnotationUnits == "PIXEL"
        corners = [xmin, ymin, xmax, ymin, xmax, ymax, xmin, ymax, xmin, ymin]
        assert list(graphic.GraphicData) == corners
    texts = [text.UnformattedTextValue for text in annotation.TextObjectSequence]
    assert texts[:2] == ["TB 91", "TB 61"]
    assert texts[2] == "TB score 91.2 of 100, threshold 50.0: TB suggestive\r\nResearch use only, not for diagnosis"
    (image,) = state.ReferencedSeriesSequence[0].ReferencedImageSequence
    assert image.ReferencedSOPInstanceUID == pydicom.dcmread(tmp_path / "image.dcm").SOPInstanceUID


def test_an_image_without_boxes_has_its_score(tmp_path: Path) -> None:
    (annotation,) = state_of(tmp_path).GraphicAnnotationSequence
    assert "GraphicObjectSequence" not in annotation
    assert len(annotation.TextObjectSequence) == 1


@pytest.mark.parametrize(
    ("elements", "shape"),
    [
        ({}, "IDENTITY"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "INVERSE"),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"}, "INVERSE"),
        ({"PresentationLUTShape": "INVERSE"}, "INVERSE"),
    ],
)
def test_inversion_as_images_are_read(tmp_path: Path, elements: dict[str, Any], shape: str) -> None:
    assert state_of(tmp_path, **elements).PresentationLUTShape == shape


def test_the_first_window_and_the_rescaling_go_over(tmp_path: Path) -> None:
    state = state_of(
        tmp_path, WindowCenter=[2048, 50], WindowWidth=[1500, 10], VOILUTFunction="SIGMOID", RescaleSlope=2,
        RescaleIntercept=-5,
    )  # fmt: skip
    (voi,) = state.SoftcopyVOILUTSequence
    assert (voi.WindowCenter, voi.WindowWidth, voi.VOILUTFunction) == (2048, 1500, "SIGMOID")
    assert (state.RescaleSlope, state.RescaleIntercept, state.RescaleType) == (2, -5, "US")


def test_a_window_of_no_width_is_left_out_as_readers_do(tmp_path: Path) -> None:
    assert "SoftcopyVOILUTSequence" not in state_of(tmp_path, WindowCenter=2048, WindowWidth=0)
    assert "SoftcopyVOILUTSequence" not in state_of(tmp_path)


def test_what_cannot_be_read_is_left_out_as_readers_do(tmp_path: Path) -> None:
    path = write_image(tmp_path / "image.dcm", ramp(0, 4095), 12)
    put_text(path, "WindowCenter", "DS", "1,5\\2048")
    put_text(path, "WindowWidth", "DS", "1,5\\1500")
    put_text(path, "VOILUTFunction", "CS", "LOG")
    state = Dataset()
    carry_gray_values(pydicom.dcmread(path), state)
    (voi,) = state.SoftcopyVOILUTSequence
    assert (voi.WindowCenter, voi.WindowWidth) == (2048, 1500)
    assert "VOILUTFunction" not in voi
    cut = lut_item([1, 2, 3], 0, 12)
    cut[0].LUTDescriptor = [4096, 0, 12]
    state = state_of(tmp_path, VOILUTSequence=[*cut, *lut_item(np.arange(4096), 0, 12)])
    assert len(state.SoftcopyVOILUTSequence[0].VOILUTSequence[0].LUTData) == 4096


def test_lookup_tables_go_over(tmp_path: Path) -> None:
    entries = np.arange(4096)[::-1]
    state = state_of(
        tmp_path, VOILUTSequence=lut_item(entries, 0, 12), ModalityLUTSequence=lut_item(entries, 0, 12),
        WindowCenter=2048, WindowWidth=100,
    )  # fmt: skip
    (voi,) = state.SoftcopyVOILUTSequence
    assert "WindowCenter" not in voi
    for item in (voi.VOILUTSequence[0], state.ModalityLUTSequence[0]):
        assert list(item.LUTDescriptor) == [4096, 0, 12]
        assert list(item.LUTData) == entries.tolist()


@pytest.mark.parametrize(("bits", "number"), [(8, 4096), (8, 4095), (12, 4096)])
def test_tables_of_big_endian_images_and_of_8_bits(tmp_path: Path, bits: int, number: int) -> None:
    entries = np.arange(number) * (2**bits - 1) // number
    for packed, syntax in ((bits > 8, ExplicitVRBigEndian), (False, ExplicitVRLittleEndian)):
        item = lut_item(entries, 0, bits, packed=packed, order=">")
        state = state_of(tmp_path, VOILUTSequence=item, syntax=syntax)
        lut = state.SoftcopyVOILUTSequence[0].VOILUTSequence[0]
        data = lut.LUTData
        if isinstance(data, bytes):
            data = np.frombuffer(data, np.uint8 if bits == 8 else "<u2")
        assert list(data)[:number] == entries.tolist()
        assert len(data) == number + (number % 2 if bits == 8 else 0)
