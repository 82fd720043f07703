"""Reports become labels of their images: the newest, of people alone, and nothing that was saved otherwise is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_tbkd.__main__ import main
from monai_tbkd.data.lists.tbx11k import read_json_annotations
from monai_tbkd.dicom import write_structured_report
from monai_tbkd.label.image_label import ImageLabel
from monai_tbkd.label.label_folder import LABELS_FOLDER, LabelFolder
from monai_tbkd.label.report_intake import TAKEN_FROM
from monai_tbkd.label.report_label import annotation_report
from tests.dicom.dicom_images import TWO_BOXES, complete_image, finding, odd_image
from tests.dicom.ohif_reports import SHAPES, image_of, ohif_report

BOX, OTHER = (3.0, 4.5, 20.0, 30.25), (1.0, 1.0, 9.0, 9.0)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images, one in a sub-folder."""
    folder = tmp_path / "images"
    (folder / "ward 3").mkdir(parents=True)
    complete_image(folder / "a.dcm")
    odd_image(folder / "ward 3" / "b.dcm", 41, 57)
    return folder


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    return folder


def boxes(images: Path, tmp_path: Path) -> dict[str, list[list[float]]]:
    """What `export_labels` says of every image."""
    main(["export_labels", str(images), "--output", str(tmp_path / "out")])
    found = read_json_annotations(tmp_path / "out" / "labels.json")
    return {name: each.boxes for name, each in found.items()}


def take(images: Path, reports: Path, *more: str) -> int:
    return main(["take_reports", str(images), "--reports", str(reports), *more])


def test_the_newest_of_each_image(
    images: Path, reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = images / "a.dcm", images / "ward 3" / "b.dcm"
    own = write_structured_report(reports / "own.dcm", a, finding(*TWO_BOXES))  # written now, and so the newest
    ohif_report(reports / "1.dcm", a, [BOX], own, ContentDate="20260201", ContentTime="235959")
    ohif_report(reports / "2.dcm", a, [OTHER], own, ContentDate="20260202", ContentTime="000000")
    ohif_report(reports / "3.dcm", a, [BOX], own, ContentDate="20260131", ContentTime="120000")
    ohif_report(reports / "4.dcm", b, [BOX, OTHER])
    (reports / "note.txt").write_text("no report")
    assert take(images, reports) == 0
    assert (
        "2 labels taken, 0 there already, 0 images left alone, 1 reports that are no labels" in capsys.readouterr().out
    )
    assert boxes(images, tmp_path) == {"a.dcm": [list(OTHER)], "ward 3/b.dcm": [list(BOX), list(OTHER)]}

    capsys.readouterr()
    assert take(images, reports) == 0  # once more: nothing is written anew
    assert "0 labels taken, 2 there already" in capsys.readouterr().out
    ohif_report(reports / "5.dcm", a, [BOX], own, ContentDate="20260203")
    assert take(images, reports) == 0
    assert boxes(images, tmp_path)["a.dcm"] == [list(BOX)]


def test_what_was_saved_otherwise_is_left_alone(
    images: Path, reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = LabelFolder(images / LABELS_FOLDER)
    (tmp_path / "drawn.json").write_text(json.dumps({"boxes": [OTHER]}))
    labels.save("a.dcm", tmp_path / "drawn.json")
    ohif_report(reports / "1.dcm", images / "a.dcm", [BOX])
    assert take(images, reports) == 0
    assert "1 images left alone" in capsys.readouterr().out
    assert boxes(images, tmp_path) == {"a.dcm": [list(OTHER)]}
    assert take(images, reports, "--replace") == 0
    assert boxes(images, tmp_path) == {"a.dcm": [list(BOX)]}
    assert labels.info("a.dcm")["understood"] == {"class_name": "tb", "boxes": [list(BOX)]}


def test_the_report_that_the_server_sent_of_a_label_is_that_label(images: Path, reports: Path, tmp_path: Path) -> None:
    sent = annotation_report(ImageLabel(images / "a.dcm", [list(BOX)], ["unspecified"], "tb", (41, 57)))
    sent.save_as(reports / "sent.dcm")
    labels = LabelFolder(images / LABELS_FOLDER)
    (tmp_path / "drawn.json").write_text(json.dumps({"boxes": [BOX]}))
    path = labels.save("a.dcm", tmp_path / "drawn.json", info={"report_sop_instance_uid": str(sent.SOPInstanceUID)})
    assert take(images, reports, "--replace") == 0
    assert labels.path("a.dcm") == path
    labels.remove("a.dcm", "final")
    assert take(images, reports) == 0  # on another machine it is the annotator's label all the same
    assert labels.info("a.dcm")[TAKEN_FROM] == str(sent.SOPInstanceUID)
    assert boxes(images, tmp_path) == {"a.dcm": [list(BOX)]}


def test_what_cannot_be_understood_is_named_and_changes_nothing(
    images: Path, reports: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = image_of(SHAPES, images / "s.dcm")
    ohif_report(reports / "1.dcm", image, [BOX], ContentDate="20200101")  # older than the one with an ellipse
    (reports / "2.dcm").write_bytes(SHAPES.read_bytes())
    ohif_report(reports / "3.dcm", complete_image(tmp_path / "elsewhere.dcm", SOPInstanceUID="1.2.3"), [BOX])
    (reports / "4.dcm").write_bytes(SHAPES.read_bytes()[:3000])
    assert take(images, reports) == 3
    assert "EllipticalROI" in caplog.text
    assert "its image is not there" in caplog.text
    assert "4.dcm is left out" in caplog.text
    assert LabelFolder(images / LABELS_FOLDER).images() == []


def test_one_file_may_be_named(images: Path, reports: Path) -> None:
    path = ohif_report(reports / "1.dcm", images / "a.dcm", [BOX])
    assert take(images, path) == 0
    assert LabelFolder(images / LABELS_FOLDER).images() == ["a.dcm"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "one of --url"),
        (("--url", "http://127.0.0.1:1/dicom-web", "--reports", "x"), "one of --url"),
        (("--reports", "nowhere"), "no such file or folder"),
        (("--url", "http://127.0.0.1:1/dicom-web"), "no store of a PACS"),
    ],
)
def test_what_cannot_be_asked_for(
    more: tuple[str, ...], message: str, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["take_reports", str(images), *more]) == 2
    assert message in capsys.readouterr().err


def test_images_that_are_not_there(tmp_path: Path, reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert take(tmp_path / "nowhere", reports) == 2
    assert "no such folder of images" in capsys.readouterr().err
