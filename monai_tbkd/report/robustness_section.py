"""The part of the report that shows ``robustness.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from monai_tbkd.metrics.comparison_table import resampled
from monai_tbkd.report.evaluation_charts import color_of, severity_chart, svg_uri
from monai_tbkd.report.html_page import render, words

Study = Mapping[str, Any]


def robustness_section(study: Study) -> Markup:
    """Render curves over the severity of corruptions, and tables of cues, occlusions and sanity checks.

    Args:
        study: content of ``robustness.json``; what it lacks is left out.
    """
    networks = study["networks"]
    return render(
        "robustness.html",
        study=study,
        test=study["splits"]["test"],
        resampled=resampled(study["splits"]["test"]),
        colors={name: color_of(name, networks) for name in networks},
        charts=_corruption_charts(study) if any(row.get("corruptions") for row in networks.values()) else [],
        groups={what: _by_kind(study, what) for what in ("cues", "occlusions")},
        sanity=_sanity(study.get("saliency_sanity") or {}),
    )


def _corruption_charts(study: Study) -> list[dict[str, Any]]:
    """A figure per metric with a chart per kind of corruption."""
    test, networks, figures = study["splits"]["test"], study["networks"], []
    for metric, label, n, chance in (
        ("union_mask_miou", "Union-mask mIoU", test["tb_images_with_boxes"], None),
        ("auc", "AUC", test["images"], 0.5),
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


def _by_kind(study: Study, what: str) -> dict[str, list[tuple[str, Any]]]:
    """Numbers of each network by kind of cue or occlusion and its meaning."""
    meaning = study["definitions"].get(what, {})
    groups: dict[str, list[tuple[str, Any]]] = {}
    for name, row in study["networks"].items():
        for kind, found in row.get(what, {}).items():
            title = words(kind) + (f": {meaning[kind]}" if kind in meaning else "")
            groups.setdefault(title, []).append((words(name), found))
    return groups


def _sanity(sanity: Mapping[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    groups: dict[str, list[tuple[str, Any]]] = {}
    what = {"trained": "as trained", "head": "random head", "chance": "chance: the map of another image"}
    for name, stages in sanity.get("cascade", {}).items():
        groups[f"randomized, {words(name)}"] = [
            (what.get(stage, f"random from the head down to {stage}"), numbers) for stage, numbers in stages.items()
        ]
    for check in ("reproducibility", "repeatability"):
        for pair, numbers in sanity.get(check, {}).items():
            groups.setdefault(check, []).extend([(words(pair), numbers), ("chance: another image", numbers["chance"])])
    return groups
