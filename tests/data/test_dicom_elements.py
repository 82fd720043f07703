from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from monai_tbkd.data.readers.dicom_elements import numbers, quoted_values, sequence_items, spacing_of, text_of
from tests.data.films_by_hand import block_film, make_dicom, put_text


def written(folder: Path, vr: str, value: str) -> Dataset:
    path = make_dicom(folder / "a", block_film(9, np.uint16))
    put_text(path, "WindowCenter", vr, value)
    return pydicom.dcmread(path)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("1.5", [1.5]),
        ("1,5", [None]),
        ("1.5\\2", [1.5, 2.0]),
        ("\\2048", [None, 2048.0]),
        ("[1, 2]", [None]),
        ("NA", [None]),
        ("inf\\nan", [None, None]),
        ("1e3 ", [1000.0]),
        ("", []),
        ("  ", []),
    ],
)
@pytest.mark.parametrize("vr", ["DS", "IS", "LO"])
def test_numbers_of_any_text(tmp_path: Path, vr: str, value: str, found: list[float | None]) -> None:
    assert numbers(written(tmp_path, vr, value), "WindowCenter") == found


def test_a_missing_element_has_no_values() -> None:
    assert numbers(Dataset(), "WindowCenter") == []
    assert text_of(Dataset(), "WindowCenter") == ""
    assert sequence_items(Dataset(), "VOILUTSequence") == []


@pytest.mark.parametrize("value", ["Secret^Patient", "12 PN Secret", "secret patient", "Secret Patient"])
def test_what_may_be_a_name_is_not_quoted(tmp_path: Path, value: str) -> None:
    assert quoted_values(written(tmp_path, "DS", value), "WindowCenter") == "an odd value"


def test_a_sequence_that_is_a_text_has_no_items(tmp_path: Path) -> None:
    assert sequence_items(written(tmp_path, "LO", "text"), "WindowCenter") == []


@pytest.mark.parametrize(
    ("value", "spacing"),
    [("0.2\\0.1", (0.2, 0.1)), ("0,2\\0,1", None), ("0.2", None), ("0.2\\0.1\\1", None), ("0\\0.1", None), ("", None)],
)
def test_spacing_of_two_numbers_above_0(tmp_path: Path, value: str, spacing: tuple[float, float] | None) -> None:
    assert spacing_of(written(tmp_path, "DS", value), "WindowCenter") == spacing
