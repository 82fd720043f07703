"""Inference over one folder of phantom images by one process and by two, in turns: images a second, and their ratio.

    python benchmarks/process_scaling.py --bundle DIR [--images 120] [--pairs 3]

DIR is a folder of `python -m monai_tbkd package --full`. Each process has one thread for its network, and one more for
everything else, so one process is busy on more than one core. Wall time is that of the engine, from the log, without
start-up. CPU time (user and system) is that of a run less that of a run over a single image, so that it is the images'
alone. Where other programs work on the machine, wall time says little; then the ratio of the images' CPU time tells
what sharing costs (1.0: nothing).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from in_turns import children_seconds, replace_rows

from monai_tbkd.data.phantom import write_phantom_dataset

RESULT = Path(__file__).parent / "results" / "process_scaling.csv"


def run(bundle: Path, images: Path, out: Path, processes: int, overlays: bool) -> tuple[float, float]:
    """Wall seconds of the images and CPU seconds of the run."""
    shutil.rmtree(out, ignore_errors=True)
    names = ["inference"] + (["multi_gpu_inference"] if processes > 1 else [])
    command = [sys.executable, "-W", "ignore"]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    configs = [str(bundle / "configs" / f"{n}.json") for n in names]
    command += ["-m", "monai.bundle", "run", "--config_file", str(configs)]
    command += ["--dataset_dir", str(images), "--output_dir", str(out), "--num_workers", "0", "--progress_bar", "False"]
    command += ["--draw_overlays", str(overlays), "--draw_reports", "False", "--check_frontal", "off"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(bundle)}
    before = children_seconds()
    done = subprocess.run(
        command, cwd=bundle, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
    )
    used = children_seconds() - before
    hours, minutes, seconds = re.findall(r"Engine run finished\. Time taken: (\d+):(\d+):([\d.]+)", done.stdout)[-1]
    wall = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    return wall, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--overlays", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images, out = Path(folder) / "images", Path(folder) / "out"
        write_phantom_dataset(images, {"tb": args.images}, {"tb": 1}, size=args.size)
        rows, tables = [], {}
        (Path(folder) / "one").mkdir()
        shutil.copy(next((images / "imgs" / "tb").glob("*.png")), Path(folder) / "one")
        bundle, one = args.bundle.resolve(), Path(folder) / "one"
        start = {n: run(bundle, one, out, n, args.overlays)[1] for n in (1, 2)}
        print(f"start-up, CPU seconds by processes: {start}")
        for pair in range(args.pairs):
            for processes in (1, 2) if pair % 2 == 0 else (2, 1):
                wall, cpu = run(args.bundle.resolve(), images / "imgs", out, processes, args.overlays)
                used = round(cpu - start[processes], 2)
                rows.append({"pair": pair, "processes": processes, "wall_s": round(wall, 2), "images_cpu_s": used})
                content = json.loads((out / "predictions.json").read_text())["images"]
                tables[processes] = [{**image, "seconds": None} for image in content]
                print(rows[-1])
        count = len(tables[1])
        assert tables[1] == tables[2], "two processes gave other rows than one"
    by = {n: [row for row in rows if row["processes"] == n] for n in (1, 2)}
    print(f"{count} images of {args.size} pixels, {args.pairs} pairs; the same rows. One process over two:")
    for name in ("wall_s", "images_cpu_s"):
        ratios = [one[name] / two[name] for one, two in zip(by[1], by[2])]
        print(f"  {name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"  CPU seconds an image: {statistics.median(row['images_cpu_s'] for row in by[1]) / count:.3f}")
    settings = json.loads((bundle / "configs" / "inference.json").read_text())
    net = settings["network_def"]
    network = f"{net['backbone']}, width {net.get('width', 1.0)}, {settings['image_size']} pixels"
    made = [{"network": network, "images": count, "size": args.size, **row} for row in rows]
    replace_rows(RESULT, list(made[0]), "network", [network], made)


if __name__ == "__main__":
    main()
