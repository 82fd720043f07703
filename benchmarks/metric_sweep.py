"""What the one-pass sweep of thresholds saves over a plain loop, on the same films.

    python benchmarks/metric_sweep.py                    # 1,000 films of 512 pixels, 1,000 thresholds
    python benchmarks/metric_sweep.py --films 50         # a quick look

Maps are coarse random maps brought to the films' grid, as activation maps are, and plain noise, which is the worst case
for branches. The plain loop is timed on a few films and scaled; its result must be the same to the bit. CPU time, one
thread.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
from in_turns import write_table
from scipy import ndimage

from monai_tbkd.metrics.detection_average_precision import average_precision, match_detections
from monai_tbkd.metrics.max_box_acc import film_box_ious
from monai_tbkd.metrics.union_mask_iou import union_iou_sweep
from monai_tbkd.metrics.weighted_bootstrap import bootstrap_weighted

RESULTS = Path(__file__).resolve().parent / "results" / "metric_sweep.csv"


def plain_loop(maps: np.ndarray, masks: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """One film and one threshold at a time, by the definition."""
    result = np.empty((len(maps), len(thresholds)))
    for i, (values, truth) in enumerate(zip(maps, masks)):
        for k, threshold in enumerate(thresholds):
            predicted = values >= threshold
            result[i, k] = np.count_nonzero(predicted & truth) / max(np.count_nonzero(predicted | truth), 1)
    return result


def search_per_film(maps: np.ndarray, masks: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """A binary search for every pixel, then histograms."""
    result, k = np.empty((len(maps), len(thresholds))), len(thresholds)
    for i, (values, truth) in enumerate(zip(maps, masks)):
        bins = np.searchsorted(thresholds, values.ravel(), side="right")
        predicted = np.bincount(bins, minlength=k + 1)[::-1].cumsum()[::-1][1:]
        hit = np.bincount(bins[truth.ravel()], minlength=k + 1)[::-1].cumsum()[::-1][1:]
        result[i] = hit / np.maximum(predicted + truth.sum() - hit, 1)
    return result


def cpu_seconds(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def films(kind: str, number: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    maps, masks = np.empty((number, side, side), np.float32), np.zeros((number, side, side), bool)
    for values, mask in zip(maps, masks):
        if kind == "coarse maps":
            values[:] = np.clip(ndimage.zoom(rng.random((16, 16), np.float32), side / 16, order=1), 0, 1)
        else:
            values[:] = rng.random((side, side), np.float32)
        y, x = rng.integers(0, side // 2, 2)
        mask[y : y + side // 3, x : x + side // 4] = True
    return maps, masks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=1000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--thresholds", type=int, default=1000)
    parser.add_argument("--plain_films", type=int, default=10)
    args = parser.parse_args()
    thresholds = np.linspace(0.001, 1, args.thresholds)
    few, rows = min(args.plain_films, args.films), []
    for kind in ("coarse maps", "noise"):
        maps, masks = films(kind, args.films, args.side)
        swept, result = cpu_seconds(lambda: union_iou_sweep(maps, masks, thresholds))  # noqa: B023
        tracemalloc.start()
        union_iou_sweep(maps, masks, thresholds)
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        for name, way in (("plain loop", plain_loop), ("binary search a pixel", search_per_film)):
            seconds, expected = cpu_seconds(lambda: way(maps[:few], masks[:few], thresholds))  # noqa: B023
            if not np.array_equal(expected, result[:few]):
                raise SystemExit(f"{name} and the sweep differ on {kind}.")
            other = seconds * args.films / few
            rows.append([kind, f"sweep against {name}", args.films, round(swept, 2), round(other, 1), other / swept])
        print(
            f"{kind}: the sweep took {peak:.0f} MB beside the {(maps.nbytes + masks.nbytes) / 1e6:.0f} MB of its input"
        )

    # beside it, with no plain counterpart: MaxBoxAcc and resampled AP50
    maps, masks = films("coarse maps", min(args.films, 200), 256)
    corners = np.array([[m.any(axis=0).argmax(), m.any(axis=1).argmax()] for m in masks])
    boxes = [np.array([[x, y, x + 64, y + 85]]) for x, y in corners]
    seconds, _ = cpu_seconds(lambda: film_box_ious(maps, boxes))
    rows.append(["coarse maps", "MaxBoxAcc, 256 pixels, 100 thresholds", len(maps), round(seconds, 2), "", ""])
    rng = np.random.default_rng(0)
    drawn = [b[0] + rng.normal(0, 12, (int(rng.integers(1, 9)), 4)).round() for b in boxes]
    drawn = [np.concatenate([np.minimum(d[:, :2], d[:, 2:]), np.maximum(d[:, :2], d[:, 2:])], axis=1) for d in drawn]
    matched = match_detections(drawn, [rng.random(len(d)) for d in drawn], boxes)
    seconds, _ = cpu_seconds(
        lambda: np.array(bootstrap_weighted(lambda w: average_precision(matched, w, [0])[:, 0], len(boxes), 2000).low)
    )
    rows.append(["boxes", "AP50, 2,000 resamples", len(boxes), round(seconds, 2), "", ""])

    header = ["input", "what", "films", "seconds", "seconds of the other", "ratio"]
    write_table(RESULTS, header, [[*row[:5], round(row[5], 1) if row[5] else ""] for row in rows])
    for row in rows:
        print("  ".join(f"{h}: {v}" for h, v in zip(header, row) if v != ""))


if __name__ == "__main__":
    main()
