"""A folder of images from file to row, beside its two parts alone: reading the images, and the network.

    python benchmarks/folder_inference.py
    python benchmarks/folder_inference.py --reader_process --folder IMAGES

The base is the slower of two loops that do one thing: MONAI's DataLoader over the images with all preprocessing, its
batches thrown away, and the network over batches that are there already. An inference that overlaps both takes hardly
longer than the slower one. With --reader_process, reading and inference are measured with images decoded in the process
beside each worker, as it is, and in the worker itself, which a damaged file may end. This is wall time, since overlap
is what it is about, with as many threads and workers as inference.yaml takes by itself; so it wants an idle machine.
Rounds are in turns. Phantom images of 512 pixels; the network's weights are random, which cost the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from in_turns import RESULTS, median, number_row, write
from monai.bundle import ConfigWorkflow

from monai_tbkd.backends import export_network
from monai_tbkd.backends.write_network import int8_network
from monai_tbkd.bundle import bundle_files
from monai_tbkd.data.phantom import write_phantom_dataset
from monai_tbkd.data.readers import decode
from monai_tbkd.engines import describe_module
from monai_tbkd.networks import ActivationMapNet, LogSumExpMapPool

UNGUARDED = ", decoded in the worker"
INFERENCE: dict[str, dict[str, Any]] = {
    "inference": {"draw_overlays": False},
    "inference with overlays": {"draw_overlays": True},
    "inference with overlays as JPEG": {"draw_overlays": True, "overlay_format": "jpg"},
}


def workflow(images: Path, out: Path, **settings: Any) -> ConfigWorkflow:
    config = str(bundle_files() / "configs" / "inference.yaml")
    made = ConfigWorkflow(
        config, workflow_type="infer", logging_file=False, dataset_dir=str(images), output_dir=str(out),
        load_pretrain=False, progress_bar=False, output_stride=32, draw_reports=False,
        score_threshold=0.0, check_frontal="all", **settings,
    )  # fmt: skip
    made.initialize()
    return made


def decode_here(decoder: Any, max_pixels: int, path: Path, *args: Any) -> Any:
    return decoder(path, *args)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--folder", type=Path, help="with images of one's own, instead of phantoms")
    parser.add_argument("--reader_process", action="store_true", help="what decoding in a process of its own costs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--threads", type=int, help="of the network; torch's own number by default")
    parser.add_argument("--output", type=Path, default=RESULTS / "performance.csv")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        third = args.images // 3
        counts = {"health": third, "sick": third, "tb": args.images - 2 * third}
        write_phantom_dataset(folder / "data", n_train=counts, n_val={"health": 0, "sick": 0, "tb": 1}, size=512)
        images = args.folder or folder / "data" / "imgs"
        if args.folder:
            args.images = sum(each.is_file() for each in images.rglob("*"))
        settings: dict[str, Any] = {"backend": args.backend}
        if args.backend != "torch":
            torch.manual_seed(0)
            network = ActivationMapNet("resnet50", num_classes=1).eval()
            record = {"model_version": "random", "checkpoint_sha256": "0", "architecture": network.architecture,
                      "image_size": 512, "pooling": describe_module(LogSumExpMapPool(2.0))}  # fmt: skip
            path = folder / ("model.onnx" if args.backend == "onnxruntime" else "model.xml")
            noise = [torch.randint(0, 256, (1, 512, 512), dtype=torch.uint8) for _ in range(4)]
            int8 = int8_network(network, (512, 512), noise) if args.int8 else None
            export_network(network, path, record, (512, 512), int8)
            settings["exported_model"] = str(path)
        ways = ["images", "network", *INFERENCE]
        if args.reader_process:
            ways = ["images", "images" + UNGUARDED, "inference", "inference" + UNGUARDED]
        found: dict[str, list[float]] = {way: [] for way in ways}
        guarded = decode.decode_apart
        for number in range(args.rounds + 1):
            for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                decode.decode_apart = decode_here if way.endswith(UNGUARDED) else guarded
                run = workflow(images, folder / "out", **INFERENCE.get(way, INFERENCE["inference"]), **settings)
                loader, net = (run.parser.get_parsed_content(key) for key in ("dataloader", "network"))
                ready = next(iter(loader))["image"] if way == "network" else None
                start = time.perf_counter()
                if way.startswith("images"):
                    for _ in loader:
                        pass
                elif way == "network":
                    with torch.no_grad():
                        for _ in range(len(loader)):
                            net(ready)
                else:
                    run.run()
                if number:
                    found[way].append(time.perf_counter() - start)
    subject = f"folder, resnet50, 512 pixels, {args.backend}{' int8' if args.int8 else ''}, {args.images} images"
    if args.folder:
        subject += f" of {args.folder.name}"
    if args.threads:
        subject += f", {args.threads} thread{'s' if args.threads > 1 else ''}"
    made = []
    for way, seconds in found.items():
        made.append(_row(subject, way, [1000 * s / args.images for s in seconds], "ms an image"))
    if args.reader_process:
        for way in ("images", "inference"):
            ratios = [a / b for a, b in zip(found[way], found[way + UNGUARDED], strict=True)]
            made.append(_row(subject, f"{way}: times of those decoded in the worker", ratios, "times"))
    else:
        for way in INFERENCE:
            rates = [max(a, b) / c for a, b, c in zip(found["images"], found["network"], found[way], strict=True)]
            made.append(_row(subject, f"{way}: fraction of the slower part's rate", rates, "times"))
    write(subject, made, args.output)


def _row(subject: str, way: str, values: list[float], unit: str) -> dict[str, Any]:
    spread = median(values)
    return {**number_row(subject, subject, way, spread.value, unit, spread.number),
            "low": f"{spread.low:.4g}", "high": f"{spread.high:.4g}"}  # fmt: skip


if __name__ == "__main__":
    main()
