"""Charts of an evaluation, for its report and for TensorBoard."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR, MEAN_MAP
from monai_tbkd.metrics.comparison_table import interval_text
from monai_tbkd.metrics.image_level import count_scores
from monai_tbkd.transforms import NOTICE

# Okabe and Ito's colors, which the color-blind can tell apart
COLORS = {"student": "#0072b2", "teacher": "#009e73", "control": "#d55e00", BLIND_PRIOR: "#4d5866", MEAN_MAP: "#9aa3ad"}
_OTHERS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # of all other predictors
WHO_MINIMUM = (0.9, 0.7)
"""Sensitivity and specificity of a triage test at least."""
_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_GRAY, _INK, _BLIND = "#566170", "#17202b", "#4d5866"
_DASHED = (0, (4, 2))

Row = Mapping[str, Any]


def svg_uri(figure: Figure) -> str:
    """Encode a chart as a data URI; the same chart gives the same bytes."""
    file = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "monai_tbkd"}):
        FigureCanvasSVG(figure).print_svg(file, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = file.getvalue()
    text = re.sub(r"'DejaVu Sans'[^;\"]*", _FONT, text[text.index("<svg") :])
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()


def color_of(name: str, names: Iterable[str] = ()) -> str:
    """Choose the color of a predictor; those without a color of their own take turns in the order of ``names``."""
    others = [each for each in names if each not in COLORS]
    return COLORS.get(name) or _OTHERS[others.index(name) % len(_OTHERS) if name in others else 0]


def forest_chart(rows: Mapping[str, Row], metric: str, label: str) -> Figure:
    """Draw a metric of all predictors of ``metrics.json`` with intervals, the blind prior's as a band."""
    known = {name: row[metric] for name, row in rows.items() if row.get(metric) and row[metric]["value"] is not None}
    return _forest(rows, known, label)


def seed_chart(rows: Mapping[str, Row]) -> Figure:
    """Draw the union-mask mIoU of each seed, and the mean with its interval over seeds and images."""
    found = {name: row["union_mask_miou"] for name, row in rows.items()}
    known = {
        name: {"value": x["mean"], "each": x["per_seed"], **x["over_seeds_and_images"]}
        for name, x in found.items()
        if x["mean"] is not None
    }
    return _forest(rows, known, "union-mask mIoU", height=0.34, size=7)


def _forest(
    rows: Mapping[str, Row], numbers: Mapping[str, Row], label: str, height: float = 0.3, size: float = 6
) -> Figure:
    """``numbers``: value and interval by predictor, and ``each`` seed's, if there are several."""
    figure, axes = _figure(5.4, height * len(numbers) + 0.75)
    if prior := numbers.get(BLIND_PRIOR):
        axes.axvspan(prior["low"], prior["high"], color=_BLIND, alpha=0.1, lw=0)
        axes.axvline(prior["value"], color=_BLIND, lw=1, ls=(0, (4, 3)))
    names = list(numbers)[::-1]
    for y, name in enumerate(names):
        x, blind = numbers[name], rows[name]["blind"]
        color = _BLIND if blind else color_of(name, rows)
        axes.plot([x["low"], x["high"]], [y, y], color=color, lw=2, solid_capstyle="butt")
        axes.plot(x["value"], y, "D" if blind else "o", color=color, ms=size)
        if "each" in x and not blind:
            axes.plot(x["each"], [y + 0.28] * len(x["each"]), "o", color=color, ms=3.5, alpha=0.7)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.tick_params(axis="y", length=0, labelcolor=_INK)
    axes.set(xlabel=label, ylim=(-0.6, len(names) - 0.4))
    axes.set_xlim(left=0)
    axes.grid(False, axis="y")
    return figure


