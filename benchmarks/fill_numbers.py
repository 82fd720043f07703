"""Write the numbers of ``benchmarks/results`` into the documents, or check that they are the ones that stand there.

    python benchmarks/fill_numbers.py                # fill every document
    python benchmarks/fill_numbers.py --check        # write nothing; exit status 1 if a document is out of step
    python benchmarks/fill_numbers.py README.md      # some documents only

In a document, a number stands between two comments that no reader sees:

    <!-- number demo.csv; seed=0; predictor=student; metric=auc -->0.986 [0.972, 0.995]<!-- /number -->

The first word is a file of ``benchmarks/results``. Then come conditions, ``column=value``, that must leave exactly one
row, and, if wanted, ``show=`` with the text to write, ``{column}`` standing for a value as it is in the file and
``{column:.3f}`` for a formatted one. Without it the text is ``{value:.3f} [{low:.3f}, {high:.3f}]``. In a JSON file the
conditions are one path, ``at=predictors/student/auc``; a single value found there is called ``value``.

A table names its rows and columns, each with conditions of its own:

    <!-- table demo.csv; seed=0
    row the student: predictor=student
    row blind prior: predictor=blind_prior
    column union-mask mIoU: metric=union_mask_miou
    column AUC: metric=auc; show={value:.2f}
    -->
    ...
    <!-- /table -->

A cell stays empty if nothing fits both, such as the AUC of a predictor that gives no scores; a row or column that finds
nothing at all is an error. Tables are made from CSV files only. What stands between ``` fences is left alone. A number
must not begin a line, since Markdown would take the whole line for HTML.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results"
DOCUMENTS = ("*.md", "docs/**/*.md", "bundle/docs/*.md")
SHOW = "{value:.3f} [{low:.3f}, {high:.3f}]"

_MARKED = re.compile(r"<!-- (number|table) (.*?)-->(.*?)<!-- /\1 -->", re.DOTALL)
_OPENED = re.compile(r"<!-- (number|table) ")
_AT_LINE_START = re.compile(r"^ {0,3}<!-- number ", re.MULTILINE)
_FENCED = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)
_PLACE = re.compile(r"\{([^{}:]+)(?::([^{}]+))?\}")

Row = Mapping[str, Any]


class MarkerError(ValueError):
    """A marker that cannot be filled; the message says why and how to mend it."""


def fill(text: str, results: Path = RESULTS) -> str:
    """A document with every marked number and table written anew.

    Args:
        text: Markdown.
        results: folder of the CSV and JSON files that markers name.

    Raises:
        MarkerError: a marker is not closed, begins a line, or names what is not there.
    """
    parts = _FENCED.split(text)
    return "".join(part if k % 2 else _filled_part(part, results) for k, part in enumerate(parts))


def _filled_part(text: str, results: Path) -> str:
    if begins := _AT_LINE_START.search(text):
        line = text[begins.start() :].lstrip().splitlines()[0]
        raise MarkerError(
            f"a number begins a line ({line[:60]}...); put a word before it, or Markdown shows no markup there."
        )
    opened, marked = len(_OPENED.findall(text)), list(_MARKED.finditer(text))
    if opened != len(marked):
        raise MarkerError(
            f"{opened} markers are opened and {len(marked)} closed; end each with <!-- /number --> or <!-- /table -->, "
            "none inside another."
        )
    return _MARKED.sub(lambda found: _filled(found, results), text)


def _filled(found: re.Match[str], results: Path) -> str:
    kind, body = found[1], found[2]
    try:
        text = _number(body, results) if kind == "number" else _table(body, results)
    except MarkerError as error:
        raise MarkerError(f"<!-- {kind} {body.strip()} -->: {error}") from error
    return f"<!-- {kind} {body}-->{text}<!-- /{kind} -->"


def _number(body: str, results: Path) -> str:
    file, conditions, show = _parts(body)
    rows = _matching(_rows(results, file, conditions), conditions)
    if len(rows) != 1:
        raise MarkerError(f"{len(rows)} rows of {file} fit; give conditions that leave exactly one.")
    return _shown(rows[0], show or SHOW)


def _table(body: str, results: Path) -> str:
    first, *lines = [line.strip() for line in body.strip().splitlines()]
    file, common, show = _parts(first)
    rows, columns = _axis("row", lines), _axis("column", lines)
    if len(rows) + len(columns) != len(lines) or not rows or not columns:
        raise MarkerError(
            "a table takes lines 'row NAME: conditions' and 'column NAME: conditions', each once or more."
        )
    every = _matching(_rows(results, file, common), common)
    for name, conditions, _ in [*rows, *columns]:
        if not _matching(every, conditions):
            raise MarkerError(f"no row of {file} fits '{name}'; mend its conditions.")
    head = ["", *(name for name, _, _ in columns)]
    table = [head, ["---"] * len(head)]
    for name, of_row, row_show in rows:
        cells = [name]
        for column, of_column, column_show in columns:
            found = _matching(every, {**of_row, **of_column})
            if len(found) > 1:
                raise MarkerError(f"{len(found)} rows of {file} fit '{name}' and '{column}'; give more conditions.")
            cells.append(_shown(found[0], column_show or row_show or show or SHOW) if found else "")
        table.append(cells)
    return "\n" + "".join("| " + " | ".join(cells) + " |\n" for cells in table)


def _axis(kind: str, lines: Sequence[str]) -> list[tuple[str, dict[str, str], str | None]]:
    found = [re.fullmatch(rf"{kind} (.+?): (.+)", line) for line in lines]
    return [(match[1], *_conditions(match[2].split(";"))) for match in found if match]


def _parts(body: str) -> tuple[str, dict[str, str], str | None]:
    file, *conditions = body.split(";")
    return file.strip(), *_conditions(conditions)


def _conditions(parts: Sequence[str]) -> tuple[dict[str, str], str | None]:
    conditions: dict[str, str] = {}
    for part in parts:
        column, equals, value = part.strip().partition("=")
        if not equals or column in conditions:
            raise MarkerError(f"'{part.strip()}' is no condition, or its column stands twice; write column=value.")
        conditions[column] = value
    show = conditions.pop("show", None)
    return conditions, show


def _rows(results: Path, file: str, conditions: dict[str, str]) -> Sequence[Row]:
    path = results / file
    if path.parent != results or path.suffix not in (".csv", ".json") or not path.is_file():
        raise MarkerError(
            f"'{file}' is no CSV or JSON file of {results.name}/; make it with its benchmark, or mend the name."
        )
    if path.suffix == ".csv":
        return _csv(path)
    found = json.loads(path.read_text(encoding="utf-8"))
    for key in conditions.pop("at", "").split("/"):
        if not isinstance(found, dict) or key not in found:
            raise MarkerError(f"there is no '{key}' on the path; write at=one/key/after/another.")
        found = found[key]
    return [found if isinstance(found, dict) else {"value": found}]


def _csv(path: Path) -> Sequence[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _matching(rows: Sequence[Row], conditions: Mapping[str, str]) -> list[Row]:
    unknown = sorted(set(conditions) - set(rows[0])) if rows else []
    if unknown:
        raise MarkerError(f"no column is called '{unknown[0]}'; there are {', '.join(rows[0])}.")
    return [row for row in rows if all(str(row[column]) == value for column, value in conditions.items())]


def _shown(row: Row, show: str) -> str:
    def value(place: re.Match[str]) -> str:
        column, form = place[1], place[2]
        if row.get(column) in (None, ""):
            raise MarkerError(
                f"'{column}' has no value there; there are {', '.join(k for k, v in row.items() if v != '')}."
            )
        if form is None:
            return str(row[column])
        try:
            # decimal, as a binary float would round 0.715 down and 0.725 up
            with localcontext(rounding=ROUND_HALF_UP):
                return format(Decimal(str(row[column])), form)
        except (ValueError, InvalidOperation):
            raise MarkerError(f"'{row[column]}' of '{column}' cannot be written as '{form}'.") from None

    return _PLACE.sub(value, show)


def documents(root: Path = REPOSITORY) -> list[Path]:
    """The documents of a repository in which numbers may be marked."""
    return sorted({path for pattern in DOCUMENTS for path in root.glob(pattern)})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "documents", nargs="*", type=Path, help="Markdown files; all of the repository if none is named"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit status 1 if a document is out of step"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV and JSON files")
    args = parser.parse_args(arguments)
    stale = 0
    for path in args.documents or documents():
        text = path.read_text(encoding="utf-8")
        try:
            filled = fill(text, args.results)
        except MarkerError as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 2
        if filled == text:
            continue
        stale += 1
        if args.check:
            print(
                f"{path} is out of step with {args.results.name}/; run python benchmarks/fill_numbers.py.",
                file=sys.stderr,
            )
        else:
            path.write_text(filled, encoding="utf-8")
            print(f"{path}: numbers written")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
