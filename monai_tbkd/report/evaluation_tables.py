"""Tables of ``metrics.json`` for the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.metrics.comparison_table import SOURCE_COLUMNS, source_rows
from monai_tbkd.metrics.proportions import wilson
from monai_tbkd.report.html_page import Cell, Table, fact, number, words
from monai_tbkd.results.prediction_table import as_written

Row = Mapping[str, Any]
Line = Sequence[str | Cell]

_HEADLINE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("union-mask mIoU", ("union_mask_miou",)),
    ("minus blind prior, paired", ("union_mask_miou_minus", BLIND_PRIOR)),
    ("best box IoU", ("best_box_iou",)),
    ("pointing game", ("pointing_game",)),
    ("PxAP", ("pxap",)),
    ("AUC", ("auc",)),
)
_DETAILS: Mapping[str, Sequence[tuple[str, tuple[str, ...]]]] = {
    "Masks and maps": (
        ("union-mask mIoU", ("union_mask_miou",)),
        ("at the threshold that is best on these films (oracle)", ("oracle", "union_mask_miou")),
        ("all films: 1 for nothing drawn without TB", ("union_mask_miou_all_films",)),
        ("of the union of the boxes", ("box_union_miou",)),
        ("PxAP", ("pxap",)),
        ("pointing game", ("pointing_game",)),
        ("proportional energy", ("proportional_energy",)),
        ("average saliency focus", ("average_saliency_focus",)),
    ),
    "Boxes on TB films": (
        ("best box IoU", ("best_box_iou",)),
        *((f"true boxes met at IoU {level}", ("box_accuracy", level)) for level in ("0.1", "0.3", "0.5", "0.7")),
        ("matched IoU, missed and false boxes count 0", ("box_matched_miou",)),
        ("matched IoU, missed boxes count 0", ("box_matched_miou_true",)),
        ("MaxBoxAcc, at the best threshold on these films (oracle)", ("max_box_acc",)),
        ("MaxBoxAccV2, at the best thresholds on these films (oracle)", ("max_box_acc_v2",)),
    ),
    "Detection on all films": (
        ("AP at IoU 0.5", ("ap50",)),
        ("AP at IoU 0.5 to 0.95", ("ap",)),
        ("AR", ("ar",)),
        ("false boxes a film without TB", ("false_boxes_per_film_without_tb",)),
        ("films without TB with a false box", ("films_without_tb_with_false_box",)),
    ),
}
_IMAGE_LEVEL: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AUC", ("auc",)),
    ("PR-AUC", ("pr_auc",)),
    ("sensitivity at specificity 70 % (oracle threshold)", ("sensitivity_at_specificity_70",)),
    ("specificity at sensitivity 90 % (oracle threshold)", ("specificity_at_sensitivity_90",)),
    ("Brier score", ("brier",)),
    *(
        (text.format(binning.replace("_", " ")), ("calibration", "expected_calibration_error", binning, *key))
        for binning in ("equal_width", "equal_mass")
        for text, key in (
            ("calibration error, bins of {}", ()),
            ("by chance if perfectly calibrated", ("if_calibrated",)),
        )
    ),
)
_TEMPERATURE = ("calibration", "temperature_scaling")


def main_network(result: Mapping[str, Any]) -> str:
    """Name the network that the report is about: the student, or else the first."""
    networks = list(_networks(result))
    return "student" if "student" in networks else networks[0]


def headline_table(result: Mapping[str, Any], kind: str) -> Table:
    """List all predictors, networks first under the heading ``kind``, with a verdict."""
    rows = result["predictors"]
    head: list[str | Cell] = ["predictor"]
    for title, path in _HEADLINE:
        n = sorted({x["n"] for x in (_dig(row, path) for row in rows.values()) if x})
        head.append(Cell(title, f"n = {', '.join(map(str, n))}" if n else ""))

    def lines(blind: bool) -> list[Line]:
        shown = {name: row for name, row in rows.items() if row["blind"] == blind}
        return [[words(k), *(number(_dig(row, p)) for _, p in _HEADLINE), _badge(row)] for k, row in shown.items()]

    return Table(
        [*head, "verdict"], {kind: lines(False), "Blind baselines, which do not look at the film": lines(True)}
    )


def details_table(result: Mapping[str, Any]) -> Table:
    """List localization by every metric, a column per predictor."""
    rows = result["predictors"]
    main = rows[main_network(result)]
    groups = {
        title: [
            [Cell(label, f"n = {_dig(main, path)['n']}"), *(number(_dig(row, path)) for row in rows.values())]
            for label, path in metrics
        ]
        for title, metrics in _DETAILS.items()
    }
    return Table(["metric", *map(words, rows)], groups)


def image_level_table(result: Mapping[str, Any]) -> Table:
    """List image-level metrics and calibration of the predictors with scores."""
    rows = {k: row for k, row in result["predictors"].items() if row.get("auc")}
    lines: list[Line] = [[label, *(number(_dig(row, path)) for row in rows.values())] for label, path in _IMAGE_LEVEL]
    fitted = [_dig(row, _TEMPERATURE) for row in rows.values()]
    temperatures = (f"{f['temperature']:.2f}{' (limit)' * f['at_limit']}" if f else "-" for f in fitted)
    after = (number(f["expected_calibration_error_after"]) if f else "-" for f in fitted)
    lines.append(["temperature fitted on the selection split", *temperatures])
    lines.append(["calibration error with it, bins of equal mass", *after])
    return Table(["metric", *map(words, rows)], {"": lines})


def source_table(result: Mapping[str, Any]) -> Table:
    """List networks by hospital, beside baselines that see no lesion; empty for one hospital."""
    groups: dict[str, list[Line]] = {}
    for source, name, films, *cells in source_rows(result):
        shown = [Cell(value, ends) for value, _, ends in (cell.partition(" ") for cell in cells)]
        groups.setdefault(as_written(source), []).append([words(name), films, *shown])
    return Table(list(SOURCE_COLUMNS[1:]), groups)


def decision_table(result: Mapping[str, Any], scores: Mapping[str, np.ndarray], positive: np.ndarray) -> Table:
    """Count images called TB at the chosen score thresholds.

    Args:
        result: of the comparison.
        scores: ``(N,)`` of 0-1 by network.
        positive: which images have TB, bool ``(N,)``.
    """
    lines: list[Line] = []
    for name, values in scores.items():
        threshold = result["predictors"][name]["operating_point"]["score_threshold"]
        called, of = values >= threshold, np.array([positive.sum(), (~positive).sum()])
        hits = np.array([(called & positive).sum(), (~called & ~positive).sum()])
        rate = wilson(hits, of)
        both = [number({"value": v, "low": lo, "high": hi}) for v, lo, hi in zip(rate.value, rate.low, rate.high)]
        counts = (hits[0], of[0] - hits[0], of[1] - hits[1], hits[1])
        lines.append([words(name), f"{threshold:.3f}", *both, *(str(int(count)) for count in counts)])
    head = ["predictor", "score threshold", "sensitivity", "specificity"]
    return Table([*head, "true positive", "missed", "false positive", "true negative"], {"": lines})


def operating_point_table(result: Mapping[str, Any]) -> Table:
    """List thresholds of all predictors and where they were chosen."""
    lines = []
    for name, row in result["predictors"].items():
        point = row["operating_point"]
        gate = "-" if point["score_threshold"] is None else f"{point['score_threshold']:.3f}"
        thresholds = (f"{point['map_threshold']:.3f}", f"{row['oracle']['map_threshold']:.2f}", gate)
        lines.append([words(name), *thresholds, str(point["mode"]), str(point["chosen_on"])])
    head = ["predictor", "map threshold", "best on reported films (oracle)", "score threshold", "mode", "chosen on"]
    return Table(head, {"": lines})


def group_table(result: Mapping[str, Any], metric: str) -> Table:
    """List a metric by kind of lesion, a column per network and one for the blind prior."""
    rows = {k: row for k, row in result["predictors"].items() if not row["blind"] or k == BLIND_PRIOR}
    groups = {}
    for by, parts in rows[main_network(result)]["groups"].items():
        lines = [
            [
                words(name),
                str(numbers[metric]["n"]),
                *(number(r["groups"][by][name][metric]) for r in rows.values()),
            ]
            for name, numbers in parts.items()
            if numbers.get(metric) and numbers[metric]["n"]
        ]
        if lines:
            meaning = result["definitions"].get(f"groups_{by}")
            groups[f"by {words(by)}" + (f": {meaning}" if meaning else "")] = lines
    return Table(["group", "n", *map(words, rows)], groups)


def difference_table(result: Mapping[str, Any]) -> Table:
    """List paired differences between the networks."""
    rows = _networks(result)
    lines = [
        [
            f"{words(one)} minus {words(other)}",
            number(_dig(rows[one], ("union_mask_miou_minus", other))),
            number(rows[one]["auc_minus"][other]),
        ]
        for one, other in pairs(rows)
    ]
    return Table(["difference", "union-mask mIoU", "AUC"], {"": lines} if lines else {})


def pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pair networks, the student, teacher and control first."""
    order = list(dict.fromkeys([n for n in ("student", "teacher", "control") if n in names] + list(names)))
    return [(one, other) for i, one in enumerate(order) for other in order[i + 1 :]]


