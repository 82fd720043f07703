from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from monai_tbkd.pacs.archive_search import divided_search

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
