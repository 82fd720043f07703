"""A comparison as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR

_VERDICTS = {True: "above the blind prior", False: "NOT above the blind prior", None: "blind"}


def table(result: Mapping[str, Any]) -> str:
    """The comparison as text: a row a predictor, each number with its 95 % interval.

    Args:
        result: of :meth:`~monai_tbkd.metrics.Comparison.run`.
    """
    head = ("predictor", "union-mask mIoU", "minus blind prior", "best box IoU", "pointing game", "AUC", "verdict")
    rows = [head]
    for name, row in result["predictors"].items():
        numbers = (
            row["union_mask_miou"],
            row["union_mask_miou_minus"].get(BLIND_PRIOR),
            row["best_box_iou"],
            row["pointing_game"],
            row["auc"],
        )
        rows.append((name, *map(interval_text, numbers), _VERDICTS[row.get("above_blind_prior")]))
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths)).rstrip() for r in rows]
    n = result["splits"]["test"]
    of = resampled(n)
    note = (
        f"test: {n['films']} films, {n['tb_films_with_boxes']} TB films with boxes; 95 % bootstrap intervals over {of}"
    )
    return "\n".join([*lines, note])


def resampled(counts: Mapping[str, int]) -> str:
    """What intervals are over: films, or patients, a film without an id being one of its own.

    Args:
        counts: of the split, as in ``metrics.json``.

    Example:
        >>> resampled({"films": 9}), resampled({"films": 9, "patients": 4, "films_without_patient": 2})
        ('films', '4 patients and 2 films of unknown patients')
    """
    if "patients" not in counts:
        return "films"
    without = counts.get("films_without_patient", 0)
    more = f" and {without} films of unknown patients" if without else ""
    return f"{counts['patients']} patients{more}"


def interval_text(x: Mapping[str, Any] | None) -> str:
    """A number and its interval, or a dash."""
    if not x or x["value"] is None:
        return "-"
    value, low, high = (f"{x[key]:.3f}".replace("-0.000", "0.000") for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
