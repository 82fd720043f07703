from __future__ import annotations

from typing import Any

import pytest

from monai_tbkd.pacs.archive_search import narrower_queries


def study(date: str = "", time: str = "") -> dict[str, Any]:
    return {"00080020": {"vr": "DA", "Value": [date]}, "00080030": {"vr": "TM", "Value": [time]}}


@pytest.mark.parametrize(
    ("query", "found", "parts"),
    [
        ({}, [study("20260228"), study("20260401")], [{"StudyDate": "-20260228"}, {"StudyDate": "20260301-"}]),
        (
            {"StudyDate": "20260101-20261231", "StudyID": "7"},
            [study("20260103"), study("20260101"), study("20260102")],
            [{"StudyDate": "20260101-20260101", "StudyID": "7"}, {"StudyDate": "20260102-20261231", "StudyID": "7"}],
        ),
        (
            {"StudyDate": "20260101"},
            [study("20260101", "095959.5"), study("20260101", "1000")],
            [],
        ),
        (
            {"StudyDate": "20260101"},
            [study("20260101", "095959.5"), study("20260101", "100000")],
            [
                {"StudyDate": "20260101", "StudyTime": "-095959.999999"},
                {"StudyDate": "20260101", "StudyTime": "100000-"},
            ],
        ),
        # what lies outside of the range, or is no date, divides nothing
        ({"StudyDate": "20260101-20260101", "PatientID": "1"}, [study("20250101"), study("20260101")], []),
        ({"PatientID": "1"}, [study("20269901"), study("20269902"), study("x")], []),
        ({"PatientID": "1?"}, [study(), study()], []),
        ({"PatientID": "*a*"}, [study(), study()], []),
    ],
)
def test_parts_of_a_search(query: dict[str, str], found: list[dict[str, Any]], parts: list[dict[str, str]]) -> None:
    narrower = narrower_queries(query, found)
    assert [each for each in narrower if "PatientID" in query or "PatientID" not in each] == parts


@pytest.mark.parametrize("pattern", [None, "*", "*7", "A*", "A*7"])
def test_ends_of_identifiers_cover_those_that_match(pattern: str | None) -> None:
    head, _, tail = (pattern or "*").partition("*")
    narrower = narrower_queries({"PatientID": pattern} if pattern else {}, [study(), study()])
    expected = {f"{head}*{one}{tail}" for one in "0123456789-_."} | ({head + tail} - {""})
    assert expected <= {each["PatientID"] for each in narrower}
    assert len(narrower) == 65 + bool(head + tail)
