"""What ``calibrate`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_tbkd.metrics.calibrated_threshold import CalibratedThreshold

_PRINTED = range(10, 100, 20)


def calibration_text(
    summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], threshold: CalibratedThreshold
) -> str:
    """Numbers of the films, and the screening table at some thresholds and the chosen one.

    Args:
        summary: content of ``calibration.json``.
        rows: of the screening table.
        threshold: what was chosen.
    """

    def cell(numbers: Mapping[str, Any], name: str, digits: int = 3) -> str:
        value, low, high = (numbers[name + end] for end in ("", "_low", "_high"))
        return "-" if value is None else f"{value:.{digits}f} [{_limit(low, digits)}, {_limit(high, digits)}]"

    films, level, error = threshold.calibration_set, summary["image_level"], summary["expected_calibration_error"]
    patients = f" of {films['patients']} patients" if films["patients"] else ""
    scored = f"{films['films']} films{patients}: {films['tb_films']} with TB, {films['films_without_tb']} without"
    lines = [
        f"{threshold.model_version}, {threshold.input_kind} films",
        f"{scored}; {len(summary['not_scored'])} more have no score. Intervals: {summary['intervals']}.",
    ]
    for name, number in level.items():
        lines.append(f"  {name:<30}{number['value']:.3f} [{_limit(number['low'], 3)}, {_limit(number['high'], 3)}]")
    wide, chance = error["equal_width"], error["equal_width"]["if_calibrated"]
    lines.append(
        f"  {'expected_calibration_error':<30}{wide['value']:.3f} (perfectly calibrated scores: {chance['low']:.3f} to "
        f"{chance['high']:.3f})"
    )
    fitted = summary["temperature_scaling"]
    lines.append(f"  {'temperature':<30}{fitted['temperature']:.2f}" + " (at the limit)" * fitted["at_limit"])
    head = ("threshold", "sensitivity", "specificity", "PPV", "tests avoided", "cost per case found")
    cells = [head]
    for row in rows:
        is_chosen = row["threshold"] == threshold.threshold_0_100
        if is_chosen or row["threshold"] in _PRINTED:
            cells.append(
                (
                    f"{row['threshold']:g}{' <' if is_chosen else ''}",
                    cell(row, "sensitivity"),
                    cell(row, "specificity"),
                    cell(row, "ppv"),
                    cell(row, "share_of_tests_avoided"),
                    cell(row, "cost_per_case_found", 0),
                )
            )
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines += ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in cells]
    lines.append(
        f"<: chosen by {threshold.chosen_by}. PPV, tests and cost at prevalence {summary['program']['prevalence']:g}. "
        "A threshold that is chosen and reported on the same films is a little too hopeful."
    )
    return "\n".join(lines)


def _limit(number: float | None, digits: int) -> str:
    return "-" if number is None else f"{number:.{digits}f}"
