"""A robustness study as tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_tbkd.metrics.comparison_table import interval_text, resampled


def robustness_table(result: Mapping[str, Any]) -> str:
    """Format the content of ``robustness.json``: all numbers of each network beside the others."""
    n = result["splits"]["test"]
    parts = [
        (
            f"Reported split: {n['images']} images, {n['tb_images_with_boxes']} TB images with boxes; in brackets 95 % "
            f"bootstrap intervals over {resampled(n)}. {result['notice'].capitalize()}."
        ),
        *(part(result) for part in (_corruptions, _cues, _occlusions, _differences, _sanity)),
    ]
    return "\n\n".join(part for part in parts if part)


def _corruptions(result: Mapping[str, Any]) -> str:
    networks = result["networks"]
    corrupted = next(iter(networks.values()))["corruptions"]
    severities = [s for s in next(iter(corrupted.values()), {}) if s != "mean"]
    if not severities:
        return ""
    parts = []
    for title, key in (("AUC", "auc"), ("Union-mask mIoU", "union_mask_miou")):
        head = ["corruption", "network", "0 (clean)", *severities, "mean relative drop"]
        rows = []
        for kind in result["corruption_levels"]:
            for name, row in networks.items():
                numbers = row["corruptions"][kind]
                values = (_value(x) for x in (row["clean"][key], *(numbers[s][key] for s in severities)))
                rows.append([kind, name, *values, interval_text(numbers["mean"][f"{key}_drop"])])
        for name, row in networks.items():
            clean, drop = interval_text(row["clean"][key]), interval_text(row["mean_relative_drop"][key])
            rows.append(["all", name, clean, *[""] * len(severities), drop])
        parts.append(f"### Corruptions: {title} by severity\n\n{_markdown(head, rows)}")
    return "\n\n".join(parts)


_CUE_COLUMNS = {
    "score change": "score_change",
    "without TB": "score_change_without_tb",
    "TB": "score_change_tb",
    "flips to TB": "flips_to_tb",
    "flips to not TB": "flips_to_not_tb",
    "map energy on cue": "energy_on_cue",
    "energy there without": "energy_there_without",
    "boxes on cue": "boxes_on_cue",
    "boxes there without": "boxes_there_without",
}


def _cues(result: Mapping[str, Any]) -> str:
    rows = []
    for kind in next(iter(result["networks"].values()))["cues"]:
        for name, row in result["networks"].items():
            numbers = row["cues"][kind]
            cells = (interval_text(numbers.get(key)) for key in _CUE_COLUMNS.values())
            rows.append([kind, name, *cells, str(numbers["score_change"]["n"])])
    table = _markdown(["cue", "network", *_CUE_COLUMNS, "images"], rows)
    return f"### Inserted cues, paired with the same images without\n\n{table}" if rows else ""


def _occlusions(result: Mapping[str, Any]) -> str:
    rows = []
    for kind in next(iter(result["networks"].values()))["occlusions"]:
        for name, row in result["networks"].items():
            aucs = [row["occlusions"][kind].get(key) for key in ("auc", "auc_against_health")]
            cells = (cell for auc in aucs for cell in (interval_text(auc), _chance(auc)))
            rows.append([kind.replace("_", " "), name, *cells, interval_text(row["clean"]["auc"])])
    if not rows:
        return ""
    linear = result["without_detail"]
    known = ", ".join(f"{name} {interval_text(auc)}" for name, auc in linear["auc"].items())
    head = ["what is left", "network", "AUC", "0.5 in it", "AUC against healthy images", "0.5 in it", "clean AUC"]
    return (
        f"### Without lungs\n\nLungs: {result['lungs']}.\n\n{_markdown(head, rows)}\n\n"
        f"Linear models fitted on these images alone (cross-validated AUC): {known}. {linear['meaning']}"
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
            what = {"trained": "as trained", "chance": "chance (another image)"}.get(stage, f"random down to {stage}")
            rows.append([what, name, *(interval_text(numbers.get(k)) for k in ("ssim", "spearman", "iou"))])
    for check in ("reproducibility", "repeatability"):
        for pair, numbers in sanity.get(check, {}).items():
            for what, each in ((check, numbers), ("chance (another image)", numbers["chance"])):
                rows.append([what, pair, *(interval_text(each[k]) for k in ("ssim", "spearman", "iou"))])
    utility = [[name, interval_text(number)] for name, number in sanity["localization_utility"].items()]
    return f"### Saliency sanity ({sanity['images']})\n\n{_markdown(head, rows)}\n\n" + _markdown(
        ["network", "union-mask mIoU minus blind prior (all TB images with boxes)"], utility
    )


def _chance(auc: Mapping[str, Any] | None) -> str:
    if not auc or auc["low"] is None:
        return "-"
    return "yes" if auc["low"] <= 0.5 <= auc["high"] else "NO"


def _value(number: Mapping[str, Any]) -> str:
    return "-" if number["value"] is None else f"{number['value']:.3f}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
