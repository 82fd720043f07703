from __future__ import annotations

import pytest

from monai_tbkd.pacs import StudyQuery


def test_keys_go_to_their_level() -> None:
    query = StudyQuery.parse(["StudyDate=20260101-", "PatientID=A=1", "Manufacturer=Fuji*"])
    assert query == ({"StudyDate": "20260101-", "PatientID": "A=1"}, {"Manufacturer": "Fuji*"})
    assert StudyQuery.parse([]) == ({}, {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["StudyDate"], "'StudyDate' has no value"),
        (["StudyDate="], "'StudyDate' has no value"),
        (["Modality=CR"], "'Modality' is no key that can be searched for; expected one of Access"),
        (["StudyDate=1", "StudyDate=2"], "'StudyDate' is given twice"),
    ],
)
def test_what_is_no_query(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StudyQuery.parse(words)
