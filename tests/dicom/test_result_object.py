"""What results take over from an image beside patient and study, and the shape of its pixels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from monai_tbkd.dicom import KINDS, SourceImage, image_results
from monai_tbkd.dicom.result_object import write_object
from monai_tbkd.dicom.secondary_capture import draw_finding
from monai_tbkd.transforms.overlay import PREDICTED_COLOR
from tests.dicom.dicom_images import complete_image, finding

MAP = np.zeros((4, 4), dtype=np.float32)


def results_of(tmp_path: Path, **elements: Any) -> dict[str, Dataset]:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm", **elements))
    made = image_results(source, finding((3, 4, 20, 30, 0.9), tb_map=MAP), KINDS)
    return {kind: pydicom.dcmread(write_object(each, tmp_path / f"{kind}.dcm")) for kind, each in made.items()}


@pytest.mark.parametrize(
    ("elements", "height"),
    [
        ({}, 1),
        ({"PixelSpacing": [0.2, 0.1]}, 2),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, 0.5),
        ({"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.1, 0.2]}, 1),
        ({"PixelAspectRatio": [3, 2]}, 1.5),
        ({"PixelAspectRatio": [0, 2]}, 1),
        ({"PixelSpacing": [100, 0.1]}, 1),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.3, 0.2]}, 1.5),
    ],
)
@pytest.mark.parametrize("orientation", [["L", "F"], ["F", "L"]])
def test_pixels_keep_their_shape(
    tmp_path: Path, elements: dict[str, Any], height: float, orientation: list[str]
) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm", PatientOrientation=orientation, **elements))
    assert source.row_height == pytest.approx(height)
    (area,) = results_of(tmp_path, PatientOrientation=orientation, **elements)["gsps"].DisplayedAreaSelectionSequence
    vertical, horizontal = (int(each) for each in area.PresentationPixelAspectRatio)
    assert vertical / horizontal == pytest.approx(height, abs=1e-3)


@pytest.mark.parametrize(
    ("row_height", "shape"), [(1, (400, 500)), (2, (800, 500)), (0.5, (400, 1000)), (3, (1200, 500))]
)
def test_a_capture_has_square_pixels_and_boxes_where_they_belong(row_height: float, shape: tuple[int, int]) -> None:
    image = np.zeros((400, 500), dtype=np.float32)
    image[100:200, 50:250] = 1000
    picture = draw_finding(image, finding((50, 100, 250, 200, 0.9)), [[50.0, 100.0, 250.0, 200.0]], 1536, row_height)
    assert picture.shape[1] == shape[1]
    drawn = (picture == np.array(PREDICTED_COLOR)).all(axis=-1)
    wider, higher = shape[1] / 500, shape[0] / 400
    columns, rows = np.flatnonzero(drawn.sum(axis=0) > 60 * higher), np.flatnonzero(drawn.sum(axis=1) > 150 * wider)
    assert (columns[0], columns[-1] + 1) == (round(50 * wider), round(250 * wider))
    assert rows[-1] + 1 - rows[0] == round(100 * higher)


def test_a_capture_of_pixels_that_are_not_square_is_no_larger_than_asked_for() -> None:
    picture = draw_finding(np.zeros((400, 500), dtype=np.float32), finding(), [], 600, 3)
    assert picture.shape[1] == 320 and picture.shape[0] < 600 + 150  # the image is 600 x 250 beside lines of text


@pytest.mark.parametrize("offset", ["+0530", "-0800", "+0000"])
def test_times_are_in_the_time_zone_of_the_image(tmp_path: Path, offset: str) -> None:
    hours, minutes = int(offset[:3]), int(offset[0] + offset[3:])
    for each in results_of(tmp_path, TimezoneOffsetFromUTC=offset).values():
        assert each.TimezoneOffsetFromUTC == offset
        date, time = str(each.InstanceCreationDate), str(each.InstanceCreationTime)[:6]
        there = datetime.strptime(date + time, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        assert abs(there - timedelta(hours=hours, minutes=minutes) - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("offset", ["", "0530", "+9900", "+05:30", "soon"])
def test_an_odd_time_zone_is_left_out(tmp_path: Path, offset: str) -> None:
    for each in results_of(tmp_path, TimezoneOffsetFromUTC=offset).values():
        assert not each.get("TimezoneOffsetFromUTC")


def test_other_identifiers_and_requests(tmp_path: Path) -> None:
    request = Dataset()
    request.RequestedProcedureID, request.RequestedProcedureDescription = "R1", "Chest"
    other = Dataset()
    other.PatientID, other.TypeOfPatientID = "b", "TEXT"
    found = results_of(
        tmp_path, OtherPatientIDs=["a", "c"], OtherPatientIDsSequence=[other], RequestAttributesSequence=[request]
    )
    for each in found.values():
        assert list(each.OtherPatientIDs) == ["a", "c"]
        assert each.OtherPatientIDsSequence[0].PatientID == "b"
    (referenced,) = found["sr"].ReferencedRequestSequence
    assert (referenced.RequestedProcedureID, referenced.RequestedProcedureDescription) == ("R1", "Chest")
    assert (referenced.AccessionNumber, referenced.StudyInstanceUID) == ("acc-7", found["sr"].StudyInstanceUID)
    assert "ReferencedRequestSequence" not in results_of(tmp_path)["sr"]


@pytest.mark.parametrize("marked", ["YES", "NO"])
def test_text_burnt_into_the_image_stays_marked(tmp_path: Path, marked: str) -> None:
    assert results_of(tmp_path, BurnedInAnnotation=marked)["sc"].BurnedInAnnotation == marked


def test_a_report_without_a_character_set_gets_one(tmp_path: Path) -> None:
    assert results_of(tmp_path, SpecificCharacterSet="")["sr"].SpecificCharacterSet == "ISO_IR 192"
    assert results_of(tmp_path, SpecificCharacterSet="ISO_IR 100")["sr"].SpecificCharacterSet == "ISO_IR 100"


def test_descriptions_tell_the_images_of_a_study_apart(tmp_path: Path) -> None:
    for kind, each in results_of(tmp_path, SeriesNumber=3, InstanceNumber=2).items():
        what, _, notice = each.SeriesDescription.partition(", ")
        assert (what[-4:], notice) == (" 3/2", "research use only, not for diagnosis"), kind
    for kind, each in results_of(tmp_path, SeriesNumber=10**9, InstanceNumber=10**9).items():
        assert "/" not in each.SeriesDescription, kind
        assert len(each.SeriesDescription) <= 64
