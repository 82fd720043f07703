"""The summary of several seeds as a page that loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.report.evaluation_charts import seed_chart, svg_uri
from monai_tbkd.report.html_page import (
    called,
    definitions,
    facts,
    figure,
    number,
    page,
    section,
    table,
    words,
    write_page,
)
from monai_tbkd.report.seed_summary import mean_text, spread_text

FILE = "seeds.html"


def write_seed_page(folder: str | Path, result: Mapping[str, Any]) -> Path:
    """Write ``seeds.html``.

    Args:
        folder: gets the file.
        result: of `summarize_runs`.
    """
    path = Path(folder) / FILE
    test, rows = result["splits"]["test"], result["predictors"]
    seeds = ", ".join(str(run["seed"]) for run in result["runs"])
    basis = (
        f"Reported split (test): {test['films']} films, {test['tb_films_with_boxes']} TB films with boxes. Means over "
        f"{len(result['runs'])} seeds ({seeds}); below each its 95 % bootstrap interval over seeds and films, "
        "which of few seeds is a rough guide and too narrow."
    )
    order = [name for name in ("student", "teacher", "control") if name in rows]
    networks = {name: rows[name] for name in (*order, *rows) if not rows[name]["blind"]}
    chart = figure(
        svg_uri(seed_chart(rows)),
        "Union-mask mIoU of each seed and its mean with interval, for all predictors.",
        f"<b>Union-mask mIoU</b>, n = {next(iter(rows.values()))['films']} TB films with boxes. Small: each seed; "
        "large: the mean, 95 % interval over seeds and films. The band is the blind prior's.",
        "one",
    )
    body = [
        "<h1>Where is tuberculosis on the film? Several seeds</h1>",
        f'<p class="basis">{basis}</p>',
        _verdict(networks),
        _headline(rows, basis),
        chart,
        _differences(networks, basis),
        section(
            "provenance",
            "Provenance",
            facts(
                "<b>Runs.</b> Hashes are of their metrics.json.",
                {f"{run['name']}, seed {run['seed']}": run["metrics_sha256"] for run in result["runs"]}
                | {f"films of {split}": sha256 for split, sha256 in result["splits_sha256"].items()}
                | {"version": result["version"]},
            ),
        ),
        section("definitions", "Definitions", definitions(result["definitions"])),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_page(path, page("Several seeds", str(result["notice"]), "\n".join(filter(None, body))))


def _verdict(networks: Mapping[str, Any]) -> str:
    lines: list[str] = []
    for name, row in networks.items():
        if "above_blind_prior" not in row:  # no boxes on reported or on training images
            return ""
        difference = row["union_mask_miou_minus"][BLIND_PRIOR]
        says = "above the blind prior" if row["above_blind_prior"] else "NOT above the blind prior"
        who = called(name)
        mark = "" if lines else ' class="lead"'
        lines.append(
            f"<p{mark}>{who[:1].upper() + who[1:]} is <strong>{says}</strong>: paired difference "
            f"{mean_text(difference)}; alone, {row['seeds_above_blind_prior']} of {difference['seeds']} seeds are.</p>"
        )
    main = networks.get("student") or next(iter(networks.values()))
    return f'<div class="verdict{"" if main["above_blind_prior"] else " not"}">{"".join(lines)}</div>'


def _headline(rows: Mapping[str, Any], basis: str) -> str:
    head = ["predictor", "union-mask mIoU", "sd over seeds", "smallest, largest", "minus blind prior, paired"]
    head += ["pointing game", "AUC"]
    lines: dict[str, list[list[str]]] = {"Networks": [], "Blind baselines, which do not look at the film": []}
    for name, row in rows.items():
        iou = row["union_mask_miou"]
        lines[list(lines)[row["blind"]]].append(
            [
                words(name),
                _mean(iou),
                spread_text(iou),
                "-" if iou["mean"] is None else f"{iou['min']:.3f}, {iou['max']:.3f}",
                _mean(row["union_mask_miou_minus"].get(BLIND_PRIOR)),
                _mean(row["pointing_game"]),
                _mean(row["auc"]),
            ]
        )
    return table(f"<b>All predictors.</b> {basis}", head, lines, main="student")


def _differences(networks: Mapping[str, Any], basis: str) -> str:
    names = list(networks)
    lines = []
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            iou = networks[one]["union_mask_miou_minus"][other]
            auc = networks[one].get("auc_minus", {}).get(other)
            each = ", ".join("-" if value is None else f"{value:.3f}" for value in iou["per_seed"])
            lines.append([f"{words(one)} minus {words(other)}", _mean(iou), spread_text(iou), _mean(auc), each])
    caption = f"<b>Pairs compared.</b> {basis} Differences are paired by film and by seed."
    head = ["difference", "union-mask mIoU", "sd over seeds", "AUC", "union-mask mIoU, each seed"]
    return table(caption, head, {"": lines}) if lines else ""


def _mean(x: Mapping[str, Any] | None) -> str:
    if not x or x["mean"] is None:
        return "-"
    return number({"value": x["mean"], **{k: x["over_seeds_and_films"][k] for k in ("low", "high")}})
