"""docs/evaluation.md and what evaluate writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monai_tbkd.engines.evaluation_result import SCHEMA_VERSION
from tests.conftest import REPOSITORY

DOCUMENT = (REPOSITORY / "docs" / "evaluation.md").read_text(encoding="utf-8").partition("## Keys of `metrics.json`")[2]
# keys that the small evaluation has no reason to write
NOT_HERE = {
    "predictors.<predictor>.sources.<source>.images",
    "predictors.<predictor>.sources.<source>.tb_images",
    "predictors.<predictor>.sources.<source>.<metric>",
    "predictors.<predictor>.sources.<source>.at_threshold.<which>.<number>",
    "splits.<split>.patients",
    "splits.<split>.images_without_patient",
    "provenance.inputs.<predictor>.<fact>",
}
INTERVAL = {"value", "low", "high", "n"}


def documented() -> dict[str, str]:
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \| [^|]+ \|$", DOCUMENT, re.MULTILINE))


def patterns() -> dict[str, tuple[str, ...]]:
    return {key: tuple(key.replace("[]", ".[]").split(".")) for key in documented()}


def written(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every leaf with its path; an interval is a leaf."""
    if isinstance(content, dict) and set(content) >= INTERVAL and "fraction_with_tb" not in content:
        yield path, {k: content[k] for k in INTERVAL}
        for key in set(content) - INTERVAL:
            yield from written(content[key], (*path, key))
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from written(value, (*path, key))
    elif isinstance(content, list) and content and isinstance(content[0], dict):
        for value in content:
            yield from written(value, (*path, "[]"))
    else:
        yield path, content


def fits(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(
        re.fullmatch(re.sub(r"<\w+>", ".+", wanted) if "<" in wanted else re.escape(wanted), found)
        for found, wanted in zip(path, pattern)
    )


def kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return {int: "number", float: "number", str: "text", list: "list", dict: "interval"}[type(value)]


@pytest.fixture(scope="module")
def leaves(trained: Path) -> list[tuple[tuple[str, ...], Any]]:
    return list(written(json.loads((trained / "out" / "metrics.json").read_text())))


def test_every_key_that_is_written_is_documented_with_its_type(leaves: Any) -> None:
    types, forms = documented(), patterns()
    assert len(leaves) > 500
    for path, value in leaves:
        # the most exact row: a literal key before a placeholder
        found = min((key for key, form in forms.items() if fits(path, form)), key=lambda k: k.count("<"), default=None)
        assert found is not None, f"not in docs/evaluation.md: {'.'.join(path)}"
        assert types[found] == "any" or kind(value) in [*types[found].split(" or "), types[found]], (path, value)


def test_every_key_that_is_documented_is_written(leaves: Any) -> None:
    paths = [path for path, _ in leaves]
    types = documented()
    missing = set()
    for key, form in patterns().items():
        within = len(form) if types[key].startswith("object") else None  # an object is there by what is below it
        if not any(fits(path[:within], form) for path in paths):
            missing.add(key)
    assert missing == NOT_HERE


def test_the_version_is_the_code_s() -> None:
    assert f"`schema_version` is {SCHEMA_VERSION}." in DOCUMENT
