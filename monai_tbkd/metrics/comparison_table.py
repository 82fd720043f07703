"""Results as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.metrics.calibrated_threshold import CalibratedThreshold

_PRINTED = range(10, 100, 20)
_HOPEFUL = "A threshold that is chosen and reported on the same images is a little too hopeful."
_VERDICTS = {True: "above the blind prior", False: "NOT above the blind prior", None: "-"}


def table(result: Mapping[str, Any]) -> str:
    """Format the result of :meth:`~monai_tbkd.metrics.Comparison.run`: a row per predictor, then by hospital."""
    parts = []
    n = result["splits"]["test"]
    if n["tb_images_with_boxes"]:
        rows = [
            ("predictor", "union-mask mIoU", "minus blind prior", "best box IoU", "pointing game", "AUC", "verdict")
        ]
        for name, row in result["predictors"].items():
            numbers = (
                row["union_mask_miou"],
                row["union_mask_miou_minus"].get(BLIND_PRIOR),
                row["best_box_iou"],
                row["pointing_game"],
                row["auc"],
            )
            verdict = "blind" if row["blind"] else _VERDICTS[row.get("above_blind_prior")]
            rows.append((name, *map(interval_text, numbers), verdict))
        parts.append(aligned(rows))
    parts.append(
        f"test: {n['images']} images, {n['tb_images_with_boxes']} TB images with boxes; 95 % bootstrap intervals over "
        f"{resampled(n)}"
    )
    parts += result.get("left_out", [])
    by_source = source_rows(result)
    if by_source:
        parts.append(aligned([SOURCE_COLUMNS, *by_source]))
    return "\n".join(parts)


SOURCE_COLUMNS = (
    "source",
    "predictor",
    "images (TB)",
    "AUC",
    "sensitivity",
    "specificity",
    "sensitivity at specificity 70 %",
    "union-mask mIoU",
    "pointing game",
)
"""Sensitivity and specificity are at the operating point; the last sensitivity is at the threshold with a specificity
of 70 % on the selection split."""


def source_rows(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Networks by hospital, with the shortcut baseline of each, as cells of `SOURCE_COLUMNS`."""
    n, shortcuts = result["splits"]["test"], result.get("shortcuts", {})
    networks = {name: row for name, row in result["predictors"].items() if not row["blind"]}
    whole = {"images": n["images"], "tb_images": n.get("tb_images", 0)}
    names = next((list(row["sources"]) for row in networks.values() if "sources" in row), [next(iter(shortcuts), "")])
    rows = []
    for source in names:
        for name, row in networks.items():
            own = row["sources"][source] if "sources" in row else {**row, **whole}
            cuts = own.get("at_threshold", {})
            numbers = (
                own["auc"],
                *(cuts.get("operating_point", {}).get(key) for key in ("sensitivity", "specificity")),
                cuts.get("specificity_70", {}).get("sensitivity"),
                own.get("union_mask_miou"),
                own.get("pointing_game"),
            )
            if any(x for x in numbers[:4]) or "sources" in row:
                rows.append((source, name, f"{own['images']} ({own['tb_images']})", *map(interval_text, numbers)))
        for kind, auc in shortcuts.get(source, {}).items():
            dashes = ("-",) * (len(SOURCE_COLUMNS) - 4)
            rows.append((source, f"no lesion seen: {kind}", str(auc["n"]), interval_text(auc), *dashes))
    return rows


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Format a table of cells with columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def resampled(counts: Mapping[str, int]) -> str:
    """Say what intervals are over: images, or patients, an image without an id being one of its own."""
    if "patients" not in counts:
        return "images"
    without = counts.get("images_without_patient", 0)
    more = f" and {without} images of unknown patients" if without else ""
    return f"{counts['patients']} patients{more}"


def interval_text(x: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Format a number and its interval; a dash for what is None."""
    if not x or x["value"] is None:
        return "-"
    numbers = (x["value"], x["low"], x["high"])
    value, low, high = ("-" if v is None else f"{v:.{digits}f}".replace("-0.000", "0.000") for v in numbers)
    return f"{value} [{low}, {high}]"


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
