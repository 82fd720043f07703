"""Page of a summary of several seeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.report.evaluation_charts import seed_chart, svg_uri
from monai_tbkd.report.evaluation_tables import pairs
from monai_tbkd.report.html_page import Cell, Table, number, page, words, write_page
from monai_tbkd.report.seed_summary import mean_text, spread_text

FILE = "seeds.html"


def write_seed_page(folder: str | Path, result: Mapping[str, Any]) -> Path:
    """Write ``seeds.html`` of a summary by `summarize_runs` into a folder."""
    rows = result["predictors"]
    networks = {name: row for name, row in rows.items() if not row["blind"]}
    networks = {name: networks[name] for name in sorted(networks, key=_rank)}
    html = page(
        "seeds.html", "Several seeds", str(result["notice"]),
        result=result,
        rows=rows,
        networks=networks,
        mean_text=mean_text,
        test=result["splits"]["test"],
        chart=svg_uri(seed_chart(rows)),
        headline=_headline(rows),
        differences=_differences(networks),
        facts={f"{run['name']}, seed {run['seed']}": run["metrics_sha256"] for run in result["runs"]}
        | {f"films of {split}": sha256 for split, sha256 in result["splits_sha256"].items()}
        | {"version": result["version"]},
    )  # fmt: skip
    return write_page(Path(folder) / FILE, html)


def _rank(name: str) -> int:
    known = ("student", "teacher", "control")
    return known.index(name) if name in known else len(known)


def _headline(rows: Mapping[str, Any]) -> Table:
    groups: dict[str, list[list[str | Cell]]] = {
        "Networks": [], "Blind baselines, which do not look at the film": []
    }  # fmt: skip
    for name, row in rows.items():
        iou = row["union_mask_miou"]
        groups[list(groups)[row["blind"]]].append(
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
    head = ["predictor", "union-mask mIoU", "sd over seeds", "smallest, largest", "minus blind prior, paired"]
    return Table([*head, "pointing game", "AUC"], groups)


def _differences(networks: Mapping[str, Any]) -> Table:
    lines = []
    for one, other in pairs(networks):
        iou = networks[one]["union_mask_miou_minus"][other]
        auc = networks[one].get("auc_minus", {}).get(other)
        each = ", ".join("-" if value is None else f"{value:.3f}" for value in iou["per_seed"])
        lines.append([f"{words(one)} minus {words(other)}", _mean(iou), spread_text(iou), _mean(auc), each])
    head = ["difference", "union-mask mIoU", "sd over seeds", "AUC", "union-mask mIoU, each seed"]
    return Table(head, {"": lines} if lines else {})


def _mean(x: Mapping[str, Any] | None) -> Cell:
    return number({"value": x["mean"], **x["over_seeds_and_films"]} if x and x["mean"] is not None else None)
