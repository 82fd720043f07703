"""Parts of an evaluation's report: verdict and headline, localization, kinds of lesion, scores."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.metrics.comparison_table import interval_text
from monai_tbkd.report import evaluation_charts as charts
from monai_tbkd.report import evaluation_tables as tables
from monai_tbkd.report.html_page import called, figure, words

TITLES = {
    "localization": "Localization",
    "lesions": "Kinds of lesion",
    "scores": "Scores",
    "films": "Films",
    "robustness": "Robustness",
    "provenance": "Provenance",
    "definitions": "Definitions",
}


def verdict(result: Mapping[str, Any]) -> str:
    """HTML: whether the network is above the blind prior, and how it stands to the others; nothing without a prior."""
    main = tables.main_network(result)
    rows = result["predictors"]
    if "above_blind_prior" not in rows[main]:
        return ""
    row, prior = rows[main], rows[BLIND_PRIOR]
    difference = row["union_mask_miou_minus"][BLIND_PRIOR]
    above, says_who = row["above_blind_prior"], called(main)
    if above:
        says, why = "above the blind prior", "The whole interval of the difference lies above 0."
    elif difference["high"] < 0:
        says, why = "NOT above the blind prior", "It is below it: the whole interval of the difference lies below 0."
    else:
        says, why = "NOT above the blind prior", "The interval of the difference includes 0."
    lines = [
        (
            f'<p class="lead">{says_who[:1].upper() + says_who[1:]} is <strong>{says}</strong> in localization: '
            f"union-mask mIoU {interval_text(row['union_mask_miou'])} against "
            f"{interval_text(prior['union_mask_miou'])}, paired difference {interval_text(difference)}, "
            f"n = {difference['n']} TB films with boxes. {why}</p>"
        )
    ]
    known = [name for name in ("control", "teacher") if name in rows and name != main]
    others = known + [n for n, row in rows.items() if not row["blind"] and n not in (*known, main)]
    compared = [f"{words(n)} {interval_text(row['union_mask_miou_minus'][n])}" for n in others]
    against = f"Paired differences of {says_who} to the others: {'; '.join(compared)}. " * bool(compared)
    lines.append(
        f"<p>{against}The blind prior does not look at the film: it says how often each place lay in a box of the "
        "training films, the same for every film. In brackets 95 % intervals.</p>"
    )
    return f'<div class="verdict{"" if above else " not"}">{"".join(lines)}</div>'


def doubts(result: Mapping[str, Any]) -> str:
    """HTML: what was left out, cut or is doubtful."""
    read = result["provenance"].get("inputs", {})
    said = [*map(escape, result.get("left_out", ()))]
    said += [f"{words(name)}: {escape(text)}" for name, facts in read.items() for text in facts.get("warnings", ())]
    return f'<p class="basis"><strong>Warnings.</strong> {" ".join(said)}</p>' if said else ""


def head(result: Mapping[str, Any], sections: Mapping[str, str]) -> str:
    """HTML: title, links, verdict and the table of all predictors.

    Args:
        result: of the comparison.
        sections: the sections that follow, by name.
    """
    main = tables.main_network(result)
    row, split = result["predictors"][main], result["splits"]["test"]
    films = ", ".join(f"{n} {words(name)}" for name, n in split.items() if name != "films")
    tiles = (
        ("union-mask mIoU", row.get("union_mask_miou")),
        ("minus blind prior, paired", row.get("union_mask_miou_minus", {}).get(BLIND_PRIOR)),
        ("pointing game", row.get("pointing_game")),
        ("AUC", row["auc"]),
    )
    shown = "".join(
        f'<li><span class="what">{title}</span><span class="value">{x["value"]:.3f}</span>'
        f'<span class="ci">[{x["low"]:.3f}, {x["high"]:.3f}], n = {x["n"]}</span></li>'
        for title, x in tiles
        if x and x["value"] is not None
    )
    chart = ""
    if "union_mask_miou" in row:
        chart = figure(
            charts.svg_uri(charts.forest_chart(result["predictors"], "union_mask_miou", "union-mask mIoU")),
            "Union-mask mIoU of all predictors with 95 % intervals; the blind prior's interval as a band.",
            f"<b>Union-mask mIoU</b> of what looks at the film (circles) and blind baselines (diamonds), n = "
            f"{row['union_mask_miou']['n']} TB films with boxes of the reported split, 95 % intervals. The band "
            "is the blind prior's interval; what counts are the paired differences of the table.",
            "one",
        )
    return "\n".join(
        [
            "<h1>Where is tuberculosis on the film? Evaluation report</h1>",
            (
                f'<p class="basis">monai_tbkd {words(str(result.get("version", "")))}. {tables.kind_of(result)}, '
                f"beside baselines that do not look at the film. Reported split (test): {split['films']} films "
                f"({films}). {tables.chosen_how(result)}</p>"
            ),
            "<nav>" + " ".join(f'<a href="#{key}">{TITLES[key]}</a>' for key in sections) + "</nav>",
            verdict(result),
            doubts(result),
            f'<ul class="tiles" aria-label="{called(main)} in numbers">{shown}</ul>',
            tables.headline_table(result),
            chart,
            tables.source_table(result),
            tables.difference_table(result),
        ]
    )


def localization(result: Mapping[str, Any]) -> str:
    """HTML: curves over thresholds, IoU levels and false boxes, and localization by every metric, where it is known."""
    rows = result["predictors"]
    if "union_mask_miou" not in rows[tables.main_network(result)]:
        return ""
    n = rows[tables.main_network(result)]["union_mask_miou"]["n"]
    curve = figure(
        charts.svg_uri(charts.threshold_chart(rows)),
        "Union-mask mIoU over map thresholds, with chosen thresholds and the best ones.",
        f"<b>Threshold curves</b>, n = {n} TB films with boxes of the reported split. Filled: threshold chosen on the "
        "selection split, 95 % interval. Open: the best threshold on the reported films, an upper bound and no result.",
    )
    froc = [
        figure(
            charts.svg_uri(charts.froc_chart(rows, key, label)),
            f"Share of true boxes found against {label}, with intervals.",
            f"<b>FROC</b> ({of}): a true box is found if the center of a predicted box lies in it. n = "
            f"{next(iter(rows[tables.main_network(result)][key].values()))['n']} films of the reported split, 95 % "
            "intervals, drawn beside each other.",
        )
        for key, label, of in (
            ("froc", "false boxes a film", "all films"),
            ("froc_without_tb", "false boxes a film without TB", "false boxes on films without TB alone"),
        )
        if key in rows[tables.main_network(result)]
    ]
    accuracy = figure(
        charts.svg_uri(charts.accuracy_chart(rows)),
        "Share of true boxes met at each IoU, with intervals.",
        f"<b>True boxes met</b> by the best predicted box, n = {n} TB films with boxes of the reported split, 95 % "
        "intervals. False boxes do not count here.",
    )
    return "\n".join(
        [
            f'<div class="pair">{curve}{accuracy}{"".join(froc)}</div>',
            tables.details_table(result),
            tables.operating_point_table(result),
        ]
    )


def lesions(result: Mapping[str, Any]) -> str:
    """HTML: localization by size, number, side and type of the lesions, where it is known."""
    if "groups" not in result["predictors"][tables.main_network(result)]:
        return ""
    return "\n".join(
        [
            tables.group_table(result, "union_mask_miou", "Union-mask mIoU"),
            tables.group_table(result, "best_box_iou", "Best box IoU"),
        ]
    )


def film_scores(
    result: Mapping[str, Any], scores: Mapping[str, np.ndarray] | None = None, positive: np.ndarray | None = None
) -> str:
    """HTML: how well scores tell films with TB from others; nothing where no network gives scores.

    Args:
        result: of the comparison.
        scores: ``(N,)`` of 0-1 by network; without them the curves that need each film's score are left out.
        positive: which films have TB, bool ``(N,)``.
    """
    rows, main = result["predictors"], tables.main_network(result)
    scored = [name for name, row in rows.items() if row.get("auc")]
    if not scored:
        return ""
    order = sorted(scored, key=lambda name: name != main)
    n = f"n = {rows[order[0]]['auc']['n']} films of the reported split"
    made = [
        (
            charts.reliability_chart(rows, order),
            "Reliability curves: share of TB against mean score by bin.",
            (
                f"<b>Reliability</b>, {n}. Bins of about as many films each; bars: {called(order[0])}'s 95 % Wilson "
                "intervals. On the dotted line a score of 0.8 means TB in 8 of 10 films."
            ),
        )
    ]
    decisions = ""
    if scores and positive is not None:
        n += f" ({int(positive.sum())} with TB)"
        known = {name: scores[name] for name in order if name in scores}
        first = next(iter(known))
        threshold = rows[first]["operating_point"]["score_threshold"]
        made = [
            (
                charts.roc_chart(rows, known, positive),
                "ROC curves.",
                (
                    f"<b>ROC</b>, {n}. Dots: the score thresholds of the table below. AUC with 95 % intervals. "
                    "Shaded: WHO's minimum for a triage test, sensitivity 90 % at specificity 70 %."
                ),
            ),
            (
                charts.precision_recall_chart(rows, known, positive),
                "Precision-recall curves.",
                (
                    f"<b>Precision and recall</b>, {n}. PR-AUC with 95 % intervals; it depends on the share of TB "
                    "films (dotted)."
                ),
            ),
            *made,
            (
                charts.score_chart(
                    known[first], positive, threshold, first.replace("_", " "), charts.color_of(first, rows)
                ),
                f"Histogram of the {first}'s scores with and without TB.",
                f"<b>Scores of {called(first)}</b>, {n}; films without TB below the line.",
            ),
        ]
        decisions = tables.decision_table(result, known, positive)
    drawn = "".join(figure(charts.svg_uri(chart), alt, caption) for chart, alt, caption in made)
    return "\n".join([f'<div class="pair">{drawn}</div>', tables.image_level_table(result), decisions])
