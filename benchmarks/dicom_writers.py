"""What DICOM results cost: inference with them beside the same inference without.

    python benchmarks/dicom_writers.py --ckpt_dir MODELS --config configs/demo.yaml

Images are phantoms of 1400 x 1700 and 2400 x 2900 pixels, 12 bits, uncompressed. Inference is that of inference.yaml,
without overlays, results to files (`dicom_output`), by two networks: that of the config given, and, untrained, that of
inference.yaml itself (ResNet-50, 512 x 512 pixels), with boxes on every image. Everything is CPU time of one thread,
start and loading of the model left out; in every repeat each way runs over the same images, in turning order. Ratios
are taken within a repeat; the median is given with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from in_turns import write_table
from monai.bundle import ConfigParser
from phantom_dicom import phantom_image
from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from monai_tbkd.bundle import bundle_files

COLUMNS = ("network", "image", "results", "measurement", "median", "low", "high", "unit", "repeats")
SHAPES = ((1700, 1400), (2900, 2400))
DX = {"SOPClassUID": DigitalXRayImageStorageForPresentation, "Modality": "DX"}
WAYS = {
    "none": False,
    "sr": ["sr"],
    "sr, sc": ["sr", "sc"],
    "sr, sc, seg_map, seg_boxes": ["sr", "sc", "seg_map", "seg_boxes"],
}
RESULTS = Path(__file__).parent / "results" / "dicom_writers.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_dir", type=Path, required=True)
    parser.add_argument("--config", type=Path, nargs="*", default=[])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("monai", "highdicom", "monai_tbkd", "ignite"):
        logging.getLogger(name).setLevel(logging.ERROR)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for shape in SHAPES:
            images = write_images(Path(name) / f"{shape[0]}", shape, args.images)
            image = f"{shape[1]} x {shape[0]}"
            trained = {"ckpt_dir": str(args.ckpt_dir.absolute())}
            untrained = {"load_pretrain": False, "score_threshold": 0.0, "threshold_mode": "relative"}
            for network, configs, given in (
                (", ".join(config.stem for config in args.config) or "given", args.config, trained),
                ("ResNet-50, 512 pixels", [], untrained),
            ):
                seconds = measure(args, images, Path(name) / "out", configs, given)
                for way, each in seconds.items():
                    what = {"network": network, "image": image, "results": way}
                    add(rows, what, "CPU time", [second / args.images for second in each], "s/image")
                    add(rows, what, "speed", [args.images / second for second in each], "images/s")
                    ratios = [second / without for second, without in zip(each, seconds["none"], strict=True)]
                    add(rows, what, "CPU time / CPU time without results", ratios, "times")
    write_table(args.output, COLUMNS, rows)


def measure(
    args: argparse.Namespace, images: Path, output: Path, configs: Sequence[Path], given: Mapping[str, Any]
) -> dict[str, list[float]]:
    """CPU seconds of each way in each repeat."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for repeat in range(-1, args.repeats):  # the first warms up
        order = list(WAYS)[repeat % len(WAYS) :] + list(WAYS)[: repeat % len(WAYS)]
        for way in order:
            parser = ConfigParser()
            parser.read_config([str(bundle_files() / "configs" / "inference.yaml"), *map(str, configs)])
            parser.update({"dataset_dir": str(images), "output_dir": str(output), "dicom_output": WAYS[way]})
            parser.update({"draw_overlays": False, "num_workers": 0, "progress_bar": False, "amp": False})
            parser.update({"device": "$torch.device('cpu')", **given})
            parser.get_parsed_content("initialize")
            evaluator, table = parser.get_parsed_content("evaluator"), parser.get_parsed_content("predictions")
            evaluator.logger.setLevel(logging.ERROR)
            gc.collect()
            began = time.process_time()
            evaluator.run()
            used = time.process_time() - began
            done = [row["status"] for row in table.rows].count("done")
            files = len(list(output.glob("dicom/*/*.dcm")))
            assert done == args.images and (files >= done * min(len(WAYS[way] or ()), 2)), (way, done, files)
            if repeat >= 0:
                seconds[way].append(used)
    return seconds


def add(rows: list[dict[str, Any]], what: Mapping[str, str], measurement: str, values: list[float], unit: str) -> None:
    numbers = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    rows.append(
        {**what, "measurement": measurement, "unit": unit, "repeats": len(values)}
        | {key: f"{value:.3g}" for key, value in numbers.items()}
    )
    print(*rows[-1].values(), flush=True)


def write_images(folder: Path, shape: tuple[int, int], number: int) -> Path:
    folder.mkdir()
    for n in range(number):
        phantom_image(folder / f"{n}.dcm", n, shape, SOPInstanceUID=generate_uid(), **DX)
    return folder


if __name__ == "__main__":
    main()
