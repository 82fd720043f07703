"""The image that is fetched is the one that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset

from monai_tbkd.label.pacs_source import PacsSource
from tests.data.golden_dicom import ramp, write_image

STUDY, SERIES = "1.2.3", "1.2.3.4"


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
