"""A robustness study as tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_tbkd.metrics.comparison_table import interval_text, resampled


def robustness_table(result: Mapping[str, Any]) -> str:
    """All numbers of teacher, student and control, each beside the others.

    Args:
        result: of :meth:`~monai_tbkd.robustness.RobustnessStudy.run`, or the content of ``robustness.json``.
    """
    n = result["splits"]["test"]
    of = resampled(n)
    parts = [
        (
            f"Reported split: {n['films']} films, {n['tb_films_with_boxes']} TB films with boxes; in brackets 95 % "
            f"bootstrap intervals over {of}. {result['notice'].capitalize()}."
        ),
        _corruptions(result),
        _cues(result),
        _occlusions(result),
        _differences(result),
        _sanity(result),
    ]
    return "\n\n".join(part for part in parts if part)


def _corruptions(result: Mapping[str, Any]) -> str:
    networks = result["networks"]
    kinds = list(result["corruption_levels"])
    first = next(iter(networks.values()))
    severities = [s for s in next(iter(first["corruptions"].values()), {}) if s != "mean"]
    if not severities:
        return ""
    parts = []
    for title, key in (("AUC", "auc"), ("Union-mask mIoU", "union_mask_miou")):
        head = ["corruption", "network", "0 (clean)", *severities, "mean relative drop"]
        rows = [
            [
                kind,
                name,
                _value(row["clean"][key]),
                *(_value(row["corruptions"][kind][s][key]) for s in severities),
                interval_text(row["corruptions"][kind]["mean"][f"{key}_drop"]),
            ]
            for kind in kinds
            for name, row in networks.items()
        ]
        rows += [
            [
                "all",
                name,
                interval_text(row["clean"][key]),
                *[""] * len(severities),
                interval_text(row["mean_relative_drop"][key]),
            ]
            for name, row in networks.items()
        ]
        parts.append(f"### Corruptions: {title} by severity\n\n{_markdown(head, rows)}")
    return "\n\n".join(parts)


def _cues(result: Mapping[str, Any]) -> str:
    head = [
        "cue",
        "network",
        "score change",
        "without TB",
        "TB",
        "flips to TB",
        "flips to not TB",
        "map energy on cue",
        "there without",
        "boxes on cue",
        "there without",
        "films",
    ]
    keys = [
        "score_change",
        "score_change_without_tb",
        "score_change_tb",
        "flips_to_tb",
        "flips_to_not_tb",
        "energy_on_cue",
        "energy_there_without",
        "boxes_on_cue",
        "boxes_there_without",
    ]
    rows = [
        [
            kind,
            name,
            *(interval_text(row["cues"][kind].get(key)) for key in keys),
            str(row["cues"][kind]["score_change"]["n"]),
        ]
        for kind in next(iter(result["networks"].values()))["cues"]
        for name, row in result["networks"].items()
    ]
    return f"### Inserted cues, paired with the same films without\n\n{_markdown(head, rows)}" if rows else ""


def _occlusions(result: Mapping[str, Any]) -> str:
    rows = [
        [
            kind.replace("_", " "),
            name,
            interval_text(numbers["auc"]),
            _chance(numbers["auc"]),
            interval_text(numbers.get("auc_against_health")),
            _chance(numbers.get("auc_against_health")),
            interval_text(row["clean"]["auc"]),
        ]
        for kind in next(iter(result["networks"].values()))["occlusions"]
        for name, row in result["networks"].items()
        for numbers in [row["occlusions"][kind]]
    ]
    if not rows:
        return ""
    linear = result["without_detail"]
    known = ", ".join(f"{name} {interval_text(auc)}" for name, auc in linear["auc"].items())
    head = ["what is left", "network", "AUC", "0.5 in it", "AUC against healthy films", "0.5 in it", "clean AUC"]
    return (
        f"### Without lungs\n\nLungs: {result['lungs']}.\n\n{_markdown(head, rows)}\n\n"
        f"Linear models fitted on these films alone (cross-validated AUC): {known}. {linear['meaning']}"
    )


def _differences(result: Mapping[str, Any]) -> str:
    rows = []
    for pair, tree in result["differences"].items():
        for key, number in tree.get("mean_relative_drop", {}).items():
            rows.append([pair, f"mean relative drop of {key.replace('_', ' ')}", interval_text(number)])
        for kind, numbers in tree.get("cues", {}).items():
            for key in ("score_change_without_tb", "score_change_tb", "energy_gain"):
                if key in numbers:
                    rows.append([pair, f"{kind}: {key.replace('_', ' ')}", interval_text(numbers[key])])
        for kind, numbers in tree.get("occlusions", {}).items():
            rows.append([pair, f"{kind.replace('_', ' ')}: AUC", interval_text(numbers["auc"])])
    return f"### Differences, paired\n\n{_markdown(['networks', 'of', 'difference'], rows)}" if rows else ""


def _sanity(result: Mapping[str, Any]) -> str:
    sanity = result.get("saliency_sanity")
    if not sanity:
        return ""
    head = ["check", "networks", "SSIM", "Spearman", "IoU"]
    rows = []
    for name, stages in sanity["cascade"].items():
        for stage, numbers in stages.items():
            what = {"trained": "as trained", "chance": "chance (another film)"}.get(stage, f"random down to {stage}")
            rows.append([what, name, *(interval_text(numbers.get(k)) for k in ("ssim", "spearman", "iou"))])
    for check in ("reproducibility", "repeatability"):
        for pair, numbers in sanity.get(check, {}).items():
            for what, each in ((check, numbers), ("chance (another film)", numbers["chance"])):
                rows.append([what, pair, *(interval_text(each[k]) for k in ("ssim", "spearman", "iou"))])
    utility = [[name, interval_text(number)] for name, number in sanity["localization_utility"].items()]
    return f"### Saliency sanity ({sanity['films']})\n\n{_markdown(head, rows)}\n\n" + _markdown(
        ["network", "union-mask mIoU minus blind prior (all TB films with boxes)"], utility
    )


def _chance(auc: Mapping[str, Any] | None) -> str:
    if not auc or auc["low"] is None:
        return "-"
    return "yes" if auc["low"] <= 0.5 <= auc["high"] else "NO"


def _value(number: Mapping[str, Any]) -> str:
    return "-" if number["value"] is None else f"{number['value']:.3f}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
