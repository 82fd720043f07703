"""The part of the report that shows ``robustness.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from monai_tbkd.metrics.comparison_table import resampled
from monai_tbkd.report.evaluation_charts import color_of, severity_chart, svg_uri
from monai_tbkd.report.html_page import Cell, Table, number, render, words

Study = Mapping[str, Any]
Groups = dict[str, list[Sequence[str | Cell]]]

_CUES = (
    ("score change", "score_change"),
    ("on TB films", "score_change_tb"),
    ("without TB", "score_change_without_tb"),
    ("flips to TB", "flips_to_tb"),
    ("flips to not TB", "flips_to_not_tb"),
    ("map on the cue", "energy_on_cue"),
    ("there without it", "energy_there_without"),
    ("boxes on the cue", "boxes_on_cue"),
    ("there without it", "boxes_there_without"),
)
_OCCLUSIONS = (
    ("AUC", "auc"),
    ("minus clean AUC", "auc_minus_clean"),
    ("AUC against healthy films", "auc_against_health"),
    ("flips to TB", "flips_to_tb"),
    ("flips to not TB", "flips_to_not_tb"),
)


def robustness_section(study: Study) -> Markup:
    """Render curves over the severity of corruptions, and tables of cues, occlusions and sanity checks.

    Args:
        study: content of ``robustness.json``; what it lacks is left out.
    """
    networks = study["networks"]
    occlusions = [found for row in networks.values() for found in row.get("occlusions", {}).values()]
    drops = [
        [words(name), *(number(row["mean_relative_drop"].get(key)) for key in ("union_mask_miou", "auc"))]
        for name, row in networks.items()
        if row.get("mean_relative_drop")
    ]
    linear = study.get("without_detail") or {}
    return render(
        "robustness.html",
        study=study,
        test=study["splits"]["test"],
        resampled=resampled(study["splits"]["test"]),
        colors={name: color_of(name, networks) for name in networks},
        charts=_corruption_charts(study) if any(row.get("corruptions") for row in networks.values()) else [],
        drops=Table(["network", "union-mask mIoU", "AUC"], {"": drops}),
        cues=_table(study, "cues", _CUES),
        occlusions=_table(study, "occlusions", [(t, k) for t, k in _OCCLUSIONS if any(k in x for x in occlusions)]),
        linear=linear,
        sanity=Table(["maps", "SSIM", "Spearman", "IoU"], _sanity(study.get("saliency_sanity") or {})),
    )


def _corruption_charts(study: Study) -> list[dict[str, Any]]:
    """A figure per metric with a chart per kind of corruption."""
    test, networks, figures = study["splits"]["test"], study["networks"], []
    for metric, label, n, chance in (
        ("union_mask_miou", "Union-mask mIoU", test["tb_films_with_boxes"], None),
        ("auc", "AUC", test["films"], 0.5),
    ):
        highest = max((row["clean"][metric]["high"] or 0.0) for row in networks.values())
        limits = (0.0, 1.02) if metric == "auc" else (0.0, max(1.25 * highest, 0.05))
        charts = {}
        for kind in study["corruption_levels"]:
            curves = {
                name: {"0": row["clean"][metric]}
                | {s: x[metric] for s, x in row["corruptions"][kind].items() if s != "mean"}
                for name, row in networks.items()
            }
            title = kind.replace("_", " ")
            charts[title] = svg_uri(severity_chart(title, curves, label, limits, chance))
        figures.append({"label": label, "n": n, "charts": charts})
    return figures


def _table(study: Study, what: str, numbers: Sequence[tuple[str, str]]) -> Table:
    meaning = study["definitions"].get(what, {})
    groups: Groups = {}
    for name, row in study["networks"].items():
        for kind, found in row.get(what, {}).items():
            title = words(kind) + (f": {meaning[kind]}" if kind in meaning else "")
            groups.setdefault(title, []).append([words(name), *(number(found.get(key)) for _, key in numbers)])
    return Table(["network", *(title for title, _ in numbers)], groups)


def _sanity(sanity: Mapping[str, Any]) -> Groups:
    def line(title: str, numbers: Mapping[str, Any]) -> list[str | Cell]:
        return [title, *(number(numbers.get(key)) for key in ("ssim", "spearman", "iou"))]

    groups: Groups = {}
    what = {"trained": "as trained", "head": "random head", "chance": "chance: the map of another film"}
    for name, stages in sanity.get("cascade", {}).items():
        groups[f"randomized, {words(name)}"] = [
            line(what.get(stage, f"random from the head down to {stage}"), numbers) for stage, numbers in stages.items()
        ]
    for check in ("reproducibility", "repeatability"):
        for pair, numbers in sanity.get(check, {}).items():
            lines = [line(words(pair), numbers), line("chance: another film", numbers["chance"])]
            groups.setdefault(check, []).extend(lines)
    return groups
