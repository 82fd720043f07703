"""Everything that is to be known of a data set before anybody trusts a number that comes from it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.datalist import Source, find_layout, load_source, name_sources
from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.datalist_findings import Finding, datalist_findings
from monai_tbkd.data.datalist_item import DatalistItem
from monai_tbkd.data.duplicates import DUPLICATE_KINDS, DuplicatePair, find_duplicates
from monai_tbkd.data.film_classes import CLASS_NAMES
from monai_tbkd.data.film_scan import FilmScan, scan_films
from monai_tbkd.data.unlisted_films import unlisted_films
from monai_tbkd.data.unread_splits import unread_splits

VERDICTS = {"error": "not usable", "warning": "usable with warnings", "note": "ready"}
_SPLITS = ("train", "val", "test")


@dataclass
class DatasetCheck:
    """What `check_dataset` found.

    Attributes:
        sources: ``{"path", "layout", "films", "own_splits"}`` of each data set; layout None where it cannot be read.
        splits: data list items by the data sets' own splits, before any cut by name hash.
        scans: of each film, in the order of `items`; empty where no film was read.
        pairs: duplicates by their place in `items`; None where they were not looked for.
        findings: all that is wrong or worth knowing.
    """

    sources: list[dict[str, Any]]
    splits: dict[str, list[DatalistItem]]
    scans: list[FilmScan] = field(default_factory=list)
    pairs: list[DuplicatePair] | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def items(self) -> list[DatalistItem]:
        """All films, split after split."""
        return [item for part in self.splits.values() for item in part]

    @property
    def verdict(self) -> str:
        """``"ready"``, ``"usable with warnings"`` or ``"not usable"``."""
        severities = {finding.severity for finding in self.findings}
        return VERDICTS[next((each for each in VERDICTS if each in severities), "note")]

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Films, boxes and TB films without boxes by split and class; classes without a film are left out."""
        return _counts(self.splits)

    def counts_by_source(self) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
        """The same by hospital."""
        return {
            source: _counts({s: [i for i in part if i["source"] == source] for s, part in self.splits.items()})
            for source in dict.fromkeys(str(item["source"]) for item in self.items)
        }

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; no patient's id is in it."""
        items = self.items
        usable = [scan for scan in self.scans if scan.reason is None]
        return {
            "verdict": self.verdict,
            "sources": self.sources,
            "counts": self.counts(),
            "counts_by_source": self.counts_by_source(),
            "patients": len(_patients(items)),
            "formats": dict(Counter(scan.source_format for scan in usable)),
            "sizes": dict(Counter(f"{scan.size[0]} x {scan.size[1]}" for scan in usable).most_common()),
            "unreadable": [
                {"film": item["name"], "reason": scan.reason.value}
                for item, scan in zip(items, self.scans)
                if scan.reason is not None
            ],
            "duplicates": None if self.pairs is None else [self._named(pair) for pair in self.pairs],
            "findings": [asdict(finding) for finding in self.findings],
        }

    def _named(self, pair: DuplicatePair) -> dict[str, Any]:
        one, other = (self.items[number] for number in (pair.first, pair.second))
        return {
            "first": one["name"], "first_split": one["split"], "second": other["name"], "second_split": other["split"],
            "kind": pair.kind, "correlation": round(pair.correlation, 4),
            "same_class": one["class_name"] == other["class_name"],
        }  # fmt: skip


def check_dataset(
    sources: Sequence[Source], layout: str = "auto", workers: int = 0, compare: bool = True
) -> DatasetCheck:
    """Read data sets, every film included, and gather what is wrong; no fault stops it.

    Args:
        sources: folders or CSV files, checked as one data set.
        layout: see `load_datalist`.
        workers: processes that decode films; 0 decodes in this one.
        compare: look for duplicates.

    Returns:
        What was found.

    Raises:
        ValueError: `layout` is not known.

    Example:
        >>> check_dataset(["TBX11K", "nih"]).verdict  # doctest: +SKIP
        'usable with warnings'
    """
    described, loaded, findings = _load(sources, layout)
    items = [item for part in loaded for item in part]
    check = DatasetCheck(described, {s: [i for i in items if i["split"] == s] for s in _SPLITS}, findings=findings)
    check.splits = {split: part for split, part in check.splits.items() if part}
    if not items:
        return check
    findings += datalist_findings(check.splits)
    check.scans = scan_films([item["image"] for item in check.items], workers)
    findings += _undecodable(check)
    if compare:
        pairs = find_duplicates(check.scans)
        real = [os.path.realpath(item["image"]) for item in check.items]
        # One file listed twice is a finding of its own.
        check.pairs = [pair for pair in pairs if real[pair.first] != real[pair.second]]
        findings += _duplicates(check.items, check.pairs)
    findings += _notes(check)
    return check


