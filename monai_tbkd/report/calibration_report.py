"""What ``calibrate`` draws and prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from monai_tbkd.metrics.calibrated_threshold import CalibratedThreshold
from monai_tbkd.metrics.comparison_table import aligned, interval_text
from monai_tbkd.report.evaluation_charts import WHO_MINIMUM, roc_curve
from monai_tbkd.transforms import NOTICE

_CURVE, _POINT, _BOX = "#2a5d9f", "#c4561b", "#3f8f4f"
_PRINTED = range(10, 100, 20)
_HOPEFUL = "A threshold that is chosen and reported on the same images is a little too hopeful."


def write_calibration_picture(
    path: str | Path,
    scores: np.ndarray,
    positive: np.ndarray,
    chosen: Mapping[str, Any],
    auc: Mapping[str, Any],
    reliability: Sequence[Mapping[str, Any]],
    title: str,
) -> None:
    """Draw the ROC curve with the chosen threshold, and the reliability curve, into a PNG file.

    Args:
        path: the file.
        scores: 0-100, ``(n,)``, without nan.
        positive: which images have TB, bool ``(n,)``.
        chosen: row of the screening table at the chosen threshold.
        auc: ``value``, ``low`` and ``high``.
        reliability: points of the reliability curve, scores of 0-1.
        title: model and images.
    """
    figure = Figure(figsize=(10.5, 5.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{title}\n{NOTICE}", fontsize=9)
    roc, curve = figure.subplots(1, 2)
    _draw_roc(roc, scores, positive, chosen, auc)
    _draw_reliability(curve, reliability, len(scores))
    figure.savefig(path, metadata={"Software": None})


def _draw_roc(
    axes: Any, scores: np.ndarray, positive: np.ndarray, chosen: Mapping[str, Any], auc: Mapping[str, Any]
) -> None:
    sensitivity, specificity = WHO_MINIMUM
    label = f"WHO minimum: sensitivity {100 * sensitivity:.0f} %, specificity {100 * specificity:.0f} %"
    axes.add_patch(
        Rectangle((0, sensitivity), 1 - specificity, 1 - sensitivity, color=_BOX, alpha=0.18, lw=0, label=label)
    )
    axes.plot([0, 1], [0, 1], ":", color="0.6", lw=1)
    axes.plot(*roc_curve(scores, positive), color=_CURVE, lw=1.6, label=f"AUC {interval_text(auc)}")
    x, y = 1 - chosen["specificity"], chosen["sensitivity"]
    # differences of limits and values may be a rounding error below 0
    across = np.clip([x - (1 - chosen["specificity_high"]), (1 - chosen["specificity_low"]) - x], 0, None)
    along = np.clip([y - chosen["sensitivity_low"], chosen["sensitivity_high"] - y], 0, None)
    label = f"threshold {chosen['threshold']:g}, 95 % intervals"
    axes.errorbar(x, y, along[:, None], across[:, None], fmt="o", ms=5, capsize=3, color=_POINT, label=label)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set_title(f"ROC: {int(positive.sum())} images with TB, {int((~positive).sum())} without", fontsize=10)
    axes.legend(loc="lower right", fontsize=8)
    axes.set_aspect("equal")


def _draw_reliability(axes: Any, points: Sequence[Mapping[str, Any]], n: int) -> None:
    x, y, low, high = (np.array([p[key] for p in points]) for key in ("mean_score", "fraction_with_tb", "low", "high"))
    axes.plot([0, 100], [0, 1], ":", color="0.6", lw=1, label="perfectly calibrated")
    bars = np.clip([y - low, high - y], 0, None)
    label = "images of a bin, 95 % intervals"
    axes.errorbar(100 * x, y, bars, fmt="o-", ms=4, lw=1.2, capsize=3, color=_CURVE, label=label)
    for point in points:
        at = (100 * point["mean_score"], point["fraction_with_tb"])
        axes.annotate(str(point["n"]), at, (4, -9), textcoords="offset points", fontsize=7)
    axes.set(xlabel="mean score", ylabel="fraction with TB", xlim=(-1, 101), ylim=(-0.01, 1.01))
    axes.set_title(f"Reliability: {n} images, n of each bin beside it", fontsize=10)
    axes.legend(loc="upper left", fontsize=8)


def calibration_text(
    summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], threshold: CalibratedThreshold
) -> str:
    """Write the content of ``calibration.json``, and the screening table at some thresholds and the chosen one."""
    images, error = threshold.calibration_set, summary["expected_calibration_error"]["equal_width"]
    patients = f" of {images['patients']} patients" if images["patients"] else ""
    scored = (
        f"{images['images']} images{patients}: {images['tb_images']} with TB, {images['images_without_tb']} without"
    )
    chance, fitted = error["if_calibrated"], summary["temperature_scaling"]
    facts = {name: interval_text(x) for name, x in summary["image_level"].items()} | {
        "expected_calibration_error": f"{error['value']:.3f} (perfectly calibrated scores: {chance['low']:.3f} to "
        f"{chance['high']:.3f})",
        "temperature": f"{fitted['temperature']:.2f}" + " (at the limit)" * fitted["at_limit"],
    }
    cells = [["threshold", "sensitivity", "specificity", "PPV", "tests avoided", "cost per case found"]]
    columns = {"sensitivity": 3, "specificity": 3, "ppv": 3, "fraction_of_tests_avoided": 3, "cost_per_case_found": 0}
    for row in rows:
        is_chosen = row["threshold"] == threshold.threshold_0_100
        if is_chosen or row["threshold"] in _PRINTED:
            numbers = (
                interval_text({"value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}, digits)
                for name, digits in columns.items()
            )
            cells.append([f"{row['threshold']:g}{' <' if is_chosen else ''}", *numbers])
    prevalence = summary["program"]["prevalence"]
    return "\n".join(
        [
            f"{threshold.model_version}, {threshold.input_kind} images",
            f"{scored}; {len(summary['not_scored'])} more have no score. Intervals: {summary['intervals']}.",
            *(f"  {name:<30}{text}" for name, text in facts.items()),
            aligned(cells),
            f"<: chosen by {threshold.chosen_by}. PPV, tests and cost at prevalence {prevalence:g}. {_HOPEFUL}",
        ]
    )
