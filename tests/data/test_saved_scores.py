from __future__ import annotations

from pathlib import Path

import pytest

from monai_tbkd.data.csv_cells import csv_line
from monai_tbkd.data.saved_scores import read_saved_scores


def table(folder: Path, *lines: str) -> Path:
    path = folder / "scores.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_scores_and_percent_are_read_by_their_column(tmp_path: Path) -> None:
    assert read_saved_scores(table(tmp_path, "name,score", "a,0.25", "b,")) == {"a": 0.25}
    assert read_saved_scores(table(tmp_path, "score_0_100,name", "25,a")) == {"a": 0.25}


def test_names_that_a_spreadsheet_would_run_are_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(csv_line(["name", "score"]) + csv_line(["=1+1.png", 0.5]) + "+1-2.png,0.25\n")
    assert read_saved_scores(path) == {"=1+1.png": 0.5, "+1-2.png": 0.25}


def test_percent_in_the_column_of_shares_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 3: score is '83'; expected 0 to 1\. Name the column .* score_0_100"):
        read_saved_scores(table(tmp_path, "name,score", "a,0.9", "b,83"))


@pytest.mark.parametrize("text", ["0,5", "high", "nan", "-1", "1e9"])
def test_what_is_no_score_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scores\.csv, line 2: score is .*expected 0 to 1\.$"):
        read_saved_scores(table(tmp_path, "name,score", f'a,"{text}"'))
