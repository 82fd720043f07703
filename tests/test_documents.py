"""The documents hold: numbers are the files', links lead somewhere, checklists are whole, the README is short."""

from __future__ import annotations

import csv
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from monai_tbkd.data import FilmWarning, ReasonCode
from tests.conftest import REPOSITORY

PAPERS = [
    REPOSITORY / "docs" / "model_card.md",
    REPOSITORY / "docs" / "claim.md",
    REPOSITORY / "docs" / "tripod_ai.md",
    *sorted((REPOSITORY / "docs" / "datasheets").glob("*.md")),
]
# TRIPOD+AI's items; a letter stands for each part
TRIPOD_PARTS = {
    3: "abc",
    5: "ab",
    6: "abc",
    8: "abc",
    9: "abc",
    12: "abcdefg",
    18: "abcdef",
    20: "abc",
    23: "ab",
    27: "abc",
}
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def numbers() -> Iterator[ModuleType]:
    """benchmarks/fill_numbers.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("fill_numbers", REPOSITORY / "benchmarks" / "fill_numbers.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "a.csv").write_text(
        "seed,who,what,value,low,high,n\n0,net,iou,0.4215,0.3,0.5,7\n0,net,auc,0.9,0.8,1.0,9\n"
        "0,blind,iou,-0.0125,-0.2,0.1,7\n1,net,iou,0.715,0.7,0.725,7\n",
        encoding="utf-8",
    )
    (folder / "m.json").write_text('{"p": {"net": {"auc": {"value": 0.5, "low": 0.25, "high": 1.0, "n": 3}}}, "k": 12}')
    return folder


class TestFillNumbers:
    def test_the_documents_are_in_step(self, numbers: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
        assert numbers.main(["--check"]) == 0, capsys.readouterr().err

    @pytest.mark.parametrize(
        ("marker", "text"),
        [
            ("a.csv; seed=0; who=net; what=iou", "0.422 [0.300, 0.500]"),  # 5 up, though the binary float is below it
            ("a.csv; seed=1; show={value:.2f} [{low:.2f}, {high:.2f}]", "0.72 [0.70, 0.73]"),
            ("a.csv; who=blind; show={value:+.3f} (n = {n})", "-0.013 (n = 7)"),
            ("a.csv; what=auc; show={value:.1%} of {n:,.0f}", "90.0% of 9"),
            ("m.json; at=p/net/auc", "0.500 [0.250, 1.000]"),
            ("m.json; at=k; show={value}", "12"),
        ],
    )
    def test_number(self, numbers: ModuleType, results: Path, marker: str, text: str) -> None:
        filled = numbers.fill(f"It is <!-- number {marker} -->old<!-- /number -->, yes.", results)
        assert filled == f"It is <!-- number {marker} -->{text}<!-- /number -->, yes."
        assert numbers.fill(filled, results) == filled

    def test_table(self, numbers: ModuleType, results: Path) -> None:
        head = (
            "<!-- table a.csv; seed=0\nrow the *net*: who=net\nrow blind: who=blind\n"
            "column IoU: what=iou; show={value:.1f}\ncolumn AUC: what=auc\n-->"
        )
        table = "| the *net* | 0.4 | 0.900 [0.800, 1.000] |\n| blind | -0.0 |  |\n"
        expected = f"{head}\n|  | IoU | AUC |\n| --- | --- | --- |\n{table}<!-- /table -->\n"
        assert numbers.fill(f"{head}\nold\n<!-- /table -->\n", results) == expected

    def test_code_is_left_alone(self, numbers: ModuleType, results: Path) -> None:
        text = "```\nit is <!-- number none.csv -->?<!-- /number -->\n```\n"
        assert numbers.fill(text, results) == text

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("x <!-- number a.csv; seed=0 -->1<!-- /number -->", "3 rows of a.csv fit"),
            ("x <!-- number a.csv; seed=2 -->1<!-- /number -->", "0 rows of a.csv fit"),
            ("x <!-- number a.csv; sed=0 -->1<!-- /number -->", "no column is called 'sed'"),
            ("x <!-- number a.csv; seed=1; show={val} -->1<!-- /number -->", "'val' has no value"),
            ("x <!-- number a.csv; seed=1; show={who:.2f} -->1<!-- /number -->", "cannot be written as '.2f'"),
            ("x <!-- number a.csv; seed -->1<!-- /number -->", "'seed' is no condition"),
            ("x <!-- number b.csv; seed=0 -->1<!-- /number -->", "'b.csv' is no CSV or JSON file"),
            ("x <!-- number ../a.csv; seed=0 -->1<!-- /number -->", "is no CSV or JSON file"),
            ("x <!-- number m.json; at=p/nit/auc -->1<!-- /number -->", "there is no 'nit'"),
            ("x <!-- number a.csv; seed=1 -->1", "1 markers are opened and 0 closed"),
            ("x\n<!-- number a.csv; seed=1 -->1<!-- /number -->", "begins a line"),
            ("<!-- table a.csv\nrow a: who=net\n-->\n<!-- /table -->", "a table takes lines"),
            ("<!-- table a.csv\nrow a: who=nit\ncolumn b: what=iou\n-->\n<!-- /table -->", "no row of a.csv fits 'a'"),
            (
                "<!-- table a.csv\nrow a: who=net\ncolumn b: what=iou\n-->\n<!-- /table -->",
                "2 rows of a.csv fit 'a' and 'b'",
            ),
        ],
    )
    def test_a_marker_that_cannot_be_filled(self, numbers: ModuleType, results: Path, text: str, message: str) -> None:
        with pytest.raises(numbers.MarkerError, match=re.escape(message)):
            numbers.fill(text, results)

    def test_the_command_finds_and_mends_a_stale_document(
        self, numbers: ModuleType, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        document = tmp_path / "card.md"
        document.write_text("It is <!-- number a.csv; seed=1; show={value} -->0.7<!-- /number -->.", encoding="utf-8")
        files = [str(document), "--results", str(results)]
        assert numbers.main([*files, "--check"]) == 1
        assert "out of step" in capsys.readouterr().err
        assert numbers.main(files) == 0
        assert ">0.715<" in document.read_text(encoding="utf-8")
        assert numbers.main([*files, "--check"]) == 0
        (results / "a.csv").write_text("seed,value\n1,0.8\n", encoding="utf-8")
        assert numbers.main([*files, "--check"]) == 1
        (results / "a.csv").unlink()
        assert numbers.main(files) == 2


def broken_links(document: Path) -> list[str]:
    """Relative links of a document that lead to no file, or to no heading of it."""
    broken = []
    for link in LINK.findall(CODE.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (heading and heading not in anchors(target)):
            broken.append(link)
    return broken


def anchors(document: Path) -> set[str]:
    """What GitHub calls the headings of a document, where none stands twice."""
    lines = re.sub(
        r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    ).splitlines()
    headings = [line.lstrip("#").strip().lower() for line in lines if re.match(r"#{1,6} ", line)]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


class TestLinks:
    def test_every_relative_link_leads_somewhere(self, numbers: ModuleType) -> None:
        broken = {str(d.relative_to(REPOSITORY)): broken_links(d) for d in numbers.documents()}
        assert not {d: links for d, links in broken.items() if links}

    def test_a_broken_link_is_found(self, tmp_path: Path) -> None:
        document = tmp_path / "a.md"
        document.write_text(
            "# The `--first` part, really\n[b](b.md) [a](a.md#the---first-part-really) [c](#no-such) `[d](d.md)`"
            " ![e](e.png) [web](https://example.org/x)\n```\n# code\n```\n[f](#code)",
            encoding="utf-8",
        )
        assert broken_links(document) == ["b.md", "#no-such", "e.png", "#code"]


class TestReadme:
    TEXT = (REPOSITORY / "README.md").read_text(encoding="utf-8")

    def test_is_short_and_begins_with_what_to_run(self) -> None:
        lines = self.TEXT.splitlines()
        assert len(lines) <= 130
        assert [line.split()[1] for line in lines[:20] if line.startswith("make ")] == ["demo", "test"]

    def test_numbers_in_its_sentence_are_those_of_the_file(self) -> None:
        sentence = next(part for part in self.TEXT.split("\n\n") if part.startswith("**Labels of halves"))
        with (REPOSITORY / "benchmarks" / "results" / "study_halves.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["selection"] == "boxes"]
        values = {row["predictor"]: float(row["value"]) for row in rows if row["metric"] == "union_mask_iou"}
        expected = [f"{values[name]:.2f}" for name in ("student", "control", "blind_prior")]
        assert re.findall(r"\b0\.\d+", sentence) == expected
        assert {row["n"] for row in rows} == set(re.findall(r"(\d+) TB images", sentence))


def checklist(name: str) -> list[list[str]]:
    """Rows of a checklist: item, in short, answer, where."""
    lines = (REPOSITORY / "docs" / name).read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d", line)]
    assert {len(row) for row in rows} == {4}
    return rows


class TestPapers:
    def test_claim_has_its_44_items_in_order(self) -> None:
        assert [row[0] for row in checklist("claim.md")] == [str(n) for n in range(1, 45)]

    def test_tripod_has_its_27_items_and_52_parts_in_order(self) -> None:
        expected = [f"{n}{part}" for n in range(1, 28) for part in TRIPOD_PARTS.get(n, " ")]
        assert len(expected) == 52
        assert [row[0] for row in checklist("tripod_ai.md")] == [item.strip() for item in expected]

    @pytest.mark.parametrize("name", ["claim.md", "tripod_ai.md"])
    def test_an_answered_item_says_where(self, name: str) -> None:
        for item, _, answer, where in checklist(name):
            assert answer in ("Yes", "Partly", "Not yet", "Not applicable"), item
            assert LINK.search(where) if answer in ("Yes", "Partly") else where, item

    @pytest.mark.parametrize("paper", PAPERS, ids=lambda p: p.stem)
    def test_says_what_it_is_for(self, paper: Path) -> None:
        assert paper.read_text(encoding="utf-8").splitlines()[2] == "**Research use only, not for diagnosis.**"

    @pytest.mark.parametrize("paper", [*PAPERS, REPOSITORY / "README.md"], ids=lambda p: p.stem)
    def test_no_number_with_an_interval_is_typed(self, paper: Path, numbers: ModuleType) -> None:
        text = paper.read_text(encoding="utf-8")
        typed = COMMENT.sub("", CODE.sub("", numbers._MARKED.sub("", text)))
        assert not re.findall(r"\d ?%? \[[-+]?\d[^\]]*\]", typed)

    def test_the_card_says_of_the_blind_prior_what_the_files_say(self) -> None:
        card = (REPOSITORY / "docs" / "model_card.md").read_text(encoding="utf-8")
        student, control = (above_blind_prior("demo.csv", name) for name in ("student", "control"))
        assert len(student) == len(control) > 0
        sentence = "**The student is above the blind prior in every seed, the control in none.**"
        assert (sentence in card) == (all(student) and not any(control))


def above_blind_prior(file: str, predictor: str) -> list[bool]:
    """For each seed of a results file whether the predictor's interval lies above the blind prior."""
    with (REPOSITORY / "benchmarks" / "results" / file).open(encoding="utf-8", newline="") as lines:
        rows = [r for r in csv.DictReader(lines) if r["metric"] == "union_mask_miou minus blind_prior"]
    return [float(r["low"]) > 0 for r in rows if r["predictor"] == predictor]


@pytest.mark.parametrize("codes", [ReasonCode, FilmWarning])
def test_every_code_stands_in_the_page_on_reading(codes: type[ReasonCode] | type[FilmWarning]) -> None:
    lines = (REPOSITORY / "docs" / "reading.md").read_text(encoding="utf-8").splitlines()
    for code in codes:
        row = [line for line in lines if line.startswith(f"| `{code}` |")]
        assert len(row) == 1, code
        if isinstance(code, ReasonCode):
            assert row[0] == f"| `{code}` | {'failed' if code.is_failure else 'refused'} | {code.meaning} |"
