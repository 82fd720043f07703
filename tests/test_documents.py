"""The documents hold: numbers are the files', links lead somewhere, checklists are whole, the README is short."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from monai_tbkd.data import ImageWarning, ReasonCode
from tests.conftest import REPOSITORY

PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
RESULTS = REPOSITORY / "docs" / "results.md"
CARD = (REPOSITORY / "docs" / "model_card.md").read_text(encoding="utf-8")
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


def documents() -> list[Path]:
    return [*REPOSITORY.glob("*.md"), *PAGES, *(REPOSITORY / "bundle" / "docs").glob("*.md")]


@pytest.fixture(scope="module")
def results_page() -> Iterator[ModuleType]:
    """benchmarks/results_page.py, a script that is in no package."""
    spec = importlib.util.spec_from_file_location("results_page", REPOSITORY / "benchmarks" / "results_page.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module


class TestResultsPage:
    def test_is_up_to_date(self, results_page: ModuleType) -> None:
        assert RESULTS.read_text(encoding="utf-8") == results_page.page()

    def test_numbers_and_tables(
        self, results_page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(results_page, "RESULTS", tmp_path)
        (tmp_path / "a.csv").write_text(
            "seed,who,what,value,low,high,n\n0,net,iou,0.4215,0.3,0.5,7\n0,net,auc,0.9,0.8,1.0,9\n"
            "0,blind,iou,-0.0125,-0.2,0.1,7\n1,net,iou,0.715,0.7,0.725,7\n",
            encoding="utf-8",
        )
        number, table = results_page.number, results_page.table
        # halves are rounded up, though the binary float is below
        assert number("a.csv", seed=0, who="net", what="iou") == "0.422 [0.300, 0.500]"
        assert number("a.csv", "{value:+.3f} (n = {n})", who="blind") == "-0.013 (n = 7)"
        rows, columns = (
            {"net": {"who": "net"}, "blind": {"who": "blind"}},
            {"IoU": {"what": "iou"}, "AUC": {"what": "auc"}},
        )
        assert table("a.csv", rows, columns, "{value:.1f}", seed=0).splitlines()[2:] == [
            "| net | 0.4 | 0.9 |",
            "| blind | -0.0 |  |",
        ]
        with pytest.raises(ValueError, match="2 rows of a"):
            number("a.csv", who="net", what="iou")
        with pytest.raises(ValueError, match="no column"):
            number("a.csv", whom="net")
        with pytest.raises(ValueError, match="No row of a"):
            table("a.csv", {"nobody": {"who": "nobody"}}, columns)


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
    def test_every_relative_link_leads_somewhere(self) -> None:
        broken = {str(d.relative_to(REPOSITORY)): broken_links(d) for d in documents()}
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

    def test_quotes_at_most_ten_numbers_and_they_are_of_the_results(self) -> None:
        part = self.TEXT.partition("## Results")[2].partition("\n## ")[0]
        quoted = set(re.findall(r"\b0\.\d+", part)) - {"0.2428"}  # of the paper
        assert 0 < len(quoted) <= 10
        section = RESULTS.read_text(encoding="utf-8").partition("## Image labels alone")[2].partition("\n## ")[0]
        assert quoted <= set(re.findall(r"\b0\.\d+", section))


def checklist(name: str) -> list[list[str]]:
    """Rows of a checklist of the model card: item, topic, answer, where."""
    lines = CARD.partition(f"## {name}")[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d", line)]
    assert {len(row) for row in rows} == {4}
    return rows


class TestPapers:
    def test_claim_has_its_44_items_in_order(self) -> None:
        assert [row[0] for row in checklist("CLAIM 2024")] == [str(n) for n in range(1, 45)]

    def test_tripod_has_its_27_items_and_52_parts_in_order(self) -> None:
        expected = [f"{n}{part}" for n in range(1, 28) for part in TRIPOD_PARTS.get(n, " ")]
        assert len(expected) == 52
        assert [row[0] for row in checklist("TRIPOD+AI")] == [item.strip() for item in expected]

    @pytest.mark.parametrize("name", ["CLAIM 2024", "TRIPOD+AI"])
    def test_an_answered_item_says_where(self, name: str) -> None:
        for item, _, answer, where in checklist(name):
            assert answer in ("Yes", "Partly", "Not yet", "Not applicable"), item
            assert LINK.search(where) if answer in ("Yes", "Partly") else where, item

    @pytest.mark.parametrize("page", [p for p in PAGES if p.stem != "architecture"], ids=lambda p: p.stem)
    def test_says_what_it_is_for(self, page: Path) -> None:
        assert page.read_text(encoding="utf-8").splitlines()[2] == "**Research use only, not for diagnosis.**"

    @pytest.mark.parametrize(
        "page", [*(p for p in PAGES if p != RESULTS), REPOSITORY / "README.md"], ids=lambda p: p.stem
    )
    def test_no_number_with_an_interval_is_typed(self, page: Path) -> None:
        typed = COMMENT.sub("", CODE.sub("", page.read_text(encoding="utf-8")))
        assert not re.findall(r"\d ?%? \[[-+]?\d[^\]]*\]", typed)


@pytest.mark.parametrize("codes", [ReasonCode, ImageWarning])
def test_every_code_stands_in_the_page_on_data(codes: type[ReasonCode] | type[ImageWarning]) -> None:
    lines = (REPOSITORY / "docs" / "data.md").read_text(encoding="utf-8").splitlines()
    for code in codes:
        row = [line for line in lines if line.startswith(f"| `{code}` |")]
        assert len(row) == 1, code
        if isinstance(code, ReasonCode):
            assert row[0] == f"| `{code}` | {'failed' if code.is_failure else 'refused'} | {code.meaning} |"
