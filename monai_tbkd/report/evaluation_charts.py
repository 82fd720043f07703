"""Charts of an evaluation, for its report and for TensorBoard."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR, MEAN_MAP
from monai_tbkd.metrics.image_level import count_scores

# Okabe and Ito's colors, which the color-blind can tell apart
COLORS = {"student": "#0072b2", "teacher": "#009e73", "control": "#d55e00", BLIND_PRIOR: "#4d5866", MEAN_MAP: "#9aa3ad"}
_OTHERS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # of predictors that are none of these
_DRAWN_BLIND = (BLIND_PRIOR, MEAN_MAP)
_WHO = (0.3, 0.9)  # WHO's minimum for a triage test: 1 - specificity, sensitivity
_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_GRAY, _INK = "#566170", "#17202b"

Row = Mapping[str, Any]


def svg_uri(figure: Figure) -> str:
    """A chart as a data URI; the same chart gives the same bytes."""
    file = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "monai_tbkd"}):
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        FigureCanvasSVG(figure).print_svg(file, metadata=nothing)
    text = file.getvalue()
    text = re.sub(r"'DejaVu Sans'[^;\"]*", _FONT, text[text.index("<svg") :])
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()


def color_of(name: str, names: Iterable[str] = ()) -> str:
    """The color of a predictor, the same in all charts of a report.

    Args:
        name: of the predictor.
        names: of all of them; those that have no color of their own take turns.
    """
    others = [each for each in names if each not in COLORS]
    return COLORS.get(name) or _OTHERS[others.index(name) % len(_OTHERS) if name in others else 0]


def forest_chart(rows: Mapping[str, Row], metric: str, label: str) -> Figure:
    """One metric of all predictors with intervals, the blind prior's as a band.

    Args:
        rows: predictors of ``metrics.json``.
        metric: a key with an interval.
        label: of the axis.
    """
    names = [name for name, row in rows.items() if row.get(metric) and row[metric]["value"] is not None]
    figure, axes = _figure(5.4, 0.3 * len(names) + 0.75)
    prior = rows.get(BLIND_PRIOR, {}).get(metric)
    if prior and prior["value"] is not None:
        axes.axvspan(prior["low"], prior["high"], color="#4d5866", alpha=0.1, lw=0)
        axes.axvline(prior["value"], color="#4d5866", lw=1, ls=(0, (4, 3)))
    for place, name in enumerate(reversed(names)):
        x, color = rows[name][metric], color_of(name, rows) if not rows[name]["blind"] else "#4d5866"
        axes.plot([x["low"], x["high"]], [place, place], color=color, lw=2, solid_capstyle="butt")
        axes.plot(x["value"], place, "D" if rows[name]["blind"] else "o", color=color, ms=6)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in reversed(names)])
    axes.tick_params(axis="y", length=0, labelcolor=_INK)
    axes.set(xlabel=label, ylim=(-0.6, len(names) - 0.4))
    axes.set_xlim(left=0)
    axes.grid(False, axis="y")
    return figure


def seed_chart(rows: Mapping[str, Row]) -> Figure:
    """Union-mask mIoU of each seed, and the mean with its interval over seeds and films.

    Args:
        rows: predictors of a summary of seeds.
    """
    rows = {name: row for name, row in rows.items() if row["union_mask_miou"]["mean"] is not None}
    figure, axes = _figure(5.4, 0.34 * len(rows) + 0.75)
    prior = rows.get(BLIND_PRIOR, {}).get("union_mask_miou")
    if prior:
        band = prior["over_seeds_and_films"]
        axes.axvspan(band["low"], band["high"], color="#4d5866", alpha=0.1, lw=0)
        axes.axvline(prior["mean"], color="#4d5866", lw=1, ls=(0, (4, 3)))
    for place, name in enumerate(reversed(list(rows))):
        row = rows[name]
        x, color = row["union_mask_miou"], "#4d5866" if row["blind"] else color_of(name, rows)
        ends = x["over_seeds_and_films"]
        axes.plot([ends["low"], ends["high"]], [place, place], color=color, lw=2, solid_capstyle="butt")
        axes.plot(x["mean"], place, "D" if row["blind"] else "o", color=color, ms=7)
        if not row["blind"]:
            axes.plot(x["per_seed"], [place + 0.28] * len(x["per_seed"]), "o", color=color, ms=3.5, alpha=0.7)
    axes.set_yticks(range(len(rows)), [name.replace("_", " ") for name in reversed(list(rows))])
    axes.tick_params(axis="y", length=0, labelcolor=_INK)
    axes.set(xlabel="union-mask mIoU", ylim=(-0.6, len(rows) - 0.4))
    axes.set_xlim(left=0)
    axes.grid(False, axis="y")
    return figure


def threshold_chart(rows: Mapping[str, Row]) -> Figure:
    """Union-mask mIoU over map thresholds, with the chosen threshold and the best one."""
    figure, axes = _figure()
    for name, row in _drawn(rows):
        curve, point, oracle = row["threshold_curve"], row["operating_point"], row["oracle"]
        style = {"color": color_of(name, rows), "lw": 1.7, "ls": (0, (4, 2)) if row["blind"] else "-"}
        axes.plot(curve["thresholds"], curve["union_mask_miou"], label=name.replace("_", " "), **style)
        _whisker(axes, point["map_threshold"], row["union_mask_miou"], color_of(name, rows))
        best = oracle["union_mask_miou"]["value"]
        axes.plot(oracle["map_threshold"], best, "o", mfc="white", mec=color_of(name, rows), ms=8.5, mew=1.3, zorder=2)
    axes.plot([], [], "o", color="0.3", ms=5, label="chosen, 95 % interval")
    axes.plot([], [], "o", mfc="white", mec="0.3", ms=8, label="best on these films (oracle)")
    axes.set(xlabel="map threshold", ylabel="union-mask mIoU", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    _legend(axes, 3)
    return figure


def froc_chart(rows: Mapping[str, Row], key: str, label: str) -> Figure:
    """Share of true boxes found against false boxes a film, with intervals."""
    figure, axes = _figure()
    drawn = [(name, row) for name, row in _drawn(rows) if row.get(key) and name != MEAN_MAP]
    for place, (name, row) in enumerate(drawn):
        rates = np.array([float(rate) for rate in row[key]])
        shift = 1.045 ** (place - (len(drawn) - 1) / 2)  # so that intervals stand beside each other
        points = [row[key][rate] for rate in row[key]]
        values = np.array([p["value"] for p in points], dtype=float)
        axes.plot(rates, values, color=color_of(name, rows), lw=1.5, ls=(0, (4, 2)) if row["blind"] else "-")
        for rate, point in zip(rates * shift, points):
            _whisker(axes, rate, point, color_of(name, rows), 3.5)
        axes.plot([], [], "o-", color=color_of(name, rows), ms=4, label=name.replace("_", " "))
    axes.set_xscale("log", base=2)
    ticks = [0.125, 0.25, 0.5, 1, 2, 4, 8]
    axes.set_xticks(ticks, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    axes.minorticks_off()
    axes.set(xlabel=label, ylabel="share of true boxes found", ylim=(-0.02, 1.03))
    _legend(axes, 4)
    return figure


def accuracy_chart(rows: Mapping[str, Row]) -> Figure:
    """Share of true boxes that are met at each IoU, with intervals."""
    figure, axes = _figure()
    for name, row in _drawn(rows):
        points = {float(level): x for level, x in row["box_accuracy"].items() if x["value"] is not None}
        style = {"color": color_of(name, rows), "ls": (0, (4, 2)) if row["blind"] else "-", "lw": 1.6, "ms": 3.5}
        low, high = ([x[key] for x in points.values()] for key in ("low", "high"))
        axes.fill_between(list(points), low, high, color=color_of(name, rows), alpha=0.1, lw=0)
        axes.plot(
            list(points), [x["value"] for x in points.values()], marker="o", label=name.replace("_", " "), **style
        )
    axes.set(xlabel="IoU at or above which a true box is met", ylabel="share of true boxes", ylim=(-0.02, 1.03))
    _legend(axes, 3)
    return figure


def roc_chart(rows: Mapping[str, Row], scores: Mapping[str, np.ndarray], positive: np.ndarray) -> Figure:
    """ROC curves of the networks, with the chosen score thresholds and WHO's minimum.

    Args:
        rows: predictors of ``metrics.json``.
        scores: ``(N,)`` of 0-1 by network.
        positive: which films have TB, bool ``(N,)``.
    """
    figure, axes = _figure()
    axes.add_patch(Rectangle((0, _WHO[1]), _WHO[0], 1 - _WHO[1], color="#009e73", alpha=0.13, lw=0))
    axes.annotate("WHO minimum", (_WHO[0] - 0.005, 0.905), ha="right", va="bottom", fontsize=8, color="#3c6b5b")
    axes.plot([0, 1], [0, 1], ":", color="0.6", lw=1)
    for name, values in scores.items():
        found, false = _rates(values, positive)
        axes.plot(false, found, color=color_of(name, rows), lw=1.7, label=_with_interval(name, rows[name].get("auc")))
        called = values >= rows[name]["operating_point"]["score_threshold"]
        x, y = called[~positive].mean(), called[positive].mean()
        axes.plot(x, y, "o", color=color_of(name, rows), ms=5.5, mec="white", mew=0.8, zorder=4)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    _legend(axes, title="AUC")
    return figure


def precision_recall_chart(rows: Mapping[str, Row], scores: Mapping[str, np.ndarray], positive: np.ndarray) -> Figure:
    """Precision against recall of the networks; see `roc_chart`."""
    figure, axes = _figure()
    share = float(np.mean(positive))
    axes.axhline(share, ls=":", color="0.6", lw=1)
    for name, values in scores.items():
        counts = count_scores(values, positive)
        found, false = (each[::-1].cumsum() for each in (counts.positive, counts.negative))
        recall, precision = found / found[-1], found / (found + false)
        axes.step(
            np.append(0, recall), np.append(precision[0], precision), where="pre", color=color_of(name, rows), lw=1.7,
            label=_with_interval(name, rows[name].get("pr_auc")),
        )  # fmt: skip
    axes.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    _legend(axes, title=f"PR-AUC (chance {share:.3f})")
    return figure


def reliability_chart(rows: Mapping[str, Row], names: Sequence[str], binning: str = "equal_mass") -> Figure:
    """Share of TB against mean score by bin, with intervals.

    Args:
        rows: predictors of ``metrics.json``.
        names: those to draw; only the first has the number of films beside its bins.
        binning: of the curve.
    """
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], ":", color="0.6", lw=1)
    for place, name in enumerate(names):
        points = (rows[name].get("calibration") or {}).get("reliability", {}).get(binning, [])
        first = place == 0
        x, y = [p["mean_score"] for p in points], [p["share_with_tb"] for p in points]
        label = f"{name.replace('_', ' ')}" + (", 95 % intervals" if first else "")
        axes.plot(
            x, y, "o-", color=color_of(name, rows), ms=5 if first else 3, lw=1.7 if first else 1,
            alpha=1 if first else 0.55, label=label, zorder=3 if first else 2,
        )  # fmt: skip
        if first:
            for p in points:
                axes.plot([p["mean_score"]] * 2, [p["low"], p["high"]], color=color_of(name, rows), lw=1.1, alpha=0.8)
    axes.set(xlabel="mean score of the bin", ylabel="share with TB", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    _legend(axes, 3)
    return figure


def score_chart(
    scores: np.ndarray, positive: np.ndarray, threshold: float, name: str, color: str = COLORS["student"]
) -> Figure:
    """How many films have which score, TB above the line and others below it."""
    figure, axes = _figure()
    edges = np.linspace(0, 1, 26)
    with_tb, without = (np.histogram(scores[films], edges)[0] for films in (positive, ~positive))
    width = 0.9 * np.diff(edges)
    middle = (edges[1:] + edges[:-1]) / 2
    axes.bar(middle, with_tb, width, color=color, label=f"with TB, n = {int(positive.sum())}")
    axes.bar(middle, -without, width, color="#aab4bf", label=f"without TB, n = {int((~positive).sum())}")
    axes.axhline(0, color=_GRAY, lw=0.8)
    axes.axvline(threshold, color=_INK, lw=1.1, ls=(0, (4, 3)), label=f"threshold {threshold:.3f}")
    highest = 1.08 * max(int(with_tb.max()), int(without.max()), 1)
    axes.set(xlabel=f"score of {name}", ylabel="films", xlim=(0, 1), ylim=(-highest, highest))
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
    """One metric over the severities of one corruption.

    Args:
        title: the corruption.
        curves: by network, an interval by severity; the clean film is ``"0"``.
        label: of the axis.
        limits: of the axis, the same for all corruptions.
        chance: what no knowledge would give, drawn as a dotted line; None draws none.
    """
    figure, axes = _figure(3.1, 2.45)
    if chance is not None:
        axes.axhline(chance, ls=":", color="0.6", lw=1)
    for name, points in curves.items():
        known = {int(severity): p for severity, p in points.items() if p["value"] is not None}
        x = sorted(known)
        low, value, high = ([known[s][key] for s in x] for key in ("low", "value", "high"))
        axes.fill_between(x, low, high, color=color_of(name, curves), alpha=0.14, lw=0)
        axes.plot(x, value, "o-", color=color_of(name, curves), ms=3.5, lw=1.5)
    axes.set_title(title, fontsize=10, loc="left", color=_INK)
    severities = sorted({int(s) for points in curves.values() for s in points})
    axes.set_xticks(severities)
    axes.set(xlabel="severity (0: clean)", ylabel=label, ylim=limits)
    return figure


def _figure(width: float = 5.0, height: float = 3.9) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Any = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GRAY)
    axes.tick_params(color=_GRAY, labelcolor=_GRAY)
    axes.grid(True, color="#e6eaee")
    axes.set_axisbelow(True)
    return figure, axes


def _legend(axes: Any, columns: int = 1, title: str | None = None) -> None:
    """Above the axes: where curves run is not known beforehand."""
    axes.figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper left", ncols=columns, frameon=False, fontsize=8.5,
        title=title, title_fontsize=8.5, alignment="left", columnspacing=1.4,
    )  # fmt: skip


def _drawn(rows: Mapping[str, Row]) -> list[tuple[str, Row]]:
    """Networks, and the blind predictors that have a map worth a curve."""
    return [(name, row) for name, row in rows.items() if not row["blind"] or name in _DRAWN_BLIND]


def _whisker(axes: Any, x: float, y: Row, color: str, size: float = 5.0) -> None:
    if y["value"] is not None:
        axes.plot([x, x], [y["low"], y["high"]], color=color, lw=1.2, zorder=3)
        axes.plot(x, y["value"], "o", color=color, ms=size, zorder=3)


def _rates(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts = count_scores(scores, positive)
    found, false = (np.append(0, each[::-1].cumsum()) for each in (counts.positive, counts.negative))
    return found / found[-1], false / false[-1]


def _with_interval(name: str, x: Row | None) -> str:
    plain = name.replace("_", " ")
    return f"{plain} {x['value']:.3f} [{x['low']:.3f}, {x['high']:.3f}]" if x and x["value"] is not None else plain