def threshold_chart(rows: Mapping[str, Row]) -> Figure:
    """Draw the union-mask mIoU over map thresholds, with the chosen threshold and the best one."""
    figure, axes = _figure()
    for name, row, color, style in _drawn(rows):
        curve, oracle = row["threshold_curve"], row["oracle"]
        axes.plot(
            curve["thresholds"], curve["union_mask_miou"], color=color, lw=1.7, ls=style, label=name.replace("_", " ")
        )
        _whisker(axes, row["operating_point"]["map_threshold"], row["union_mask_miou"], color)
        best = oracle["union_mask_miou"]["value"]
        axes.plot(oracle["map_threshold"], best, "o", mfc="white", mec=color, ms=8.5, mew=1.3, zorder=2)
    axes.plot([], [], "o", color="0.3", ms=5, label="chosen, 95 % interval")
    axes.plot([], [], "o", mfc="white", mec="0.3", ms=8, label="best on these images (oracle)")
    axes.set(xlabel="map threshold", ylabel="union-mask mIoU", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    _legend(axes, 3)
    return figure


def froc_chart(rows: Mapping[str, Row], key: str, label: str) -> Figure:
    """Draw the fraction of true boxes found against false boxes per image, with intervals."""
    figure, axes = _figure()
    drawn = [each for each in _drawn(rows) if each[1].get(key) and each[0] != MEAN_MAP]
    for index, (name, row, color, style) in enumerate(drawn):
        rates, points = np.array([float(rate) for rate in row[key]]), list(row[key].values())
        shift = 1.045 ** (index - (len(drawn) - 1) / 2)  # so that intervals stand beside each other
        values = np.array([point["value"] for point in points], dtype=float)
        axes.plot(rates, values, color=color, lw=1.5, ls=style)
        for rate, point in zip(rates * shift, points):
            _whisker(axes, rate, point, color, 3.5)
        axes.plot([], [], "o-", color=color, ms=4, label=name.replace("_", " "))
    axes.set_xscale("log", base=2)
    axes.set_xticks([0.125, 0.25, 0.5, 1, 2, 4, 8], ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    axes.minorticks_off()
    axes.set(xlabel=label, ylabel="fraction of true boxes found", ylim=(-0.02, 1.03))
    _legend(axes, 4)
    return figure


def accuracy_chart(rows: Mapping[str, Row]) -> Figure:
    """Draw the fraction of true boxes that are met at each IoU, with intervals."""
    figure, axes = _figure()
    for name, row, color, style in _drawn(rows):
        points = {float(level): x for level, x in row["box_accuracy"].items() if x["value"] is not None}
        low, value, high = ([x[key] for x in points.values()] for key in ("low", "value", "high"))
        axes.fill_between(list(points), low, high, color=color, alpha=0.1, lw=0)
        axes.plot(list(points), value, marker="o", color=color, ls=style, lw=1.6, ms=3.5, label=name.replace("_", " "))
    axes.set(xlabel="IoU at or above which a true box is met", ylabel="fraction of true boxes", ylim=(-0.02, 1.03))
    _legend(axes, 3)
    return figure


def roc_chart(rows: Mapping[str, Row], scores: Mapping[str, np.ndarray], positive: np.ndarray) -> Figure:
    """Draw ROC curves of the networks, with the chosen score thresholds and WHO's minimum; all arrays are ``(N,)``."""
    figure, axes = _figure()
    _who_minimum(axes)
    for name, values in scores.items():
        x, y = roc_curve(values, positive)
        axes.plot(x, y, color=color_of(name, rows), lw=1.7, label=_with_interval(name, rows[name].get("auc")))
        called = values >= rows[name]["operating_point"]["score_threshold"]
        point = called[~positive].mean(), called[positive].mean()
        axes.plot(*point, "o", color=color_of(name, rows), ms=5.5, mec="white", mew=0.8, zorder=4)
    _unit_square(axes, "1 - specificity", "sensitivity")
    _legend(axes, title="AUC")
    return figure


def write_calibration_picture(
    path: str | Path,
    scores: np.ndarray,
    positive: np.ndarray,
    chosen: Row,
    auc: Row,
    reliability: Sequence[Row],
    title: str,
) -> None:
    """Draw the ROC curve with the chosen threshold, and the reliability curve, into a PNG file.

    Scores are of 0-100, ``(n,)``, without nan; ``chosen`` is the row of the screening table, ``reliability`` holds
    points of the curve, with scores of 0-1.
    """
    figure, (roc, curve) = _figure(10.5, 5.4, columns=2)
    figure.suptitle(f"{title}\n{NOTICE}", fontsize=9)
    _who_minimum(roc)
    roc.plot(*roc_curve(scores, positive), lw=1.6, label=f"AUC {interval_text(auc)}")
    x, low_x, high_x = (1 - chosen["specificity" + end] for end in ("", "_high", "_low"))
    y, low_y, high_y = (chosen["sensitivity" + end] for end in ("", "_low", "_high"))
    label = f"threshold {chosen['threshold']:g}, 95 % intervals"
    roc.plot(x, y, "o", ms=5, color="#d55e00", label=label)
    roc.plot([low_x, high_x, np.nan, x, x], [y, y, np.nan, low_y, high_y], color="#d55e00")
    _unit_square(roc, "1 - specificity", "sensitivity")
    roc.set_title(f"ROC: {int(positive.sum())} images with TB, {int((~positive).sum())} without", fontsize=10)
    curve.plot([0, 1], [0, 1], ":", color="0.6", lw=1, label="perfectly calibrated")
    _reliability(curve, reliability, "images of a bin, 95 % intervals", "#0072b2", intervals=True, lw=1.2, ms=4)
    for point in reliability:
        at = (point["mean_score"], point["fraction_with_tb"])
        curve.annotate(str(point["n"]), at, (4, -9), textcoords="offset points", fontsize=7)
    _unit_square(curve, "mean score", "fraction with TB")
    curve.xaxis.set_major_formatter(lambda x, _: f"{100 * x:.0f}")
    curve.set_title(f"Reliability: {len(scores)} images, n of each bin beside it", fontsize=10)
    roc.legend(loc="lower right", fontsize=8)
    curve.legend(loc="upper left", fontsize=8)
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})


