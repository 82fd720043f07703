"""Check a data set before its numbers are trusted: splits, faults, duplicates."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from monai_tbkd.data.audit.duplicates import DUPLICATE_KINDS, DuplicatePair, find_duplicates
from monai_tbkd.data.audit.image_scan import ImageScan, scan_images
from monai_tbkd.data.files.paths import absolute_path
from monai_tbkd.data.lists.datalist import Source, find_layout, load_source, name_sources
from monai_tbkd.data.lists.datalist_error import DatalistError
from monai_tbkd.data.lists.datalist_findings import Finding, Findings, datalist_findings
from monai_tbkd.data.lists.datalist_item import DatalistItem
from monai_tbkd.data.lists.dataset_files import unlisted_images, unread_splits
from monai_tbkd.data.lists.image_classes import CLASS_NAMES, SPLITS

_VERDICTS = {"error": "not usable", "warning": "usable with warnings", "note": "ready"}


@dataclass
class DatasetCheck:
    """What `check_dataset` found.

    Attributes:
        sources: ``{"path", "layout", "images", "own_splits"}`` of each data set; layout None where it cannot be read.
        items: data list items by the data sets' own splits, before any split by name hash; split after split.
        scans: of each image, in the order of `items`; empty where no image was read.
        pairs: duplicates by their index in `items`; None where they were not looked for.
        findings: all that is wrong or worth knowing.
    """

    sources: list[dict[str, Any]]
    items: list[DatalistItem]
    scans: list[ImageScan] = field(default_factory=list)
    pairs: list[DuplicatePair] | None = None
    findings: Findings = field(default_factory=Findings)

    @property
    def verdict(self) -> str:
        """``"ready"``, ``"usable with warnings"`` or ``"not usable"``."""
        severities = {each.severity for each in self.findings}
        return next((word for severity, word in _VERDICTS.items() if severity in severities), _VERDICTS["note"])

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; no patient's id is in it."""
        items = self.items
        sources = dict.fromkeys(str(item["source"]) for item in items)
        usable = [scan for scan in self.scans if scan.reason is None]
        return {
            "verdict": self.verdict,
            "sources": self.sources,
            "counts": _counts(items),
            "counts_by_source": {name: _counts([item for item in items if item["source"] == name]) for name in sources},
            "patients": len({str(item["patient_id"]) for item in items if item.get("patient_id")}),
            "formats": dict(Counter(scan.source_format for scan in usable)),
            "sizes": dict(Counter(f"{scan.size[0]} x {scan.size[1]}" for scan in usable).most_common()),
            "unreadable": [
                {"image": item["name"], "reason": scan.reason.value}
                for item, scan in zip(items, self.scans)
                if scan.reason is not None
            ],
            "duplicates": None if self.pairs is None else [_named(items, pair) for pair in self.pairs],
            "findings": [asdict(each) for each in self.findings],
        }


def check_dataset(
    sources: Sequence[Source], layout: str = "auto", workers: int = 0, compare: bool = True
) -> DatasetCheck:
    """Read data sets as one, every image included, and gather what is wrong; no fault stops it.

    Args:
        sources: folders or CSV files.
        layout: see `load_datalist`.
        workers: processes that decode images; 0 decodes in this one.
        compare: look for duplicates.
    """
    described, loaded, findings = _load(sources, layout)
    listed = [item for part in loaded for item in part]
    splits = {split: part for split in SPLITS if (part := [item for item in listed if item["split"] == split])}
    items = [item for part in splits.values() for item in part]
    check = DatasetCheck(described, items, findings=findings)
    if not items:
        return check
    findings += datalist_findings(splits)
    check.scans = scan_images([item["image"] for item in items], workers)
    # Images whose header cannot be read are reported by datalist_findings.
    scanned = zip(items, check.scans, strict=True)
    broken = [(item["name"], scan.detail) for item, scan in scanned if scan.reason is not None and item["size"]]
    findings.add("undecodable", [detail for _, detail in broken], [name for name, _ in broken])
    if compare:
        real = [os.path.realpath(item["image"]) for item in items]
        # One file listed twice is a finding of its own.
        check.pairs = [pair for pair in find_duplicates(check.scans) if real[pair.first] != real[pair.second]]
        _find_duplicates(items, check.pairs, findings)
    findings.add("no_own_split", [each["path"] for each in described if each["own_splits"] == ["train"]], images=())
    nameless = sum(not item.get("patient_id") for item in items)
    if nameless:
        sentence = f"Images without a patient id: {nameless} of {len(items)}; a split may divide a person's images."
        findings.append(Finding("no_patient_id", "note", sentence))
    return check


def _load(sources: Sequence[Source], layout: str) -> tuple[list[dict[str, Any]], list[list[DatalistItem]], Findings]:
    described, loaded, findings = [], [], Findings()
    for source in sources:
        found: str | None = None
        items: list[DatalistItem] = []
        try:
            found = find_layout(source) if layout == "auto" else layout
            items = load_source(source, layout=found)
        except DatalistError as error:
            findings.append(Finding("cannot_load", "error", str(error)))
        if items:
            findings.add("not_listed", unlisted_images(source, items), images=(), where=f"{source}: ")
            if unread := unread_splits(source, found or "", items):
                findings.append(Finding("unread_splits", "warning", unread))
        loaded.append(items)
        own = sorted({item["split"] for item in items}, key=SPLITS.index)
        described.append({"path": str(absolute_path(source)), "layout": found, "images": len(items), "own_splits": own})
    name_sources(sources, loaded)
    return described, loaded, findings


def _counts(items: Sequence[DatalistItem]) -> dict[str, dict[str, dict[str, int]]]:
    """Images, boxes and TB images without boxes by split and class; classes without any image are left out."""
    table: dict[str, dict[str, dict[str, int]]] = {}
    for split, name in product(SPLITS, CLASS_NAMES):
        if images := [item for item in items if (item["split"], item["class_name"]) == (split, name)]:
            bare = sum(item["boxes"] is None for item in images)
            boxes = sum(len(item["boxes"] or []) for item in images)
            table.setdefault(split, {})[name] = {"images": len(images), "boxes": boxes, "without_boxes": bare}
    return table


def _named(items: Sequence[DatalistItem], pair: DuplicatePair) -> dict[str, Any]:
    one, other = items[pair.first], items[pair.second]
    return {
        "first": one["name"], "first_split": one["split"], "second": other["name"], "second_split": other["split"],
        "kind": pair.kind, "correlation": round(pair.correlation, 4),
        "same_class": one["class_name"] == other["class_name"],
    }  # fmt: skip


def _find_duplicates(items: Sequence[DatalistItem], pairs: Sequence[DuplicatePair], findings: Findings) -> None:
    copies = [pair for pair in pairs if pair.kind in DUPLICATE_KINDS]

    def differing(key: str) -> list[DuplicatePair]:
        return [pair for pair in copies if items[pair.first][key] != items[pair.second][key]]

    within = [pair for pair in copies if items[pair.first]["split"] == items[pair.second]["split"]]
    kinds = {
        "duplicates_across_splits": differing("split"),
        "duplicates_within_split": within,
        "duplicates_across_sources": differing("source"),
        "duplicates_of_two_classes": differing("class_name"),
        "alike": [pair for pair in pairs if pair.kind not in DUPLICATE_KINDS],
    }
    for kind, chosen in kinds.items():
        ordered = sorted(chosen, key=lambda pair: -pair.correlation)
        named = [f"{items[pair.first]['name']} and {items[pair.second]['name']}" for pair in ordered]
        findings.add(kind, named, [items[number]["name"] for pair in chosen for number in (pair.first, pair.second)])
