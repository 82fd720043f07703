"""Reports of OHIF as labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from monai_tbkd.dicom import write_structured_report
from monai_tbkd.label.image_label import ImageLabel, read_label
from monai_tbkd.label.label_folder import LabelFolder
from monai_tbkd.label.report_label import annotation_report
from tests.dicom.dicom_images import TWO_BOXES, complete_image, finding
from tests.dicom.ohif_reports import HELD, NON_TB, SENT, SHAPES, changed, groups_of, image_of, ohif_report

BOX = (3.0, 4.5, 20.0, 30.25)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return complete_image(tmp_path / "image.dcm")


def label_of(image: Path, tmp_path: Path, *words: str, info: dict[str, str] | None = None) -> ImageLabel:
    return read_label(ohif_report(tmp_path / "r.dcm", image, [BOX] * max(1, len(words)), words=words), image, info)


def test_what_ohif_sent(tmp_path: Path) -> None:
    label = read_label(SENT, image_of(SENT, tmp_path / "image.dcm"))
    np.testing.assert_allclose(label.boxes, HELD, atol=1e-4)
    assert (label.class_name, label.box_types) == ("tb", ["unspecified"] * 2)


def test_a_rectangle_that_was_renamed_says_what_the_image_is(tmp_path: Path, image: Path) -> None:
    label = read_label(NON_TB, image_of(NON_TB, tmp_path / "phantom.dcm"))
    assert (label.class_name, label.boxes) == ("non_tb", [])
    assert label_of(image, tmp_path, "normal").class_name == "health"
    label = label_of(image, tmp_path, "non_tb", "ActiveTuberculosis")
    assert (label.class_name, label.boxes, label.box_types) == ("tb", [list(BOX)], ["active"])


def test_a_box_of_ours_that_was_renamed_is_what_it_is_called_now(tmp_path: Path) -> None:
    def renamed(report: pydicom.Dataset) -> None:
        first = groups_of(report)[0]
        assert first.ContentSequence[-1].TextValue.startswith("TB 99.41 of 100")
        first.ContentSequence[-1].TextValue = "health"
        report.ContentSequence[4].ContentSequence = [first]

    label = read_label(changed(SENT, tmp_path / "r.dcm", renamed), image_of(SENT, tmp_path / "image.dcm"))
    assert (label.class_name, label.boxes) == ("health", [])


def test_boxes_of_an_image_that_is_stored_lying(tmp_path: Path) -> None:
    image = complete_image(tmp_path / "image.dcm", PatientOrientation=["F", "L"])
    label = label_of(image, tmp_path)
    assert label.boxes == [list(BOX)]
    assert label.upright_boxes == [[BOX[1], BOX[0], BOX[3], BOX[2]]]


def test_an_arrow_with_a_word(tmp_path: Path) -> None:
    def without_ellipse_and_circle(report: pydicom.Dataset) -> None:
        groups = groups_of(report)
        report.ContentSequence[4].ContentSequence = [groups[0], groups[2], groups[4]]

    path = changed(SHAPES, tmp_path / "r.dcm", without_ellipse_and_circle)
    label = read_label(path, image_of(SHAPES, tmp_path / "image.dcm"))
    assert (label.class_name, label.left_out) == ("health", ("Length", "Bidirectional"))

    def other_text(report: pydicom.Dataset) -> None:
        groups_of(report)[0].ContentSequence[3].TextValue = "see the report of last year"

    with pytest.raises(ValueError, match="no word for the image"):
        read_label(changed(path, tmp_path / "o.dcm", other_text), tmp_path / "image.dcm")
    label = read_label(tmp_path / "o.dcm", tmp_path / "image.dcm", {"image_label": "sick"})
    assert (label.class_name, label.left_out) == ("sick", ("Length", "Bidirectional", "a note"))


def test_the_models_own_report_is_no_label(tmp_path: Path, image: Path) -> None:
    write_structured_report(tmp_path / "sr.dcm", image, finding(*TWO_BOXES))
    with pytest.raises(ValueError, match="written by a program"):
        read_label(tmp_path / "sr.dcm", image)


@pytest.mark.parametrize(("boxes", "class_name"), [([list(BOX)], "tb"), ([], "tb"), ([], "non_tb"), ([], "health")])
def test_the_report_of_a_saved_label_says_the_same(
    boxes: list[list[float]], class_name: str, tmp_path: Path, image: Path
) -> None:
    saved = ImageLabel(image, boxes, ["unspecified"] * len(boxes), class_name, (41, 57))
    annotation_report(saved).save_as(tmp_path / "sr.dcm")
    label = read_label(tmp_path / "sr.dcm", image)
    assert label.boxes == boxes
    assert label.class_name == ("non_tb" if class_name == "health" else class_name)  # a report tells TB from the rest


def test_what_is_no_label_of_this_image(tmp_path: Path, image: Path) -> None:
    for words, message in (
        (("nodule",), "nodule"),
        (("health", "sick"), "health and sick"),
        (("health", "tb"), "remove one"),
    ):
        with pytest.raises(ValueError, match=message):
            label_of(image, tmp_path, *words)
    with pytest.raises(ValueError, match="of another image"):
        read_label(SENT, image)
    Image.fromarray(np.arange(4000, dtype=np.uint16).reshape(50, 80).astype(np.uint8)).save(tmp_path / "image.png")
    with pytest.raises(ValueError, match="of another image"):
        read_label(SENT, tmp_path / "image.png")
    ohif_report(tmp_path / "r.dcm", image, [(60.0, 4.0, 90.0, 30.0)])
    with pytest.raises(ValueError, match="lies on the image"):
        read_label(tmp_path / "r.dcm", image)


def test_it_is_kept_as_a_label_that_others_cannot_read(tmp_path: Path) -> None:
    labels = LabelFolder(tmp_path / "labels")
    kept = labels.save("image.dcm", SENT)
    assert (labels.images(), labels.path("image.dcm")) == (["image.dcm"], kept)
    assert kept.read_bytes() == SENT.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0


def test_a_deflated_report_is_not_inflated(tmp_path: Path, image: Path) -> None:
    """A small file may hold millions of elements."""
    report = pydicom.dcmread(SENT)
    report.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    report.save_as(tmp_path / "r.dcm")
    with pytest.raises(ValueError, match="deflated"):
        read_label(tmp_path / "r.dcm", image)


def test_a_report_of_empty_items_is_not_read(tmp_path: Path) -> None:
    report = pydicom.dcmread(SENT)
    report.ContentSequence[4].ContentSequence.extend([pydicom.Dataset()] * 21_000)
    report.save_as(tmp_path / "r.dcm")
    with pytest.raises(ValueError, match="items"):
        read_label(tmp_path / "r.dcm", image_of(SENT, tmp_path / "image.dcm"))
