"""Write docs/results.md from benchmarks/results.md.j2 and the CSV files of benchmarks/results.

python benchmarks/results_page.py            # after a benchmark has written its file
python benchmarks/results_page.py --check    # write nothing; exit status 1 if the page is out of date
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache
from pathlib import Path

import jinja2

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
TEMPLATE = HERE / "results.md.j2"
PAGE = HERE.parent / "docs" / "results.md"
SHOW = "{value:.3f} [{low:.3f}, {high:.3f}]"


class Number(Decimal):
    """A decimal that formats with halves rounded up, as a reader rounds."""

    def __format__(self, form: str, /, context: object = None) -> str:  # type: ignore[override]
        with localcontext(rounding=ROUND_HALF_UP):
            return format(Decimal(self), form)


@cache
def rows_of(path: Path) -> tuple[dict[str, str], ...]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def matching(file: str, where: Mapping[str, object]) -> list[dict[str, str]]:
    """Rows of a results file whose columns have the given values."""
    rows = rows_of(RESULTS / file)
    if unknown := set(where) - set(rows[0]):
        raise ValueError(f"{file} has no column {sorted(unknown)}; expected {', '.join(rows[0])}.")
    return [row for row in rows if all(row[key] == str(value) for key, value in where.items())]


def shown(row: Mapping[str, str], show: str) -> str:
    """Format a row's values: ``{value:.3f}`` a number, ``{n}`` as it is in the file."""
    return show.format(**{key: Number(text) if _is_number(text) else text for key, text in row.items()})


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).replace("e", "", 1).isdigit()


def number(file: str, show: str = SHOW, **where: object) -> str:
    """Format the one row that fits."""
    rows = matching(file, where)
    if len(rows) != 1:
        raise ValueError(f"{len(rows)} rows of {file} fit {where}; expected one.")
    return shown(rows[0], show)


def table(
    file: str,
    rows: Mapping[str, Mapping[str, object]],
    columns: Mapping[str, Mapping[str, object]],
    show: str = SHOW,
    **where: object,
) -> str:
    """Make a Markdown table; a cell without a row in the file stays empty.

    Args:
        file: in ``benchmarks/results``.
        rows: name to conditions.
        columns: name to conditions; ``show`` among them is the column's format.
        show: format of the other columns.
        where: conditions of the whole table.

    Raises:
        ValueError: a row or column fits nothing, or a cell fits several rows of the file.
    """
    lines = ["| | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 1)]
    filled: set[str] = set()
    for name, of_row in rows.items():
        cells = []
        for column, of_column in columns.items():
            own = {key: value for key, value in of_column.items() if key != "show"}
            found = matching(file, {**where, **of_row, **own})
            if len(found) > 1:
                raise ValueError(f"{len(found)} rows of {file} fit '{name}' and '{column}'; expected one.")
            cells.append(shown(found[0], str(of_column.get("show", show))) if found else "")
            filled |= {name, column} if found else set()
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if empty := {*rows, *columns} - filled:
        raise ValueError(f"No row of {file} fits {sorted(empty)}.")
    return "\n".join(lines)


def page() -> str:
    """The page, rendered."""
    environment = jinja2.Environment(  # Markdown, not HTML
        autoescape=False, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(table=table, number=number)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the page is out of date")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    sys.stderr.write("docs/results.md is out of date; run python benchmarks/results_page.py.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
