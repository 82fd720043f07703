"""Images that come by request into a folder; those of a PACS are the ones asked for, and reports reach it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import Dataset

from monai_tbkd.label import image_sources
from monai_tbkd.label.image_label import ImageLabel
from monai_tbkd.label.image_sources import FolderSource, PacsSource
from tests.data.golden_dicom import ramp, write_image

STUDY, SERIES = "1.2.3", "1.2.3.4"
REPORT = "1.2.3.7"
LABEL = ImageLabel(Path("image.png"), [], [], "tb", (41, 57))


def test_one_of_several_uploads_of_a_name_is_kept(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(files):
        Image.fromarray(np.full((20, 20), number, dtype=np.uint8)).save(path)
    source = FolderSource(tmp_path / "images", tmp_path / "images" / "labels")

    def add(path: Path) -> str:
        try:
            return source.add("new", path)
        except (ValueError, OSError) as error:
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(add, files))
    assert sorted(found) == ["ValueError"] * 3 + ["new.png"]
    kept = files[found.index("new.png")].read_bytes()
    assert (tmp_path / "images" / "new.png").read_bytes() == kept


def test_nothing_is_left_of_an_upload_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fills_the_disk(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError("no space")

    Image.fromarray(np.zeros((20, 20), dtype=np.uint8)).save(tmp_path / "a.png")
    source = FolderSource(tmp_path / "images", tmp_path / "images" / "labels")
    monkeypatch.setattr("shutil.copyfile", fills_the_disk)
    with pytest.raises(OSError, match="no space"):
        source.add("new", tmp_path / "a.png")
    assert [path.name for path in (tmp_path / "images").iterdir()] == [".lock"]


class Server:
    """As ``DICOMwebClient``, with one series."""

    def __init__(self, *instances: Dataset) -> None:
        self.instances = list(instances)

    def search_for_series(self, **_: Any) -> list[dict[str, Any]]:
        series = Dataset()
        series.StudyInstanceUID, series.SeriesInstanceUID, series.Modality = STUDY, SERIES, "DX"
        return [series.to_json_dict()]

    def retrieve_series(self, study: str, series: str) -> list[Dataset]:
        assert (study, series) == (STUDY, SERIES)
        return self.instances


def image(folder: Path, **elements: str) -> Dataset:
    uids = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": "1.2.3.4.5", **elements}
    write_image(folder / "image.dcm", ramp(0, 4095), 12, **uids)
    return pydicom.dcmread(folder / "image.dcm")


@pytest.mark.parametrize("other", [{"SeriesInstanceUID": "1.2.3.9"}, {"StudyInstanceUID": "1.2.9"}])
def test_an_image_of_another_series_is_left_out(other: dict[str, str], tmp_path: Path) -> None:
    wrong = image(tmp_path, **other)
    assert PacsSource(Server(wrong), tmp_path / "cache", ("DX",)).path(SERIES) is None
    assert not list((tmp_path / "cache").iterdir())
    own = image(tmp_path)
    folder = PacsSource(Server(wrong, own, own), tmp_path / "cache", ("DX",)).path(SERIES)
    assert folder is not None
    (kept,) = folder.iterdir()
    assert pydicom.dcmread(kept).SOPInstanceUID == "1.2.3.4.5"


def listing(uid: str) -> Dataset:
    item, answer = Dataset(), Dataset()
    item.ReferencedSOPInstanceUID = uid
    answer.ReferencedSOPSequence = [item]
    return answer


class Archive:
    """As ``DICOMwebClient``: an answer to a request to store, and what a search finds then."""

    def __init__(self, answer: Any, *found: str) -> None:
        self.answer, self.found = answer, found

    def store_instances(self, instances: list[Dataset]) -> Dataset:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def search_for_instances(self, *_: Any, search_filters: dict[str, str]) -> list[dict[str, Any]]:
        assert search_filters == {"SOPInstanceUID": REPORT}
        return [{"00080018": {"vr": "UI", "Value": [each]}} for each in self.found]


@pytest.mark.parametrize(
    ("archive", "noted"),
    [
        (Archive(listing(REPORT)), "sent"),
        (Archive(Dataset(), REPORT), "sent"),
        (Archive(Dataset()), "NOT_STORED"),  # 200 with {}, a page of HTML, or nothing
        (Archive(listing("1.2.3.5"), "1.2.3.5"), "NOT_STORED"),
        (Archive(ConnectionError("gone")), "ConnectionError"),
    ],
)
def test_a_report_counts_as_sent_when_the_archive_has_it(
    archive: Archive, noted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Dataset()
    report.SOPInstanceUID, report.StudyInstanceUID, report.SeriesInstanceUID = REPORT, "1.2", "1.2.3"
    monkeypatch.setattr(image_sources, "annotation_report", lambda label: report)
    found = PacsSource(archive, tmp_path, ()).send_report(LABEL)
    if noted == "sent":
        assert found == {"report": "sent", "report_sop_instance_uid": REPORT}
    else:
        assert found == {"report": "not sent", "report_fault": noted}


def test_an_image_that_gets_no_report_is_no_fault_of_its_label(tmp_path: Path) -> None:
    found = PacsSource(Archive(listing(REPORT)), tmp_path, ()).send_report(LABEL)
    assert found["report"] == "not sent" and found["report_fault"]
