"""Tables as CSV that a spreadsheet shows and does not run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from monai_tbkd.data.files.outside_text import read_csv

_RUN = re.compile(r"'*[=+\-@\t\r]")
"""Spreadsheets run text that starts so; with ' before it, it is text."""
_NUMBER = re.compile(r"[+\-]?(\d+\.?\d*|\.\d+)(e[+\-]?\d+)?", re.ASCII | re.IGNORECASE)


def written_cell(text: str) -> str:
    """Write a text as a cell: with ``'`` before what a spreadsheet would run; numbers stay as they are.

    Example:
        >>> written_cell("=1+1.png"), written_cell("-0.5"), written_cell("a-b.png")
        ("'=1+1.png", '-0.5', 'a-b.png')
    """
    return f"'{text}" if _RUN.match(text) and not _NUMBER.fullmatch(text) else text


def read_cell(cell: str) -> str:
    """Read the text of a cell that `written_cell` made.

    Example:
        >>> [read_cell(written_cell(text)) for text in ("=1.png", "'=1.png", "'a.png", "-1")]
        ['=1.png', "'=1.png", "'a.png", '-1']
    """
    return cell[1:] if cell.startswith("'") and _RUN.match(cell) else cell


def csv_line(cells: Iterable[object]) -> str:
    r"""Write a line of CSV, its end included; None is an empty cell.

    Cells with ``;`` or a tab are quoted as well: in many countries a spreadsheet parts cells there.

    Example:
        >>> csv_line(["@a.png", 0.5, None, "a;=1", "b, c"])
        '\'@a.png,0.5,,"a;=1","b, c"\n'
    """
    written = [written_cell("" if cell is None else str(cell)) for cell in cells]
    quoted = ['"' + cell.replace('"', '""') + '"' if re.search(r'[",;\t\r\n]', cell) else cell for cell in written]
    return ",".join(quoted) + "\n"


def read_table(path: str | os.PathLike[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Read the columns and rows of a table that `csv_line` or any other program wrote; see `read_csv`."""
    head, rows = read_csv(path)
    return [read_cell(name) for name in head], [
        {read_cell(name): read_cell(cell) for name, cell in row.items()} for row in rows
    ]
