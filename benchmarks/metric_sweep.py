"""What the one-pass sweep of thresholds saves over a plain loop, on the same images.

    python benchmarks/metric_sweep.py                    # 1,000 images of 512 pixels, 1,000 thresholds
    python benchmarks/metric_sweep.py --images 50         # a quick look

Maps are coarse random maps brought to the images' grid, as activation maps are, and plain noise, which is the worst
case for branches. The plain loop is timed on a few images and scaled; its result must be the same to the bit. CPU
time, one thread.
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

from monai_tbkd.metrics.map_metrics import union_iou_sweep

RESULTS = Path(__file__).resolve().parent / "results" / "metric_sweep.csv"


def plain_loop(maps: np.ndarray, masks: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """One image and one threshold at a time, by the definition."""
    result = np.empty((len(maps), len(thresholds)))
    for i, (values, truth) in enumerate(zip(maps, masks)):
        for k, threshold in enumerate(thresholds):
            predicted = values >= threshold
            result[i, k] = np.count_nonzero(predicted & truth) / max(np.count_nonzero(predicted | truth), 1)
    return result


def cpu_seconds(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def images(kind: str, number: int, side: int) -> tuple[np.ndarray, np.ndarray]:
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
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--thresholds", type=int, default=1000)
    parser.add_argument("--plain_images", type=int, default=10)
    args = parser.parse_args()
    thresholds = np.linspace(0.001, 1, args.thresholds)
    few, rows = min(args.plain_images, args.images), []
    for kind in ("coarse maps", "noise"):
        maps, masks = images(kind, args.images, args.side)
        swept, result = cpu_seconds(lambda: union_iou_sweep(maps, masks, thresholds))  # noqa: B023
        tracemalloc.start()
        union_iou_sweep(maps, masks, thresholds)
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        seconds, expected = cpu_seconds(lambda: plain_loop(maps[:few], masks[:few], thresholds))  # noqa: B023
        if not np.array_equal(expected, result[:few]):
            raise SystemExit(f"The plain loop and the sweep differ on {kind}.")
        other = seconds * args.images / few
        row = [kind, "sweep against plain loop", args.images, round(swept, 2), round(other, 1), round(other / swept, 1)]
        rows.append(row)
        print(
            f"{kind}: the sweep took {peak:.0f} MB beside the {(maps.nbytes + masks.nbytes) / 1e6:.0f} MB of its input"
        )
    header = ["input", "what", "images", "seconds", "seconds of the other", "ratio"]
    write_table(RESULTS, header, rows)
    for row in rows:
        print("  ".join(f"{name}: {value}" for name, value in zip(header, row, strict=True)))


if __name__ == "__main__":
    main()
