"""Searches for studies in parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from monai_tbkd.pacs.archive_search import divided_search, narrower_queries

MOST = 3


def study(number: int) -> dict[str, Any]:
    tags = {"00080020": f"2026010{number % 2 + 1}", "00080030": "120000", "00100020": f"P{number}"}
    return {tag: {"vr": "LO", "Value": [value]} for tag, value in tags.items()}


STUDIES = {f"1.{number}": study(number) for number in range(12)}


@pytest.mark.parametrize("known", [("StudyDate",), ()])
def test_an_archive_that_knows_no_key_to_divide_by_comes_to_an_end(known: tuple[str, ...]) -> None:
    """It answers each part with the same studies; of a date it does not tell of more than at first."""
    asked: list[Mapping[str, str]] = []
    told: list[str] = []

    def search(query: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        asked.append(query)
        assert len(asked) < 500
        low, _, high = query.get("StudyDate", "-").partition("-")
        found = {
            uid: tags
            for uid, tags in STUDIES.items()
            if "StudyDate" not in known or (low or "0") <= tags["00080020"]["Value"][0] <= (high or "9")
        }
        return dict(list(found.items())[:MOST])

    found = list(divided_search(search, {}, told.append))
    assert len(found) == len(set(found)) == (2 * MOST if known else MOST)
    assert bool(told) is bool(known)


def study_at(date: str = "", time: str = "") -> dict[str, Any]:
    return {"00080020": {"vr": "DA", "Value": [date]}, "00080030": {"vr": "TM", "Value": [time]}}


@pytest.mark.parametrize(
    ("query", "found", "parts"),
    [
        ({}, [study_at("20260228"), study_at("20260401")], [{"StudyDate": "-20260228"}, {"StudyDate": "20260301-"}]),
        (
            {"StudyDate": "20260101-20261231", "StudyID": "7"},
            [study_at("20260103"), study_at("20260101"), study_at("20260102")],
            [{"StudyDate": "20260101-20260101", "StudyID": "7"}, {"StudyDate": "20260102-20261231", "StudyID": "7"}],
        ),
        (
            {"StudyDate": "20260101"},
            [study_at("20260101", "095959.5"), study_at("20260101", "1000")],
            [],
        ),
        (
            {"StudyDate": "20260101"},
            [study_at("20260101", "095959.5"), study_at("20260101", "100000")],
            [
                {"StudyDate": "20260101", "StudyTime": "-095959.999999"},
                {"StudyDate": "20260101", "StudyTime": "100000-"},
            ],
        ),
        # what lies outside of the range, or is no date, divides nothing
        ({"StudyDate": "20260101-20260101", "PatientID": "1"}, [study_at("20250101"), study_at("20260101")], []),
        ({"PatientID": "1"}, [study_at("20269901"), study_at("20269902"), study_at("x")], []),
        ({"PatientID": "1?"}, [study_at(), study_at()], []),
        ({"PatientID": "*a*"}, [study_at(), study_at()], []),
    ],
)
def test_parts_of_a_search(query: dict[str, str], found: list[dict[str, Any]], parts: list[dict[str, str]]) -> None:
    narrower = narrower_queries(query, found)
    assert [each for each in narrower if "PatientID" in query or "PatientID" not in each] == parts


@pytest.mark.parametrize("pattern", [None, "*", "*7", "A*", "A*7"])
def test_ends_of_identifiers_cover_those_that_match(pattern: str | None) -> None:
    head, _, tail = (pattern or "*").partition("*")
    narrower = narrower_queries({"PatientID": pattern} if pattern else {}, [study_at(), study_at()])
    expected = {f"{head}*{one}{tail}" for one in "0123456789-_."} | ({head + tail} - {""})
    assert expected <= {each["PatientID"] for each in narrower}
    assert len(narrower) == 65 + bool(head + tail)