def precision_recall_chart(rows: Mapping[str, Row], scores: Mapping[str, np.ndarray], positive: np.ndarray) -> Figure:
    """Draw precision against recall of the networks; see `roc_chart`."""
    figure, axes = _figure()
    chance = float(np.mean(positive))
    axes.axhline(chance, ls=":", color="0.6", lw=1)
    for name, values in scores.items():
        counts = count_scores(values, positive)
        found, false = (each[::-1].cumsum() for each in (counts.positive, counts.negative))
        recall, precision = found / found[-1], found / (found + false)
        axes.step(
            np.append(0, recall), np.append(precision[0], precision), where="pre", color=color_of(name, rows), lw=1.7,
            label=_with_interval(name, rows[name].get("pr_auc")),
        )  # fmt: skip
    _unit_square(axes, "recall (sensitivity)", "precision (PPV)")
    _legend(axes, title=f"PR-AUC (chance {chance:.3f})")
    return figure


def reliability_chart(rows: Mapping[str, Row], names: Sequence[str]) -> Figure:
    """Draw the fraction with TB against the mean score of bins of equal mass, with intervals for the first name."""
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], ":", color="0.6", lw=1)
    for name in names:
        points = (rows[name].get("calibration") or {}).get("reliability", {}).get("equal_mass", [])
        first, label = name == names[0], name.replace("_", " ")
        style = {"ms": 5, "lw": 1.7, "zorder": 3} if first else {"ms": 3, "lw": 1, "alpha": 0.55, "zorder": 2}
        _reliability(axes, points, label + ", 95 % intervals" * first, color_of(name, rows), intervals=first, **style)
    _unit_square(axes, "mean score of the bin", "fraction with TB")
    _legend(axes, 3)
    return figure


def score_chart(scores: np.ndarray, positive: np.ndarray, threshold: float, name: str, color: str) -> Figure:
    """Draw a histogram of scores, TB above the line and others below it."""
    figure, axes = _figure()
    edges = np.linspace(0, 1, 26)
    with_tb, without = (np.histogram(scores[images], edges)[0] for images in (positive, ~positive))
    width, middle = 0.9 * np.diff(edges), (edges[1:] + edges[:-1]) / 2
    axes.bar(middle, with_tb, width, color=color, label=f"with TB, n = {int(positive.sum())}")
    axes.bar(middle, -without, width, color="#aab4bf", label=f"without TB, n = {int((~positive).sum())}")
    axes.axhline(0, color=_GRAY, lw=0.8)
    axes.axvline(threshold, color=_INK, lw=1.1, ls=(0, (4, 3)), label=f"threshold {threshold:.3f}")
    highest = 1.08 * max(int(with_tb.max()), int(without.max()), 1)
    axes.set(xlabel=f"score of {name}", ylabel="images", xlim=(0, 1), ylim=(-highest, highest))
    ticks = [int(t) for t in axes.get_yticks() if abs(t) <= highest and t == int(t)]
    axes.set_yticks(ticks, [str(abs(t)) for t in ticks])
    _legend(axes, 3)
    return figure


