"""Page of a summary of several seeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.report.evaluation_charts import seed_chart, svg_uri
from monai_tbkd.report.evaluation_tables import pairs
from monai_tbkd.report.html_page import page, write_page
from monai_tbkd.report.seed_summary import mean_text, spread_text

FILE = "seeds.html"


def write_seed_page(folder: str | Path, result: Mapping[str, Any]) -> Path:
    """Write ``seeds.html`` of a summary by `summarize_runs` into a folder."""
    rows = result["predictors"]
    networks = {name: row for name, row in rows.items() if not row["blind"]}
    order = ("student", "teacher", "control")
    html = page(
        FILE, "Several seeds", str(result["notice"]),
        result=result,
        rows=rows,
        networks={name: networks[name] for name in (*order, *networks) if name in networks},
        pairs=pairs(networks),
        mean=mean_text,
        spread=spread_text,
        test=result["splits"]["test"],
        chart=svg_uri(seed_chart(rows)),
        facts={f"{run['name']}, seed {run['seed']}": run["metrics_sha256"] for run in result["runs"]}
        | {f"films of {split}": sha256 for split, sha256 in result["splits_sha256"].items()}
        | {"version": result["version"]},
    )  # fmt: skip
    return write_page(Path(folder) / FILE, html)
