"""Scores of films that another program has saved."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from monai_tbkd.data.csv_cells import read_table
from monai_tbkd.data.paths import absolute_path


def read_saved_scores(path: str | Path) -> dict[str, float]:
    """Read a table with the columns ``name`` and ``score``, or inference's ``predictions.csv``.

    Args:
        path: CSV; ``score`` is of 0-1. Instead of it, ``score_0_100`` is taken; films without a score are left out.

    Returns:
        Scores of 0-1 by film name.

    Raises:
        ValueError: columns are missing, a film has two rows, or a score is none; the message names file and line.
    """
    file = absolute_path(path)
    try:
        head, rows = read_table(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file}: cannot be read as CSV ({error}).") from error
    column = next((name for name in ("score", "score_0_100") if name in head), None)
    if "name" not in head or column is None:
        raise ValueError(f"{file}: columns {', '.join(head) or '(none)'}; expected name and score.")
    highest, found = (1.0 if column == "score" else 100.0), {}
    for line, row in enumerate(rows, start=2):
        name, text = row["name"], row[column].strip()
        if name in found:
            raise ValueError(f"{file}, line {line}: {name} has a row already; expected one a film.")
        if not text:
            continue
        try:
            score = float(text)
        except ValueError:
            score = math.nan
        if not 0 <= score <= highest:
            mend = " Name the column of percent score_0_100." if column == "score" and 1 < score <= 100 else ""
            raise ValueError(f"{file}, line {line}: {column} is {text!r}; expected 0 to {highest:g}.{mend}")
        found[name] = score / highest
    return found