def severity_chart(
    title: str,
    curves: Mapping[str, Mapping[str, Row]],
    label: str,
    limits: tuple[float, float],
    chance: float | None = None,
) -> Figure:
    """Draw one metric over the severities of one corruption: by network, an interval by severity (``"0"`` is clean)."""
    figure, axes = _figure(3.1, 2.45)
    if chance is not None:
        axes.axhline(chance, ls=":", color="0.6", lw=1)
    for name, points in curves.items():
        known = dict(sorted((int(severity), p) for severity, p in points.items() if p["value"] is not None))
        low, value, high = ([p[key] for p in known.values()] for key in ("low", "value", "high"))
        axes.fill_between(list(known), low, high, color=color_of(name, curves), alpha=0.14, lw=0)
        axes.plot(list(known), value, "o-", color=color_of(name, curves), ms=3.5, lw=1.5)
    axes.set_title(title, fontsize=10, loc="left", color=_INK)
    axes.set_xticks(sorted({int(severity) for points in curves.values() for severity in points}))
    axes.set(xlabel="severity (0: clean)", ylabel=label, ylim=limits)
    return figure


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute 1 - specificity and sensitivity at every threshold, from 0 to 1."""
    counts = count_scores(scores, positive)
    false, found = (np.append(0, each[::-1].cumsum()) for each in (counts.negative, counts.positive))
    return false / false[-1], found / found[-1]


def _figure(width: float = 5.0, height: float = 3.9, columns: int = 1) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    every: Any = figure.subplots(ncols=columns)
    for axes in np.atleast_1d(every):
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_GRAY)
        axes.tick_params(color=_GRAY, labelcolor=_GRAY)
        axes.grid(True, color="#e6eaee")
        axes.set_axisbelow(True)
    return figure, every


def _who_minimum(axes: Any) -> None:
    sensitivity, false = WHO_MINIMUM[0], 1 - WHO_MINIMUM[1]
    axes.add_patch(Rectangle((0, sensitivity), false, 1 - sensitivity, color="#009e73", alpha=0.13, lw=0))
    axes.annotate("WHO minimum", (false - 0.005, 0.905), ha="right", va="bottom", fontsize=8, color="#3c6b5b")
    axes.plot([0, 1], [0, 1], ":", color="0.6", lw=1)


def _reliability(axes: Any, points: Sequence[Row], label: str, color: str, intervals: bool, **style: Any) -> None:
    x, y = [p["mean_score"] for p in points], [p["fraction_with_tb"] for p in points]
    axes.plot(x, y, "o-", color=color, label=label, **style)
    for p in points if intervals else ():
        axes.plot([p["mean_score"]] * 2, [p["low"], p["high"]], color=color, lw=1.1, alpha=0.8)


def _unit_square(axes: Any, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def _legend(axes: Any, columns: int = 1, title: str | None = None) -> None:
    """Put the legend above the axes, away from any curve."""
    axes.figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper left", ncols=columns, frameon=False, fontsize=8.5,
        title=title, title_fontsize=8.5, alignment="left", columnspacing=1.4,
    )  # fmt: skip


def _drawn(rows: Mapping[str, Row]) -> list[tuple[str, Row, str, Any]]:
    """Networks and the blind predictors with a map, with their colors and line styles."""
    return [
        (name, row, color_of(name, rows), _DASHED if row["blind"] else "-")
        for name, row in rows.items()
        if not row["blind"] or name in (BLIND_PRIOR, MEAN_MAP)
    ]


def _whisker(axes: Any, x: float, y: Row, color: str, size: float = 5.0) -> None:
    if y["value"] is not None:
        axes.plot([x, x], [y["low"], y["high"]], color=color, lw=1.2, zorder=3)
        axes.plot(x, y["value"], "o", color=color, ms=size, zorder=3)


def _with_interval(name: str, x: Row | None) -> str:
    return name.replace("_", " ") + (f" {interval_text(x)}" if x and x["value"] is not None else "")
