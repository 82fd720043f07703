"""What ``robustness.json`` says, for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from monai_tbkd.metrics.comparison_table import resampled
from monai_tbkd.report.evaluation_charts import color_of, severity_chart, svg_uri
from monai_tbkd.report.html_page import image, number, table, words

Study = Mapping[str, Any]

_CUE_NUMBERS = (
    ("score change", "score_change"),
    ("on TB films", "score_change_tb"),
    ("without TB", "score_change_without_tb"),
    ("flips to TB", "flips_to_tb"),
    ("flips to not TB", "flips_to_not_tb"),
    ("map on the cue", "energy_on_cue"),
    ("there without it", "energy_there_without"),
    ("boxes on the cue", "boxes_on_cue"),
    ("there without it", "boxes_there_without"),
)
_OCCLUSION_NUMBERS = (
    ("AUC", "auc"),
    ("minus clean AUC", "auc_minus_clean"),
    ("AUC against healthy films", "auc_against_health"),
    ("flips to TB", "flips_to_tb"),
    ("flips to not TB", "flips_to_not_tb"),
)


def robustness_section(study: Study) -> str:
    """Curves over the severity of corruptions, and tables of cues, occlusions and sanity checks, as HTML.

    Args:
        study: content of ``robustness.json``; what it lacks is left out.
    """
    test = study["splits"]["test"]
    of = resampled(test)
    basis = (
        f"Reported split (test): {test['films']} films, {test['tb_films_with_boxes']} TB films with boxes; 95 % "
        f"bootstrap intervals over {of}. Each network at its own thresholds, chosen on clean films of the selection "
        "split."
    )
    parts = [_corruptions(study, basis), _cues(study, basis), _occlusions(study, basis), _sanity(study)]
    return "\n".join(part for part in parts if part)


def _corruptions(study: Study, basis: str) -> str:
    networks = study["networks"]
    if not any(row.get("corruptions") for row in networks.values()):
        return ""
    parts = ["<h3>Worse films</h3>", _key(networks)]
    for metric, label, n in (
        ("union_mask_miou", "Union-mask mIoU", study["splits"]["test"]["tb_films_with_boxes"]),
        ("auc", "AUC", study["splits"]["test"]["films"]),
    ):
        highest = max((row["clean"][metric]["high"] or 0.0) for row in networks.values())
        chance = 0.5 if metric == "auc" else None
        limits = (0.0, 1.02) if metric == "auc" else (0.0, max(1.25 * highest, 0.05))
        charts = []
        for kind in study["corruption_levels"]:
            curves = {
                name: {
                    "0": row["clean"][metric],
                    **{s: x[metric] for s, x in row["corruptions"][kind].items() if s != "mean"},
                }
                for name, row in networks.items()
            }
            uri = svg_uri(severity_chart(kind.replace("_", " "), curves, label, limits, chance))
            charts.append(image(uri, f"{label} of the networks over the severity of {kind.replace('_', ' ')}"))
        parts.append(
            f'<figure><div class="many">{"".join(charts)}</div><figcaption class="counted"><b>{label} under '
            f"corruptions</b>, n = {n}. {basis} Bands are the intervals.</figcaption></figure>"
        )
    rows = [
        [words(name), *(number(row["mean_relative_drop"].get(key)) for key in ("union_mask_miou", "auc"))]
        for name, row in networks.items()
        if row.get("mean_relative_drop")
    ]
    caption = (
        "<b>Mean relative drop</b> over kinds and severities; 0 is none lost. Where the clean AUC is not above 0.5, "
        f"that of AUC says nothing. {basis}"
    )
    parts.append(table(caption, ["network", "union-mask mIoU", "AUC"], {"": rows}))
    return "\n".join(parts)


def _cues(study: Study, basis: str) -> str:
    meaning = study["definitions"].get("cues", {})
    groups = _groups(study, "cues", meaning, _CUE_NUMBERS)
    if not groups:
        return ""
    caption = (
        f"<b>Cues that are no disease</b>, put into the films. {basis} Score changes are of 0-1; map on the cue: the "
        "share of the map's sum."
    )
    head = ["network", *(title for title, _ in _CUE_NUMBERS)]
    return f"<h3>Inserted cues</h3>\n{table(caption, head, groups)}"


def _occlusions(study: Study, basis: str) -> str:
    used = [(t, k) for t, k in _OCCLUSION_NUMBERS if any(k in x for x in _all(study, "occlusions"))]
    groups = _groups(study, "occlusions", study["definitions"].get("occlusions", {}), used)
    if not groups:
        return ""
    caption = (
        f"<b>Without lungs.</b> {basis} An AUC well above 0.5 says that the label can be told from something else than "
        f"the lungs. Lungs: {escape(str(study.get('lungs', 'unknown')))}."
    )
    note = ""
    linear = study.get("without_detail")
    if linear:
        known = ", ".join(f"{words(name)} {number(auc)}" for name, auc in linear["auc"].items())
        known = known.replace('<span class="ci">', "").replace("</span>", "")
        meaning = escape(linear["meaning"])
        note = f'<p class="basis">Linear models without detail, cross-validated AUC: {known}. {meaning}</p>'
    return f"<h3>Without lungs</h3>\n{table(caption, ['network', *(t for t, _ in used)], groups)}\n{note}"


def _sanity(study: Study) -> str:
    sanity = study.get("saliency_sanity")
    if not sanity:
        return ""
    measures = ("ssim", "spearman", "iou")
    groups: dict[str, list[list[str]]] = {}
    for name, stages in sanity.get("cascade", {}).items():
        for stage, numbers in stages.items():
            what = {"trained": "as trained", "head": "random head", "chance": "chance: the map of another film"}
            title = what.get(stage, f"random from the head down to {stage}")
            groups.setdefault(f"randomized, {words(name)}", []).append(
                [escape(title), *(number(numbers.get(m)) for m in measures)]
            )
    for check in ("reproducibility", "repeatability"):
        for pair, numbers in sanity.get(check, {}).items():
            rows = groups.setdefault(check, [])
            rows.append([words(pair), *(number(numbers.get(m)) for m in measures)])
            rows.append(["chance: another film", *(number(numbers["chance"].get(m)) for m in measures)])
    if not groups:
        return ""
    caption = (
        f"<b>Whether maps show what was learned</b>: agreement of maps, 95 % bootstrap intervals over films; "
        f"{escape(str(sanity.get('films', '')))}. A map that stays as it was when the network is randomized does not "
        "show what was learned."
    )
    return f"<h3>Saliency sanity</h3>\n{table(caption, ['maps', 'SSIM', 'Spearman', 'IoU'], groups)}"


def _groups(
    study: Study, what: str, meaning: Mapping[str, str], numbers: Sequence[tuple[str, str]]
) -> dict[str, list[list[str]]]:
    kinds: dict[str, list[list[str]]] = {}
    for name, row in study["networks"].items():
        for kind, found in row.get(what, {}).items():
            title = words(kind) + (f": {escape(meaning[kind])}" if kind in meaning else "")
            kinds.setdefault(title, []).append([words(name), *(number(found.get(key)) for _, key in numbers)])
    return kinds


def _all(study: Study, what: str) -> list[Mapping[str, Any]]:
    return [found for row in study["networks"].values() for found in row.get(what, {}).values()]


def _key(networks: Mapping[str, Any]) -> str:
    marks = (f'<span><i style="background:{color_of(name, networks)}"></i>{words(name)}</span>' for name in networks)
    return f'<div class="key">{"".join(marks)}</div>'
