"""Gather the numbers of evaluations into one table.

    python benchmarks/collect_metrics.py outputs/*/metrics.json --output benchmarks/results/demo.csv

A row a seed, predictor and metric, with the interval and the number of images. ``union_mask_miou minus NAME`` is
paired.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from in_turns import write_table

COLUMNS = ("seed", "predictor", "metric", "value", "low", "high", "n")
# of these there would be hundreds of rows; they stand in metrics.json
LEFT_OUT = ("groups", "calibration", "oracle")


def numbers(row: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every interval of a predictor, with its name."""
    for key, value in row.items():
        if not isinstance(value, dict) or key in LEFT_OUT:
            continue
        full = f"{name} {key}".strip()
        if set(value) >= {"value", "low", "high", "n"}:
            yield full, value
        elif key.endswith("_minus"):
            base = key.removesuffix("_minus")
            yield from ((f"{base} minus {other}", each) for other, each in value.items() if each)
        else:
            yield from numbers(value, full)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metrics", type=Path, nargs="+", help="metrics.json of evaluations")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    rows = []
    for path in args.metrics:
        result = json.loads(path.read_text(encoding="utf-8"))
        for predictor, row in result["predictors"].items():
            for metric, value in numbers(row):
                if value["value"] is not None:
                    rows.append([result["seed"], predictor, metric, *(value[k] for k in ("value", "low", "high", "n"))])
    write_table(args.output, COLUMNS, rows)
    print(f"{len(rows)} rows in {args.output}")


if __name__ == "__main__":
    main()
