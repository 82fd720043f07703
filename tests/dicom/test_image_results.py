"""Results of many images in a folder: named by image, written once, removed with their run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest

from monai_tbkd.dicom import (
    KINDS,
    DicomResultError,
    DicomResultWriter,
    ImageFinding,
    result_series,
    write_image_results,
)
from monai_tbkd.dicom import image_results as image_results_of
from monai_tbkd.dicom.source_image import SourceImage
from tests.data.golden_dicom import ramp, write_image
from tests.data.images_by_hand import noise_png
from tests.dicom.dicom_images import COMPLETE, MODEL, TWO_BOXES, complete_image, finding

MAP = np.full((1, 4, 4), 0.25, dtype=np.float32)


def row_of(source_format: str = "dicom", score: float = 91.23, **more: Any) -> dict[str, Any]:
    boxes = [[xmin, ymin, xmax, ymax, s] for xmin, ymin, xmax, ymax, s in TWO_BOXES]
    return {
        "name": "image.dcm", "status": "done", "source_format": source_format, "score_0_100": score,
        "threshold_0_100": 50.0,
        "threshold_id": "config", "decision": "TB suggestive", "boxes": boxes, "model_version": MODEL,
        "warnings": None, **more,
    }  # fmt: skip


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def uid_of(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def test_all_kinds_in_a_folder_of_the_image(tmp_path: Path) -> None:
    image = complete_image(tmp_path / "Doe Jane.dcm")
    writer = DicomResultWriter(tmp_path / "out", KINDS)
    assert writer.write(image, row_of(), MAP) is None
    uid = uid_of(image)
    assert files_in(tmp_path / "out") == sorted(f"dicom/{uid}/{kind}.dcm" for kind in KINDS)
    uids = {uid_of(path) for path in (tmp_path / "out").rglob("*.dcm")}
    assert len(uids) == len(KINDS)


def test_writing_again_makes_no_doubles(tmp_path: Path) -> None:
    image = complete_image(tmp_path / "image.dcm")
    for _ in range(2):  # as where a run was killed between the results and the row
        assert DicomResultWriter(tmp_path / "out", ["sr"], resume=True).write(image, row_of(), MAP) is None
    (path,) = (tmp_path / "out").rglob("*.dcm")
    assert path.parent.name == uid_of(image)


def test_another_image_of_the_same_uid_does_not_lose_the_first(tmp_path: Path) -> None:
    first, second = complete_image(tmp_path / "image.dcm"), complete_image(tmp_path / "b.dcm")
    ds = pydicom.dcmread(second)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid_of(first)
    ds.save_as(second)
    writer = DicomResultWriter(tmp_path / "out", ["sr"])
    writer.write(first, row_of(), MAP)
    writer.write(second, row_of(score=77.0), MAP)
    writer.write(second, row_of(score=77.0), MAP)
    uid = uid_of(first)
    assert files_in(tmp_path / "out") == [f"dicom/{uid}/sr.dcm", f"dicom/{uid}_2/sr.dcm"]


def test_a_new_run_removes_the_old_ones_results_and_nothing_else(tmp_path: Path) -> None:
    image = complete_image(tmp_path / "image.dcm")
    DicomResultWriter(tmp_path / "out", ["sr", "sc"]).write(image, row_of(), MAP)
    notes = tmp_path / "out" / "dicom" / "mine" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("kept")
    DicomResultWriter(tmp_path / "out", ["sr"], resume=True).start()
    assert len(files_in(tmp_path / "out")) == 3
    DicomResultWriter(tmp_path / "out", ["sr"]).start()
    assert files_in(tmp_path / "out") == ["dicom/mine/notes.txt"]
    assert [path.name for path in (tmp_path / "out" / "dicom").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("make", "note"),
    [
        (lambda path: noise_png(path), "no DICOM results: a png file names no patient and study to write them for"),
        (
            lambda path: write_image(path, ramp(0, 255), 8, headless=True, **{**COMPLETE, "StudyInstanceUID": None}),
            "no DICOM results: the image lacks StudyInstanceUID, which its results have to refer to",
        ),
    ],
    ids=["picture", "no study"],
)
def test_an_image_without_results_is_told_why(tmp_path: Path, make: Any, note: str) -> None:
    image = make(tmp_path / "image")
    source_format = "png" if image.read_bytes().startswith(b"\x89PNG") else "dicom"
    writer = DicomResultWriter(tmp_path / "out", KINDS)
    assert writer.write(image, row_of(source_format), MAP) == note
    assert not (tmp_path / "out").exists()


def test_no_boxes_and_no_map_leave_out_their_segmentations(tmp_path: Path) -> None:
    image = complete_image(tmp_path / "image.dcm")
    assert set(image_results_of(SourceImage.read(image), ImageFinding(0.1))) == {"sr", "sc", "gsps"}


def test_when_one_cannot_be_made_none_is_written(tmp_path: Path) -> None:
    image = complete_image(tmp_path / "image.dcm")
    content = image.read_bytes()
    image.write_bytes(content[: len(content) - 500])  # the pixels are cut, the header is whole
    with pytest.raises(DicomResultError, match="cannot be read again"):
        write_image_results(tmp_path / "out", image, finding(*TWO_BOXES))
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_no_half_of_an_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = complete_image(tmp_path / "image.dcm")

    def fails(self: pydicom.Dataset, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pydicom.Dataset, "save_as", fails)
    with pytest.raises(OSError, match="No space"):
        DicomResultWriter(tmp_path / "out", ["sr"]).write(image, row_of(), MAP)
    assert files_in(tmp_path / "out") == []


def test_an_image_that_highdicom_stumbles_over_does_not_stop_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumbles(*_: object, **__: object) -> None:
        raise TypeError("Secret^Patient")

    image = complete_image(tmp_path / "image.dcm")
    monkeypatch.setattr(hd.sr.ComprehensiveSR, "__init__", stumbles)
    note = DicomResultWriter(tmp_path / "out", ["sr"]).write(image, row_of(), MAP)
    assert note == "no DICOM results: they could not be made (TypeError); see the log"
    assert not (tmp_path / "out").exists()
    assert "image.dcm: TypeError at" in caplog.text
    assert "Secret" not in caplog.text


def test_unknown_kinds_are_refused_by_name(tmp_path: Path) -> None:
    for kinds in (["sr", "pdf"], []):
        with pytest.raises(ValueError, match="expected some of"):
            DicomResultWriter(tmp_path, kinds)


@pytest.mark.parametrize("kind", ["sr", "sc", "gsps"])
def test_where_people_read_them_they_say_that_a_model_knows_phantoms_alone(kind: str, tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
    known = finding(*TWO_BOXES)
    strange = replace(known, model_version="monai_tbkd 0.1.0, 0a1b, phantom images only")
    for model, said in ((known, False), (strange, True)):
        result = image_results_of(source, model, [kind])[kind]
        texts = [
            str(element.value).lower() for element in result.iterall() if element.VM and element.tag.group < 0x7FE0
        ]
        assert any("research use only, not for diagnosis" in text for text in texts)
        assert any("trained on phantom images, knows no real image" in text for text in texts) is said


def test_series_of_results_are_known_without_the_image(tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
    found = replace(finding(*TWO_BOXES), identity=MODEL, tb_map=np.zeros((4, 4), dtype=np.float32))
    results = image_results_of(source, found, KINDS)
    expected = result_series(str(source.header.StudyInstanceUID), source.uid, MODEL)
    assert {kind: str(result.SeriesInstanceUID) for kind, result in results.items()} == expected
    assert len(set(expected.values())) == len(KINDS)
