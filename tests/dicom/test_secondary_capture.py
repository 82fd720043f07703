"""Secondary captures: what a person sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from monai_tbkd.dicom import ImageFinding, SourceImage, secondary_capture
from monai_tbkd.dicom.secondary_capture import draw_finding
from monai_tbkd.transforms.overlay import PREDICTED_COLOR
from tests.dicom.dicom_images import complete_image, finding, odd_image

YELLOW = np.array(PREDICTED_COLOR)


def image_of(rows: int, columns: int) -> np.ndarray:
    return np.tile(np.linspace(0, 4095, columns, dtype=np.float32), (rows, 1))


def yellow_edges(picture: np.ndarray) -> tuple[int, int, int, int]:
    """The largest rectangle whose sides are drawn in the color of boxes: xmin, ymin, xmax, ymax."""
    drawn = (picture == YELLOW).all(axis=-1)
    rows, columns = np.flatnonzero(drawn.sum(axis=1) > 60), np.flatnonzero(drawn.sum(axis=0) > 60)
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        # upright, the box is at rows 40-140 and columns 200-300 of an image of 400 x 500
        (["L", "F"], (200, 40, 300, 140)),
        (["R", "F"], (200, 40, 300, 140)),
        (["L", "H"], (200, 260, 300, 360)),
        (["F", "L"], (40, 200, 140, 300)),
    ],
    ids=["as stored", "mirrored", "upside down", "on its side"],
)
def test_boxes_are_where_they_are_on_the_upright_image(
    tmp_path: Path, orientation: list[str], stored: tuple[float, float, float, float]
) -> None:
    size = (500, 400) if orientation == ["F", "L"] else (400, 500)
    source = SourceImage.read(odd_image(tmp_path / "image.dcm", *size, PatientOrientation=orientation))
    capture = secondary_capture(source, finding((*stored, 0.77)), image_of(400, 500))
    assert capture.PatientOrientation == ["L", "F"]
    picture = capture.pixel_array
    assert picture.shape[1] == 500
    xmin, ymin, xmax, ymax = yellow_edges(picture)
    top = ymin - 40  # of the image, below the headline
    assert 0 < top < 60
    assert (xmin, xmax, ymax - top) == (200, 300, 140)


def test_a_large_image_is_made_smaller_and_its_boxes_with_it(tmp_path: Path) -> None:
    source = SourceImage.read(odd_image(tmp_path / "image.dcm", 1601, 2000))
    capture = secondary_capture(source, finding((400, 800, 1200, 1600, 0.5)), image_of(1601, 2000), longest_side=1000)
    xmin, ymin, xmax, ymax = yellow_edges(capture.pixel_array)
    assert capture.Columns == 1000
    assert (xmin, xmax) == (200, 600)
    assert ymax - ymin == pytest.approx(400, abs=1)


def test_gray_values_are_those_of_the_image_and_text_is_around_it() -> None:
    picture = draw_finding(image_of(300, 400), ImageFinding(0.2), [], 1536)
    top = int(np.flatnonzero(picture[:, -1].min(axis=-1) == 255)[0])
    inside = picture[top : top + 300, :, 0]
    assert inside[0].tolist() == inside[-1].tolist()
    assert (np.diff(inside[0].astype(int)) >= 0).all()
    assert (inside[0, 0], inside[0, -1]) == (0, 255)
    assert picture[:top].max() == 255  # headline
    assert picture[top + 300 :].max() > 150  # notice


def test_the_notice_is_burnt_in_below_the_image() -> None:
    picture = draw_finding(image_of(300, 400), ImageFinding(0.2), [], 1536)
    drawn = picture[:, :, 0].astype(int) - picture[:, :, 2] > 60  # yellow, blurred at its edges
    rows = np.flatnonzero(drawn.any(axis=1))
    assert drawn.sum() > 200  # there are no boxes, so this is text
    assert rows.min() > 300


@pytest.mark.parametrize("size", [(41, 57), (3000, 20), (20, 3000)])
def test_text_fits_on_odd_images(size: tuple[int, int]) -> None:
    long = ImageFinding(0.91, 0.5, "TB suggestive", model_version="a version with a long name, " * 8)
    picture = draw_finding(image_of(*size), long, [], 1536)
    assert picture.shape[1] >= 320
    # nothing is cut off: the outermost columns beside the image are black
    assert picture[:30, -3:].max() == 0


def test_the_object_says_what_was_done_to_the_pixels(tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm", BurnedInAnnotation="YES", PatientOrientation=None))
    capture = secondary_capture(source, finding(), image_of(41, 57))
    assert capture.ImageType == ["DERIVED", "SECONDARY"]
    assert not capture.PatientOrientation  # the image did not say
    assert capture.BurnedInAnnotation == "YES"
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == source.uid
    for key in ("ImageComments", "SeriesDescription", "DerivationDescription"):
        assert "research use only, not for diagnosis" in capture[key].value
    assert capture.SOPClassUID == pydicom.uid.SecondaryCaptureImageStorage


def test_pixels_of_another_image_are_refused(tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
    with pytest.raises(ValueError, match="41 rows and 57 columns"):
        secondary_capture(source, finding(), image_of(57, 41))