def provenance(result: Mapping[str, Any], metrics_sha256: str | None) -> dict[str, Any]:
    """Collect data, settings, checkpoints, inputs and versions.

    Args:
        result: content of ``metrics.json``.
        metrics_sha256: of the file.
    """
    origin, splits = result["provenance"], result["splits"]
    data = {}
    for split, sha256 in {"train": origin["settings"].get("train_sha256"), **origin["splits_sha256"]}.items():
        counts = splits.get(split) or {"films": origin["settings"].get("train_films")}
        data[split] = ", ".join(f"{n} {words(name)}" for name, n in counts.items() if n is not None)
        data[f"{split}, SHA-256"] = sha256
    own = ("notice", "definitions", "provenance", "splits", "predictors", "checkpoints")
    run = {key: value for key, value in result.items() if key not in own}
    run |= {"metrics.json, SHA-256": metrics_sha256} if metrics_sha256 else {}
    run |= {k: v for k, v in origin.get("evaluation", {}).items() if k not in result} | origin["settings"]
    inputs = {
        name: {words(k): (" ".join(v) or "none") if k == "warnings" else v for k, v in read.items()}
        for name, read in origin.get("inputs", {}).items()
    }
    return {
        "data": data,
        "run": {words(key): value for key, value in run.items()},
        "checkpoints": _checkpoint_table(result["checkpoints"]) if result["checkpoints"] else None,
        "inputs": inputs,
        "versions": origin["versions"],
    }


def _checkpoint_table(records: Mapping[str, Mapping[str, Any] | None]) -> Table:
    columns = {}
    for name, record in records.items():
        own = {k: v for k, v in (record or {}).items() if k in ("sha256", "epochs", "version")}
        rest = ((record or {}).get(part) or {} for part in ("settings", "architecture"))
        columns[name] = own | {k: v for part in rest for k, v in part.items() if k not in own}
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    rows = [[words(key), *(fact(c[key]) if key in c else "-" for c in columns.values())] for key in keys]
    return Table(["setting", *map(words, columns)], {"": rows})


def _badge(row: Row) -> str | Cell:
    above = row.get("above_blind_prior")
    if above is None:
        return Cell("blind", kind="badge") if row["blind"] else "-"
    kind, text = ("above", "above the blind prior") if above else ("not", "NOT above the blind prior")
    return Cell(text, kind=f"badge {kind}")


def _networks(result: Mapping[str, Any]) -> dict[str, Row]:
    return {name: row for name, row in result["predictors"].items() if not row["blind"]}


def _dig(row: Any, path: Sequence[str]) -> Any:
    for key in path:
        row = (row or {}).get(key)
    return row
