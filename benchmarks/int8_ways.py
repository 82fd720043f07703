"""Ways to make 8 bits keep the boxes, on images that no range was chosen on.

    python benchmarks/int8_ways.py --checkpoint models/model.pt --recipe tbx11k --calibration IMAGES --images OTHERS \\
      --keep_float32 stem layer1.0 reduce --model "TBX11K recipe"

Each way is written with ranges of the calibration images and compared with float32 in PyTorch on the other ones, boxes
drawn whatever the score: with channels as they are (plain) and equalized,
all in 8 bits, or blocks in 32 bits (stem and layer1, or those named), or in bfloat16. The interval of the mean IoU is
a bootstrap's over images (95 %).
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from in_turns import RESULTS, number_row, write

from monai_tbkd.backends import ImageInputNet, agreement, export_network
from monai_tbkd.backends.agreement import Image
from monai_tbkd.backends.exported_net import open_network
from monai_tbkd.backends.write_network import int8_network
from monai_tbkd.commands.export import inference_config, read_images, scores_and_boxes
from monai_tbkd.engines import load_trained
from monai_tbkd.metrics.bootstrap import bootstrap_ratio

WAYS = (("openvino", "float32"), ("openvino", "bfloat16"), ("onnxruntime", "float32"))


def interval(one: Sequence[Image], other: Sequence[Image]) -> tuple[float, float]:
    """Of the mean IoU of boxes."""
    boxes = np.array([len(a) + len(b) for (_, a), (_, b) in zip(one, other, strict=True)])
    mean = np.array([agreement([a], [b]).box_iou if n else 0.0 for a, b, n in zip(one, other, boxes, strict=True)])
    found = bootstrap_ratio(mean * boxes, boxes)
    return found.low, found.high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--recipe", action="append", default=[])
    parser.add_argument("--set", action="append", default=[], dest="values")
    parser.add_argument("--calibration", type=Path, required=True, help="images by which ranges are chosen")
    parser.add_argument("--calibration_number", type=int, default=50)
    parser.add_argument("--images", type=Path, required=True, help="other images")
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--keep_float32", nargs="+", action="append", default=[], help="as the search found, or others")
    parser.add_argument("--model", required=True, help="what the model is, for the table")
    parser.add_argument("--output", type=Path, default=RESULTS / "performance.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = inference_config(args.checkpoint, args.recipe, args.values)
    network = config.get_parsed_content("network_def")
    side = int(config.get_parsed_content("image_size"))
    load_trained(network, args.checkpoint, config.get_parsed_content("pooling"), side)
    network.eval()
    pairs = read_images(config, args.images, args.number)
    chosen = [image for image, _ in read_images(config, args.calibration, args.calibration_number)]
    expected = scores_and_boxes(config, ImageInputNet(network), pairs)
    subject = f"agreement, {args.model}, {len(pairs)} images"
    made: list[dict[str, Any]] = []

    def measure(way: str, path: Path, runtime: str, precision: str = "float32") -> None:
        got = scores_and_boxes(config, open_network(path, runtime, precision), pairs)
        found = agreement(expected, got)
        print(way, found, flush=True)
        for what in ("score_change", "largest_score_change", "box_iou"):
            made.append(number_row(subject, what, way, getattr(found, what), "0-1", found.images))
        low, high = interval(expected, got)
        made[-1] |= {"low": f"{low:.4g}", "high": f"{high:.4g}"}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        facts = {"model_version": "measured", "checkpoint_sha256": "0", "architecture": None, "image_size": side,
                 "pooling": "none"}  # fmt: skip
        export_network(network, path, facts, (side, side))
        measure("openvino bfloat16", path, "openvino", "bfloat16")
        plain = int8_network(network, (side, side), chosen, fraction=None)
        even = copy.deepcopy(plain)
        even.equalize()
        early = [name for name in plain.blocks if name.startswith(("stem", "layer1"))]
        ways = [("plain", plain, []), ("plain", plain, early), ("equalized", even, [])]
        ways += [("equalized", even, kept) for kept in args.keep_float32]
        for how, int8, kept in ways:
            written = int8.write(Path(folder) / "model.onnx", kept)
            name = f"int8, {how}, {' + '.join(kept) or 'nothing'} in"
            for runtime, precision in WAYS if int8 is even and kept else WAYS[:1]:
                measure(f"{runtime} {name} {precision}", written, runtime, precision)
    write(subject, made, args.output)


if __name__ == "__main__":
    main()