def _load(
    sources: Sequence[Source], layout: str
) -> tuple[list[dict[str, Any]], list[list[DatalistItem]], list[Finding]]:
    described, loaded, findings = [], [], []
    for source in sources:
        found: str | None = None
        items: list[DatalistItem] = []
        try:
            found = find_layout(source) if layout == "auto" else layout
            items = load_source(source, layout=found)
        except DatalistError as error:
            findings.append(Finding("cannot_load", "error", str(error)))
        if items and (unlisted := unlisted_films(source, items)):
            sentence = f"{source}: films that nothing in the data set names are left out ({name_first(unlisted)})."
            findings.append(Finding("not_listed", "note", sentence))
        if items and (unread := unread_splits(source, found or "", items)):
            findings.append(Finding("unread_splits", "warning", unread))
        loaded.append(items)
        own = sorted({item["split"] for item in items}, key=_SPLITS.index)
        described.append({"path": str(absolute_path(source)), "layout": found, "films": len(items), "own_splits": own})
    name_sources(sources, loaded)
    return described, loaded, findings


def _counts(splits: Mapping[str, Sequence[DatalistItem]]) -> dict[str, dict[str, dict[str, int]]]:
    table: dict[str, dict[str, dict[str, int]]] = {}
    for split, part in splits.items():
        for name in CLASS_NAMES:
            films = [item for item in part if item["class_name"] == name]
            if films:
                bare = sum(item["boxes"] is None for item in films)
                boxes = sum(len(item["boxes"] or []) for item in films)
                table.setdefault(split, {})[name] = {"films": len(films), "boxes": boxes, "without_boxes": bare}
    return table


def _undecodable(check: DatasetCheck) -> list[Finding]:
    # Films whose header cannot be read are told of by datalist_findings.
    broken = [
        (item["name"], scan.detail)
        for item, scan in zip(check.items, check.scans, strict=True)
        if scan.reason is not None and item["size"] is not None
    ]
    if not broken:
        return []
    sentence = (
        f"Films whose pixels cannot be used ({name_first(detail for _, detail in broken)}); replace them or take "
        "them out."
    )
    return [Finding("undecodable", "error", sentence, tuple(name for name, _ in broken))]


def _duplicates(items: Sequence[DatalistItem], pairs: Sequence[DuplicatePair]) -> list[Finding]:
    copies = [pair for pair in pairs if pair.kind in DUPLICATE_KINDS]
    alike = [pair for pair in pairs if pair.kind not in DUPLICATE_KINDS]

    def across(pair: DuplicatePair) -> bool:
        return bool(items[pair.first]["split"] != items[pair.second]["split"])

    def finding(kind: str, severity: str, chosen: list[DuplicatePair], opening: str, mend: str) -> list[Finding]:
        if not chosen:
            return []
        named = name_first(
            f"{items[pair.first]['name']} and {items[pair.second]['name']}"
            for pair in sorted(chosen, key=lambda pair: -pair.correlation)
        )
        films = dict.fromkeys(items[number]["name"] for pair in chosen for number in (pair.first, pair.second))
        return [Finding(kind, severity, f"{opening} ({named}); {mend}", tuple(films))]

    conflicts = [pair for pair in copies if items[pair.first]["class_name"] != items[pair.second]["class_name"]]
    return [
        *finding(
            "duplicates_across_splits", "warning", [pair for pair in copies if across(pair)],
            "The same film in two splits", "take one of each pair out, or the numbers on the later split are too good.",
        ),
        *finding(
            "duplicates_within_split", "warning", [pair for pair in copies if not across(pair)],
            "The same film twice in a split",
            "take one of each pair out: it weighs double, and a cut by name may tear the pair apart.",
        ),
        *finding(
            "duplicates_across_sources", "warning",
            [pair for pair in copies if items[pair.first]["source"] != items[pair.second]["source"]],
            "The same film in two sources", "a hospital that is held out is not unseen with it; take it out of one.",
        ),
        *finding(
            "duplicates_of_two_classes", "warning", conflicts,
            "The same film with two labels", "find out which is right.",
        ),
        *finding(
            "alike", "note", alike,
            "Films so alike that they may be of one person", "look at them, and give them one patient_id if they are.",
        ),
    ]  # fmt: skip


def _patients(items: Sequence[DatalistItem]) -> set[str]:
    return {str(item["patient_id"]) for item in items if item.get("patient_id")}


def _notes(check: DatasetCheck) -> list[Finding]:
    items = check.items
    findings = []
    uncut = [source["path"] for source in check.sources if source["own_splits"] == ["train"]]
    if uncut:
        sentence = f"No split of its own ({name_first(uncut)}): the reported split is cut by the hash of the name."
        findings.append(Finding("no_own_split", "note", sentence))
    nameless = sum(not item.get("patient_id") for item in items)
    if nameless:
        sentence = (
            f"Films without a patient id: {nameless} of {len(items)}; a cut may put films of one person on both sides."
        )
        findings.append(Finding("no_patient_id", "note", sentence))
    return findings
