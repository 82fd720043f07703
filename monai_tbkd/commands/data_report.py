"""Report what is in a data set, what is wrong with it, and what an AUC on it would be worth."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Any

from monai_tbkd.data.datalist_findings import SEVERITIES
from monai_tbkd.data.dataset_check import DatasetCheck, check_dataset
from monai_tbkd.data.duplicates import KINDS
from monai_tbkd.data.whole_file import write_json
from monai_tbkd.metrics.bootstrap import Interval
from monai_tbkd.metrics.shortcut_reference import film_shortcuts, shortcut_verdict, shortcuts_by_source

_SHORTCUTS = {
    "thumbnail": "16 x 16 thumbnail and five intensity statistics",
    "frame": "outer frame alone (9.4 % on each side)",
}
_PAIRS_SHOWN = 10
_SIZES_SHOWN = 3


def run(args: argparse.Namespace) -> int:
    """Check and print; 0 if the data set can be used, with or without warnings, 1 if not."""
    check = check_dataset(args.dataset_dir, args.layout, args.workers, args.duplicates)
    shortcuts = film_shortcuts(check.items, check.scans) if args.shortcuts else None
    sys.stdout.write("\n".join(_report(check, shortcuts)) + "\n")
    if args.json is not None:
        content = check.as_dict()
        if shortcuts is not None:
            aucs = {name: interval.as_dict() for name, interval in shortcuts.items()}
            content["shortcuts"] = {"auc": aucs, "meaning": shortcut_verdict(shortcuts)}
        write_json(args.json, content)
    return int(check.verdict == "not usable")


def _report(check: DatasetCheck, shortcuts: dict[str, Interval] | None) -> list[str]:
    content = check.as_dict()
    lines = [
        f"{source['path']}: {source['layout'] or 'layout not recognized'}, {source['films']} films"
        for source in check.sources
    ]
    lines += ["", *_table(check), "", *_films(content)]
    if content["duplicates"] is not None:
        lines += ["", *_duplicates(content["duplicates"])]
    if shortcuts is not None:
        lines += ["", *_shortcut_lines(check, shortcuts)]
    lines.append("")
    for severity in reversed(SEVERITIES):
        lines += [f"{severity}: {finding.sentence}" for finding in check.findings if finding.severity == severity]
    return [*lines, "", f"verdict: {check.verdict}"]


def _table(check: DatasetCheck) -> list[str]:
    sources = check.counts_by_source()
    several = len(sources) > 1
    width = max(map(len, (*sources, "source"))) + 1
    head = f"{'split':<6} {'class':<7} {'films':>7} {'boxes':>7} {'TB films without boxes':>23}"
    lines = [f"{'source':<{width}}" * several + head]
    for source, splits in sources.items():
        for split, classes in splits.items():
            for name, count in classes.items():
                bare = str(count["without_boxes"]) if name == "tb" else "-"
                row = f"{split:<6} {name:<7} {count['films']:>7} {count['boxes']:>7} {bare:>23}"
                lines.append(f"{source:<{width}}" * several + row)
    return lines


def _films(content: dict[str, Any]) -> list[str]:
    sizes = list(content["sizes"].items())
    shown = ", ".join(f"{size} ({count})" for size, count in sizes[:_SIZES_SHOWN])
    more = f", and {len(sizes) - _SIZES_SHOWN} other sizes" if len(sizes) > _SIZES_SHOWN else ""
    reasons = Counter(film["reason"] for film in content["unreadable"])
    first = f"; first: {content['unreadable'][0]['film']}" if reasons else ""
    return [
        f"formats: {', '.join(f'{name} ({count})' for name, count in content['formats'].items()) or 'none'}",
        f"sizes, height x width: {shown or 'none'}{more}",
        f"patients with an id: {content['patients']}",
        f"unreadable: {', '.join(f'{reason} {count}' for reason, count in reasons.items()) or 'none'}{first}",
    ]


def _duplicates(pairs: list[dict[str, Any]]) -> list[str]:
    lines = [f"{'duplicates (pairs)':<20} {'within splits':>14} {'across splits':>14}"]
    for kind in KINDS:
        within = sum(pair["kind"] == kind and pair["first_split"] == pair["second_split"] for pair in pairs)
        across = sum(pair["kind"] == kind for pair in pairs) - within
        label = f"({kind})" if kind == "alike" else kind
        lines.append(f"{label:<20} {within:>14} {across:>14}")
    # Across splits first, since they cost most; the likeliest first among these.
    pairs = sorted(
        pairs, key=lambda p: (p["kind"] == "alike", p["first_split"] == p["second_split"], -p["correlation"])
    )
    for pair in pairs[:_PAIRS_SHOWN]:
        # Alike films may well have different labels: the lesions healed, or it is another person after all.
        other_class = "" if pair["same_class"] or pair["kind"] == "alike" else ", OTHER LABEL"
        lines.append(
            f"  {pair['first']} ({pair['first_split']}) - {pair['second']} ({pair['second_split']}): "
            f"{pair['kind']}, {pair['correlation']:.3f}{other_class}"
        )
    if len(pairs) > _PAIRS_SHOWN:
        lines.append(f"  ... and {len(pairs) - _PAIRS_SHOWN} more; --json FILE lists all")
    return lines


def _shortcut_lines(check: DatasetCheck, shortcuts: dict[str, Interval]) -> list[str]:
    scanned = zip(check.items, check.scans, strict=True)
    tb = sum(item["class_name"] == "tb" for item, scan in scanned if scan.reason is None)
    total = next((interval.n for interval in shortcuts.values()), 0)
    lines = [f"shortcuts: cross-validated AUC, {tb} TB films against {total - tb} others [95 % interval]"]
    lines += [f"  {_SHORTCUTS[name]}: {_interval(auc)}" for name, auc in shortcuts.items()]
    lines.append(f"  {shortcut_verdict(shortcuts)}")
    if len(check.counts_by_source()) > 1:  # together they may tell the hospitals apart
        for source, aucs in shortcuts_by_source(check.items, check.scans).items():
            lines.append(f"  {source}: " + ", ".join(f"{name} {_interval(auc)}" for name, auc in aucs.items()))
    return lines


def _interval(auc: Interval) -> str:
    return f"{auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]"
