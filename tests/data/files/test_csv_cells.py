from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path

import pytest

from monai_tbkd.data.files.csv_cells import csv_line, read_cell, read_table, written_cell

RUN = ("=", "+", "-", "@", "\t", "\r")


@pytest.mark.parametrize("sign", RUN)
def test_what_a_spreadsheet_runs_gets_a_quote_before_it_and_is_read_exactly(sign: str) -> None:
    for text in (f"{sign}SUM(1+1).png", f"{sign}1-2.png", f'{sign}HYPERLINK("http:__x","y").png', sign, f"'{sign}a"):
        assert written_cell(text) == f"'{text}"
        assert read_cell(written_cell(text)) == text


@pytest.mark.parametrize("number", ["-0.5", "+1", "-1e-05", "-.5", "-3.", "0", "1.0E+9"])
def test_numbers_stay_numbers(number: str) -> None:
    assert written_cell(number) == number == read_cell(number)


@pytest.mark.parametrize("text", ["-inf", "+1_000", "-1-2", "-0x1F", "-1e5+cmd"])
def test_what_only_resembles_a_number_does_not(text: str) -> None:
    assert written_cell(text) == f"'{text}"


def test_every_text_is_read_as_it_was() -> None:
    for letters in itertools.product("'=-1a", repeat=4):
        text = "".join(letters)
        assert read_cell(written_cell(text)) == text
        assert not written_cell(text).startswith(RUN) or written_cell(text).lstrip("-").isdigit()


def test_lines_are_csv_and_no_separator_starts_a_cell_of_its_own() -> None:
    cells = ["a;=1+1.png", 'b"c', "d,=e", "f\tg", "h\ni", "=j", None, 0.5, -2, ["k"]]
    line = csv_line(cells)
    (row,) = csv.reader(io.StringIO(line, newline=""))
    assert row == ["a;=1+1.png", 'b"c', "d,=e", "f\tg", "h\ni", "'=j", "", "0.5", "-2", "['k']"]
    for separator in ";\t":  # as a spreadsheet of another country reads it
        for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
            assert not any(cell.startswith("=") for cell in row[:1])
    assert csv_line(["a b.png", "", 1]) == "a b.png,,1\n"


def test_tables_are_read_with_short_and_long_rows(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    text = csv_line(["name", "@x.score"]) + csv_line(["=a.png", 1]) + "b.png\n" + "c.png,2,3\n"
    path.write_text(text, newline="")
    assert read_table(path) == (
        ["name", "@x.score"],
        [{"name": "=a.png", "@x.score": "1"}, {"name": "b.png", "@x.score": ""}, {"name": "c.png", "@x.score": "2"}],
    )
    path.write_text("")
    assert read_table(path) == ([], [])
