"""Segmentations: every pixel where it belongs, turned images too."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from monai_tbkd.data import ImageTurn
from monai_tbkd.dicom import (
    DicomResultError,
    SourceImage,
    box_segmentation,
    map_segmentation,
    presentation_state,
    structured_report,
)
from monai_tbkd.dicom.result_object import write_object
from tests.dicom.dicom_images import MODEL, TWO_BOXES, complete_image, finding, odd_image

TURNS = {
    ("L", "F"): ImageTurn(),
    ("R", "F"): ImageTurn(flip_columns=True),
    ("L", "H"): ImageTurn(flip_rows=True),
    ("F", "L"): ImageTurn(transpose=True),
    ("H", "R"): ImageTurn(transpose=True, flip_rows=True, flip_columns=True),
}


@pytest.mark.parametrize("orientation", TURNS, ids="".join)
def test_the_map_lies_on_the_stored_pixels(tmp_path: Path, orientation: tuple[str, str]) -> None:
    source = SourceImage.read(odd_image(tmp_path / "image.dcm", 40, 60, PatientOrientation=list(orientation)))
    # upright, the upper left quarter is certain; on a grid of 2 x 2 that a resize blurs at the middle alone
    tb_map = np.array([[1.0, 0.0], [0.0, 0.0]])
    write_object(map_segmentation(source, finding(tb_map=tb_map)), tmp_path / "seg.dcm")
    seg = hd.seg.segread(str(tmp_path / "seg.dcm"))
    stored = seg.get_pixels_by_source_instance([source.uid])[0, :, :, 0]
    assert stored.shape == (40, 60)
    assert source.turn == TURNS[orientation]
    upright = source.turn.upright(stored)
    height, width = upright.shape
    assert upright[: height // 4, : width // 4].min() == 1
    assert upright[-height // 4 :].max() == 0
    assert upright[:, -width // 4 :].max() == 0


def test_a_map_is_kept_in_255_steps_and_says_what_it_is(tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm", PixelSpacing=[0.2, 0.1]))
    tb_map = np.random.default_rng(0).random((41, 57)).astype(np.float32)
    seg = map_segmentation(source, finding(tb_map=tb_map))
    write_object(seg, tmp_path / "seg.dcm")
    again = hd.seg.segread(str(tmp_path / "seg.dcm"))
    stored = again.get_pixels_by_source_instance([source.uid])[0, :, :, 0]
    np.testing.assert_allclose(stored, tb_map, atol=0.5 / 255 + 1e-6)
    assert again.SegmentationFractionalType == "PROBABILITY"
    description = again.get_segment_description(1)
    assert description.segment_label == "TB map"
    assert description.algorithm_type.value == "AUTOMATIC"
    assert description.algorithm_identification.version == MODEL
    assert "research use only, not for diagnosis" in again.ContentDescription
    assert "research use only, not for diagnosis" in again.SeriesDescription
    assert again.PatientOrientation == ["L", "F"]
    assert again.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == [0.2, 0.1]


def test_a_map_without_anything_is_a_result_too(tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
    write_object(map_segmentation(source, finding(tb_map=np.zeros((4, 4)))), tmp_path / "seg.dcm")
    seg = hd.seg.segread(str(tmp_path / "seg.dcm"))
    assert seg.get_pixels_by_source_instance([source.uid]).shape == (1, 41, 57, 1)
    assert seg.get_pixels_by_source_instance([source.uid]).max() == 0


def test_boxes_are_segments_that_may_overlap(tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
    boxes = (*TWO_BOXES, (10.0, 10.0, 40.0, 20.0, 0.3))
    write_object(box_segmentation(source, finding(*boxes)), tmp_path / "seg.dcm")
    seg = hd.seg.segread(str(tmp_path / "seg.dcm"))
    masks = seg.get_pixels_by_source_instance([source.uid])[0].astype(bool)
    expected = np.zeros((41, 57, 3), dtype=bool)
    expected[4:31, 3:20, 0] = expected[2:41, 30:57, 1] = expected[10:20, 10:40, 2] = True
    np.testing.assert_array_equal(masks, expected)
    assert [seg.get_segment_description(n).segment_label for n in (1, 2, 3)] == [
        "TB box 1, score 91.23", "TB box 2, score 61.00", "TB box 3, score 30.00",
    ]  # fmt: skip


def test_a_box_below_a_pixel_touches_one(tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
    seg = box_segmentation(source, finding((3.2, 5.1, 3.3, 5.9, 0.5), (0, 0, 57, 41, 0.5)))
    masks = seg.get_pixels_by_source_instance([source.uid])[0]
    assert np.argwhere(masks[..., 0]).tolist() == [[5, 3]]
    assert masks[..., 1].all()
    with pytest.raises(ValueError, match="reaches beyond"):
        box_segmentation(source, finding((0, 0, 57.5, 41, 0.5)))


def test_what_is_not_there_cannot_be_written(tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
    with pytest.raises(DicomResultError, match="no map"):
        map_segmentation(source, finding(*TWO_BOXES))
    with pytest.raises(DicomResultError, match="no boxes"):
        box_segmentation(source, finding())


def test_a_box_is_tracked_by_the_same_uid_in_every_result(tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
    found = finding(*TWO_BOXES)
    seg, state = box_segmentation(source, found), presentation_state(source, found)
    write_object(structured_report(source, found), tmp_path / "sr.dcm")
    groups = hd.sr.srread(str(tmp_path / "sr.dcm")).content.get_image_measurement_groups()[1:]
    tracked = [item.TrackingUID for item in seg.SegmentSequence]
    assert tracked == [str(group.tracking_uid) for group in groups]
    (annotation,) = state.GraphicAnnotationSequence
    assert tracked == [graphic.TrackingUID for graphic in annotation.GraphicObjectSequence]
    assert pydicom.uid.UID(tracked[0]).is_valid
