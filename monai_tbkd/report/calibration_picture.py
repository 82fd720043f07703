"""ROC curve with the chosen threshold, and reliability curve, in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from monai_tbkd.transforms import NOTICE

_WHO_SENSITIVITY, _WHO_SPECIFICITY = 0.9, 0.7
_CURVE, _POINT, _BOX = "#2a5d9f", "#c4561b", "#3f8f4f"


def write_calibration_picture(
    path: str | Path,
    scores: np.ndarray,
    positive: np.ndarray,
    chosen: Mapping[str, Any],
    auc: Mapping[str, Any],
    reliability: Sequence[Mapping[str, Any]],
    title: str,
) -> None:
    """Draw both curves.

    Args:
        path: a PNG file.
        scores: 0-100, ``(n,)``, without nan.
        positive: which films have TB, bool ``(n,)``.
        chosen: row of the screening table at the chosen threshold.
        auc: ``value``, ``low`` and ``high``.
        reliability: points of the reliability curve, scores of 0-1.
        title: model and films.
    """
    figure = Figure(figsize=(10.5, 5.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{title}\n{NOTICE}", fontsize=9)
    roc, curve = figure.subplots(1, 2)
    _draw_roc(roc, scores, positive, chosen, auc)
    _draw_reliability(curve, reliability, int(len(scores)))
    figure.savefig(path, metadata={"Software": None})


def _draw_roc(
    axes: Any, scores: np.ndarray, positive: np.ndarray, chosen: Mapping[str, Any], auc: Mapping[str, Any]
) -> None:
    edges = np.concatenate([[np.inf], np.unique(scores)[::-1]])
    true = [(scores[positive] >= edge).mean() for edge in edges]
    false = [(scores[~positive] >= edge).mean() for edge in edges]
    size = (1 - _WHO_SPECIFICITY, 1 - _WHO_SENSITIVITY)
    label = "WHO minimum: sensitivity 90 %, specificity 70 %"
    axes.add_patch(Rectangle((0, _WHO_SENSITIVITY), *size, color=_BOX, alpha=0.18, lw=0, label=label))
    axes.plot([0, 1], [0, 1], ":", color="0.6", lw=1)
    axes.plot(false, true, color=_CURVE, lw=1.6, label=f"AUC {auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]")
    x, y = 1 - chosen["specificity"], chosen["sensitivity"]
    # Differences of limits and values may be a rounding error below 0.
    across = np.clip([x - (1 - chosen["specificity_high"]), (1 - chosen["specificity_low"]) - x], 0, None)
    along = np.clip([y - chosen["sensitivity_low"], chosen["sensitivity_high"] - y], 0, None)
    axes.errorbar(
        x, y, xerr=across[:, None], yerr=along[:, None], fmt="o", ms=5, capsize=3, color=_POINT,
        label=f"threshold {chosen['threshold']:g}, 95 % intervals",
    )  # fmt: skip
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set_title(f"ROC: {int(positive.sum())} films with TB, {int((~positive).sum())} without", fontsize=10)
    axes.legend(loc="lower right", fontsize=8)
    axes.set_aspect("equal")


def _draw_reliability(axes: Any, points: Sequence[Mapping[str, Any]], n: int) -> None:
    x = np.array([point["mean_score"] for point in points])
    y = np.array([point["share_with_tb"] for point in points])
    bars = np.array([[p["share_with_tb"] - p["low"], p["high"] - p["share_with_tb"]] for p in points]).T
    axes.plot([0, 100], [0, 1], ":", color="0.6", lw=1, label="perfectly calibrated")
    axes.errorbar(
        100 * x, y, yerr=np.clip(bars, 0, None), fmt="o-", ms=4, lw=1.2, capsize=3, color=_CURVE,
        label="films of a bin, 95 % intervals",
    )  # fmt: skip
    for each, point in zip(100 * x, points):
        axes.annotate(str(point["n"]), (each, point["share_with_tb"]), (4, -9), textcoords="offset points", fontsize=7)
    axes.set(xlabel="mean score", ylabel="share with TB", xlim=(-1, 101), ylim=(-0.01, 1.01))
    axes.set_title(f"Reliability: {n} films, n of each bin beside it", fontsize=10)
    axes.legend(loc="upper left", fontsize=8)
