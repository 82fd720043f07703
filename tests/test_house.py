"""The table "The house" of docs/architecture.md is true: who imports whom, and every folder has its row."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "monai_tbkd"
ROWS = re.findall(r"^\| `([\w/]+)` \|[^|]*\|([^|]*)\|$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
PARTS = [(folder.rstrip("/").removeprefix("monai_tbkd/"), cell) for folder, cell in ROWS if "/" in folder.rstrip("/")]


def allowed(part: str) -> set[str]:
    """The parts that a part may import from, by its row."""
    names = [name for name, _ in PARTS]
    cell = dict(PARTS)[part]
    above = names[: names.index(part)] if "all of the above" in cell else []
    return {*above, *re.findall(r"`(\w+)`", cell)}


@cache
def imported(part: str) -> list[tuple[str, str]]:
    return list(find_imported(part))


def find_imported(part: str) -> Iterator[tuple[str, str]]:
    """A file of a part and another part that it imports from, in functions too."""
    for file in sorted((PACKAGE / part).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                package, _, rest = module.partition(".")
                if package == "monai_tbkd" and rest and rest.split(".")[0] != part:
                    yield str(file.relative_to(ROOT)), rest.split(".")[0]


def test_every_part_has_its_row() -> None:
    parts = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()}
    assert {name for name, _ in PARTS} == parts
    tops = {folder.rstrip("/") for folder, _ in ROWS if "/" not in folder.rstrip("/")}
    assert tops == {"bundle", "configs", "deploy", "docs", "scripts", "benchmarks", "tests"}
    assert all((ROOT / top).is_dir() for top in tops)


@pytest.mark.parametrize("part", [name for name, cell in PARTS if "what it needs" not in cell])
def test_parts_import_from_where_their_row_says(part: str) -> None:
    assert [(file, other) for file, other in imported(part) if other not in allowed(part)] == []


def test_no_two_parts_import_from_each_other() -> None:
    arrows = {name: {other for _, other in imported(name)} for name, _ in PARTS}
    while free := [name for name, others in arrows.items() if not others & set(arrows)]:
        for name in free:
            del arrows[name]
    assert arrows == {}


def test_the_house_is_counted_and_no_larger_than_its_limits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "count_house.py"))
    counts = script["count"]()
    assert counts["rooms"] == len(PARTS)
    assert counts["arrows"] == sum(len({other for _, other in imported(name)}) for name, _ in PARTS)
    monkeypatch.setattr(sys, "argv", ["count_house.py", "--check"])
    assert script["main"]() == 0, capsys.readouterr().out
    script["LIMITS"]["package lines"] = 100
    assert script["main"]() == 1
    assert "at most 100   <-- above" in capsys.readouterr().out
