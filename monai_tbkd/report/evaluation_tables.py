"""Tables of ``metrics.json`` for the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.metrics.comparison_table import SOURCE_COLUMNS, resampled, source_rows
from monai_tbkd.metrics.proportions import wilson
from monai_tbkd.report.html_page import definitions, fact, facts, number, table, words
from monai_tbkd.report.prediction_table import as_written

Row = Mapping[str, Any]

_HEADLINE: tuple[tuple[str, Callable[[Row], Any]], ...] = (
    ("union-mask mIoU", lambda row: row.get("union_mask_miou")),
    ("minus blind prior, paired", lambda row: row.get("union_mask_miou_minus", {}).get(BLIND_PRIOR)),
    ("best box IoU", lambda row: row.get("best_box_iou")),
    ("pointing game", lambda row: row.get("pointing_game")),
    ("PxAP", lambda row: row.get("pxap")),
    ("AUC", lambda row: row["auc"]),
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
_IMAGE_LEVEL = (
    ("AUC", "auc"),
    ("PR-AUC", "pr_auc"),
    ("sensitivity at specificity 70 % (oracle threshold)", "sensitivity_at_specificity_70"),
    ("specificity at sensitivity 90 % (oracle threshold)", "specificity_at_sensitivity_90"),
    ("Brier score", "brier"),
)


def basis(result: Mapping[str, Any]) -> str:
    """The films and intervals that numbers of the reported split have, for captions."""
    test = result["splits"]["test"]
    of = resampled(test)
    return (
        f"Reported split (test): {test['films']} films, {test['tb_films_with_boxes']} TB films with boxes. Below each "
        f"number its 95 % bootstrap interval over {of}."
    )


def main_network(result: Mapping[str, Any]) -> str:
    """The network that the report is about: the student, or else the first."""
    networks = [name for name, row in result["predictors"].items() if not row["blind"]]
    return "student" if "student" in networks else networks[0]


def kind_of(result: Mapping[str, Any]) -> str:
    """What the predictors are that look at the film."""
    if "inputs" in result["provenance"]:
        return "Maps and boxes that were made elsewhere"
    return "Networks trained on image-level labels"


def chosen_how(result: Mapping[str, Any]) -> str:
    """A sentence on where thresholds come from."""
    rows = [row["operating_point"]["chosen_on"] for row in result["predictors"].values() if not row["blind"]]
    if any(how.startswith("given") for how in rows):
        return "Their thresholds were given, not chosen here."
    return f"Thresholds were chosen on {result['splits']['select']['films']} other films, the selection split."


def headline_table(result: Mapping[str, Any]) -> str:
    """All predictors, networks first, with the numbers of the text table and a verdict."""
    rows = result["predictors"]
    head = ["predictor"] + [f"{title}{_n(rows.values(), get)}" for title, get in _HEADLINE] + ["verdict"]

    def line(name: str, row: Row) -> list[str]:
        return [words(name), *(number(get(row)) for _, get in _HEADLINE), _badge(row)]

    groups = {
        kind_of(result): [line(k, row) for k, row in rows.items() if not row["blind"]],
        "Blind baselines, which do not look at the film": [line(k, row) for k, row in rows.items() if row["blind"]],
    }
    caption = (
        f"<b>All predictors.</b> {basis(result)} {chosen_how(result)} One is above the blind prior if the whole "
        "interval of the paired difference lies above 0."
    )
    return table(caption, head, groups, main=words(main_network(result)))


def details_table(result: Mapping[str, Any]) -> str:
    """Localization by every metric: a row a metric, a column a predictor."""
    rows = result["predictors"]
    groups = {}
    for title, metrics in _DETAILS.items():
        groups[title] = [
            [
                escape(label) + f' <span class="ci">n = {_dig(rows[main_network(result)], path)["n"]}</span>',
                *(number(_dig(row, path)) for row in rows.values()),
            ]
            for label, path in metrics
        ]
    caption = (
        f"<b>Localization in detail.</b> {basis(result)} n: films behind a number. Each predictor at its own "
        f"thresholds. {chosen_how(result)} PxAP, MaxBoxAcc, AP, AR and the pointing game choose none there."
    )
    return table(caption, ["metric", *map(words, rows)], groups)


def image_level_table(result: Mapping[str, Any]) -> str:
    """Scores of whole films, networks alone; empty where there are none."""
    rows = {k: row for k, row in result["predictors"].items() if row.get("auc")}
    if not rows:
        return ""
    lines = [[label, *(number(row[key]) for row in rows.values())] for label, key in _IMAGE_LEVEL]
    for label, binning in (("equal width", "equal_width"), ("equal mass", "equal_mass")):
        errors = [row["calibration"]["expected_calibration_error"][binning] for row in rows.values()]
        lines.append([f"calibration error, bins of {label}", *map(number, errors)])
        chance = [error["if_calibrated"] for error in errors]
        lines.append(["by chance if perfectly calibrated", *map(number, chance)])
    fitted = [row["calibration"]["temperature_scaling"] for row in rows.values()]
    lines.append(
        [
            "temperature fitted on the selection split",
            *(f"{f['temperature']:.2f}{' (limit)' * f['at_limit']}" if f else "-" for f in fitted),
        ]
    )
    lines.append(
        [
            "calibration error with it, bins of equal mass",
            *(number(f["expected_calibration_error_after"]) if f else "-" for f in fitted),
        ]
    )
    n = next(iter(rows.values()))["auc"]["n"]
    caption = (
        f"<b>Whole films</b> (n = {n}). {basis(result)} Image-level numbers have BCa intervals, calibration errors "
        "percentile intervals; specificity and sensitivity at WHO's minima choose their threshold on these films. "
        "Where films with and without TB come from different sources, they may tell the sources apart and not TB."
    )
    return table(caption, ["metric", *map(words, rows)], {"": lines})


def source_table(result: Mapping[str, Any]) -> str:
    """Networks by hospital, beside what tells TB from its absence there without a look at any lesion."""
    groups: dict[str, list[list[str]]] = {}
    for source, name, films, *cells in source_rows(result):
        shown = [f'{value} <span class="ci">{ends}</span>' if ends else value for value, _, ends in _parted(cells)]
        groups.setdefault(escape(as_written(source)), []).append([words(name), films, *shown])
    if not groups:
        return ""
    caption = (
        f"<b>By hospital.</b> {basis(result)} {chosen_how(result)} Sensitivity and specificity are at the operating "
        "point; the last sensitivity is at the threshold with a specificity of 70 % on the selection split. "
        f"{escape(result['definitions'].get('shortcuts', ''))}."
    )
    return table(caption, list(SOURCE_COLUMNS[1:]), groups)


def _parted(cells: Sequence[str]) -> list[tuple[str, str, str]]:
    return [cell.partition(" ") for cell in cells]


def decision_table(result: Mapping[str, Any], scores: Mapping[str, np.ndarray], positive: np.ndarray) -> str:
    """Films called TB at the chosen score thresholds.

    Args:
        result: of the comparison.
        scores: ``(N,)`` of 0-1 by network.
        positive: which films have TB, bool ``(N,)``.
    """
    lines = []
    for name, values in scores.items():
        point = result["predictors"][name]["operating_point"]
        called = values >= point["score_threshold"]
        hits = np.array([(called & positive).sum(), (~called & ~positive).sum()])
        rate = wilson(hits, np.array([positive.sum(), (~positive).sum()]))
        both = [number({"value": v, "low": lo, "high": hi}) for v, lo, hi in zip(rate.value, rate.low, rate.high)]
        counts = (hits[0], positive.sum() - hits[0], (~positive).sum() - hits[1], hits[1])
        lines.append([words(name), f"{point['score_threshold']:.3f}", *both, *(str(int(c)) for c in counts)])
    head = ["predictor", "score threshold", "sensitivity", "specificity"]
    head += ["true positive", "missed", "false positive", "true negative"]
    caption = (
        f"<b>Decisions at the chosen score thresholds</b> (n = {len(positive)}: {int(positive.sum())} films with TB, "
        f"{int((~positive).sum())} without). Reported split (test). {chosen_how(result)} 95 % Wilson "
        "intervals over films."
    )
    return table(caption, head, {"": lines})


def operating_point_table(result: Mapping[str, Any]) -> str:
    """Thresholds of all predictors and where they were chosen."""
    lines = []
    for name, row in result["predictors"].items():
        point = row["operating_point"]
        score = point["score_threshold"]
        cells = (
            f"{point['map_threshold']:.3f}",
            f"{row['oracle']['map_threshold']:.2f}",
            "-" if score is None else f"{score:.3f}",
            escape(str(point["mode"])),
            escape(str(point["chosen_on"])),
        )
        lines.append([words(name), *cells])
    head = ["predictor", "map threshold", "best on reported films (oracle)", "score threshold", "mode", "chosen on"]
    return table("<b>Operating points.</b> The oracle's threshold is no result; it is not used.", head, {"": lines})


def group_table(result: Mapping[str, Any], metric: str, title: str) -> str:
    """One metric by kind of lesion: a row a group, a column a network, and the blind prior.

    Args:
        result: of the comparison.
        metric: ``union_mask_miou`` or ``best_box_iou``.
        title: of the metric, plain text.
    """
    rows = {k: row for k, row in result["predictors"].items() if not row["blind"] or k == BLIND_PRIOR}
    main = rows[main_network(result)]["groups"]
    groups = {}
    for by, parts in main.items():
        lines = []
        for name, numbers in parts.items():
            if numbers.get(metric) and numbers[metric]["n"]:
                found = (row["groups"][by][name][metric] for row in rows.values())
                lines.append([words(name), str(numbers[metric]["n"]), *map(number, found)])
        if lines:
            meaning = result["definitions"].get(f"groups_{by}")
            groups[f"by {words(by)}" + (f": {escape(meaning)}" if meaning else "")] = lines
    caption = f"<b>{escape(title)} by kind of lesion.</b> {basis(result)} n: films with such lesions."
    return table(caption, ["group", "n", *map(words, rows)], groups)


def difference_table(result: Mapping[str, Any]) -> str:
    """Paired differences between the networks."""
    rows = {k: row for k, row in result["predictors"].items() if not row["blind"]}
    names = [n for n in ("student", "teacher", "control") if n in rows] + [n for n in rows if n not in _USUAL]
    lines = [
        [
            f"{words(one)} minus {words(other)}",
            number(rows[one].get("union_mask_miou_minus", {}).get(other)),
            number(rows[one]["auc_minus"][other]),
        ]
        for i, one in enumerate(names)
        for other in names[i + 1 :]
    ]
    caption = f"<b>Pairs compared.</b> {basis(result)} Differences are paired: the same films in each resample."
    return table(caption, ["difference", "union-mask mIoU", "AUC"], {"": lines}) if lines else ""


_USUAL = ("student", "teacher", "control")


def provenance_tables(result: Mapping[str, Any], metrics_sha256: str | None) -> str:
    """Data, settings, checkpoints and versions.

    Args:
        result: content of ``metrics.json``.
        metrics_sha256: of the file.
    """
    origin, splits = result["provenance"], result["splits"]
    hashes = {"train": origin["settings"].get("train_sha256"), **origin["splits_sha256"]}
    data = {}
    for split, sha256 in hashes.items():
        counts = splits.get(split) or {"films": origin["settings"].get("train_films")}
        data[split] = ", ".join(f"{n} {words(name)}" for name, n in counts.items() if n is not None)
        data[f"{split}, SHA-256"] = sha256
    own = ("notice", "definitions", "provenance", "splits", "predictors", "checkpoints")
    run = {k.replace("_", " "): v for k, v in result.items() if k not in own}
    run |= {"metrics.json, SHA-256": metrics_sha256} if metrics_sha256 else {}
    settings = {k.replace("_", " ").replace("sha256", "SHA-256"): v for k, v in origin["settings"].items()}
    how = {k.replace("_", " "): v for k, v in origin.get("evaluation", {}).items() if k not in result}
    parts = [
        facts("<b>Data.</b> Hashes are of film names, labels and boxes (train: names and labels), in any order.", data),
        facts("<b>Evaluation and its settings.</b>", run | how | settings),
    ]
    if result["checkpoints"]:
        parts.append(_checkpoint_table(result["checkpoints"]))
    for name, read in origin.get("inputs", {}).items():
        parts.append(
            facts(
                f"<b>What was scored as {words(name)}.</b>",
                {
                    k.replace("_", " ").replace("sha256", "SHA-256"): " ".join(v) or "none" if k == "warnings" else v
                    for k, v in read.items()
                },
            )
        )
    parts.append(facts("<b>Versions.</b>", origin["versions"]))
    return "\n".join(parts)


def _checkpoint_table(records: Mapping[str, Mapping[str, Any] | None]) -> str:
    columns = {}
    for name, record in records.items():
        own = {k: v for k, v in (record or {}).items() if k in ("sha256", "epochs", "version")}
        rest = ((record or {}).get(part) or {} for part in ("settings", "architecture"))
        columns[name] = own | {k: v for part in rest for k, v in part.items() if k not in own}
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    rows = [
        [_setting(key), *(fact(column[key]) if key in column else "-" for column in columns.values())] for key in keys
    ]
    caption = "<b>Checkpoints</b> and the settings of their training; - where there is no such setting."
    return table(caption, ["setting", *map(words, columns)], {"": rows})


def _setting(key: str) -> str:
    return words(key).replace("sha256", "SHA-256")


def definition_list(result: Mapping[str, Any]) -> str:
    """What each key of ``metrics.json`` means."""
    return definitions(result["definitions"])


def _badge(row: Row) -> str:
    above = row.get("above_blind_prior")
    if above is None and not row["blind"]:
        return "-"
    if above is None:
        return '<span class="badge">blind</span>'
    kind, text = ("above", "above the blind prior") if above else ("not", "NOT above the blind prior")
    return f'<span class="badge {kind}">{text}</span>'


def _dig(row: Any, path: Sequence[str]) -> Any:
    for key in path:
        row = (row or {}).get(key)
    return row


def _n(rows: Any, get: Callable[[Row], Any]) -> str:
    found = sorted({x["n"] for x in map(get, rows) if x})
    return f' <span class="ci">n = {", ".join(map(str, found))}</span>' if found else ""
