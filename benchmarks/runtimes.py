"""The exported network in each runtime, beside PyTorch, and what our steps around it add.

    python benchmarks/runtimes.py
    python benchmarks/runtimes.py --backbone resnet18 --size 512

A ResNet with a map head (random weights, which cost the same) at 512 pixels, one image, CPU time of one thread. It is
exported by the package's own `export_network`, int8 calibrated on noise; mixed is int8 with the blocks in 32 bits (or
bfloat16) that boxes of the TBX11K recipe need so. Bare is a runtime with the image as its input
and nothing of ours around it. Whole is what inference does between the file and the row: read the image (8-bit PNG of
the same size), gate, 8 bits, the network through our stand-in, score, map, boxes; and the same without reading the
file.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from in_turns import RESULTS, Way, in_turns, number_row, rows, write
from monai.bundle import ConfigParser
from PIL import Image
from scipy.ndimage import gaussian_filter

from monai_tbkd.backends import ExportedNet, ImageInputNet, export_network
from monai_tbkd.backends.exported_net import PRECISIONS, openvino_core
from monai_tbkd.backends.runtime import Bfloat16Net
from monai_tbkd.backends.write_network import int8_network
from monai_tbkd.bundle import bundle_files
from monai_tbkd.networks import ActivationMapNet

BASE = "torch float32"
MIXED = ("stem", "layer1.0", "layer1.1")
"""Blocks that `export --int8` leaves in 32 bits of the TBX11K recipe's ResNet-50 (and its reduction to components)."""


def make_images(size: int, number: int) -> list[torch.Tensor]:
    random = np.random.default_rng(0)
    smooth = [gaussian_filter(random.normal(size=(size, size)), 8) for _ in range(number)]
    return [torch.from_numpy((255 * (s - s.min()) / np.ptp(s)).astype(np.uint8))[None] for s in smooth]


def bare_onnx(path: Path, image: np.ndarray) -> Way:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"image": image})


def bare_openvino(path: Path, image: np.ndarray, precision: str = "f32") -> Way:
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1}
    compiled = openvino_core().compile_model(str(path), "CPU", settings)
    return lambda: compiled([image])


def steps(size: int, png: Path) -> tuple[Any, Any, Any]:
    """Read, prepare and finish, as inference.yaml has them."""
    parser = ConfigParser()
    parser.read_config(str(bundle_files() / "configs" / "inference.yaml"))
    parser["image_size"], parser["output_stride"], parser["backend"], parser["exported"] = size, 32, "onnxruntime", None
    parser["keep_whole_image"] = False
    parser["check_frontal"] = "all"  # does its work, and its refusal of noise is left out below
    parser["thresholds"] = {"map_threshold": 0.5, "mode": "relative", "score_threshold": 0.0}
    load, border, gate, *others = parser.get_parsed_content("preprocessing").transforms
    finish = parser.get_parsed_content("postprocessing").transforms

    def read() -> Any:
        return load({"image": str(png)})

    def prepare(item: Any) -> Any:
        item = border(item)
        gate.check.gate(np.asarray(item["image"])[0])
        for step in others:
            item = step(item)
        return item

    def end(item: Any) -> Any:
        for step in finish:
            item = step(item)
        return item

    return read, prepare, end


def whole(parts: tuple[Any, Any, Any], net: torch.nn.Module, item: Any = None) -> Way:
    """What inference does for an image, or for one that was read before."""
    read, prepare, end = parts

    def run() -> Any:
        done = prepare(read() if item is None else item)
        with torch.no_grad():
            return end({**done, "pred": net(done["image"][None])[0], "original_size": torch.tensor([512, 512])})

    return run


def write_png(image: torch.Tensor, folder: str) -> Path:
    path = Path(folder) / "image.png"
    Image.fromarray(image[0].numpy()).save(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--part", choices=("runtimes", "steps"), help="bare runtimes, or what our steps add to int8")
    parser.add_argument("--machine", default="", help="what tells its rows from those of other machines in the table")
    parser.add_argument("--output", type=Path, default=RESULTS / "performance.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = ActivationMapNet(args.backbone, num_classes=1).eval()
    images = make_images(args.size, 5)
    record = {"model_version": "random", "checkpoint_sha256": "0", "architecture": network.architecture,
              "image_size": args.size, "pooling": "none"}  # fmt: skip
    subject = f"{args.backbone}, {args.size} pixels"
    if args.part != "steps":
        write(runtimes_name(args, subject), runtimes(args, subject, network, images, record), args.output)
    if args.part != "runtimes":
        write(f"steps {subject}", added_steps(args, subject, network, images, record), args.output)


def runtimes_name(args: argparse.Namespace, subject: str) -> str:
    return ", ".join([f"runtimes {subject}", *([args.machine] if args.machine else [])])


def runtimes(
    args: argparse.Namespace, subject: str, network: torch.nn.Module, images: list[torch.Tensor], record: dict[str, Any]
) -> list[dict[str, Any]]:
    """Every runtime and precision beside eager PyTorch."""
    name, image, picture = runtimes_name(args, subject), images[0][None], images[0][None].numpy()
    made = []

    def eager(net: torch.nn.Module) -> Way:
        def run() -> torch.Tensor:
            with torch.inference_mode():
                return net(image)  # type: ignore[no-any-return]

        return run

    with tempfile.TemporaryDirectory() as folder:
        size = (args.size, args.size)
        int8 = int8_network(network, size, images[1:])
        ends = ("onnx", "int8.onnx", "mixed.onnx", "xml", "int8.xml", "mixed.xml", "ts")
        files = {end: Path(folder) / f"model.{end}" for end in ends}
        for end, path in files.items():
            kind = end.split(".")[0]
            keep = MIXED if kind == "mixed" else ()
            written = export_network(
                network, path, record, size, int8 if kind in ("int8", "mixed") else None, keep=keep
            )
            difference, length = written["largest_difference"], path.stat().st_size
            if path.suffix == ".xml":
                length += path.with_suffix(".bin").stat().st_size
            made.append(number_row(name, f"{subject}: largest difference of the map", end, difference, "logits"))
            made.append(number_row(name, f"{subject}: file", end, length / 1e6, "MB"))
        own = ImageInputNet(network).eval()
        ways: dict[str, Way] = {
            BASE: eager(own),
            "torch bfloat16": eager(Bfloat16Net(own)),
            "torchscript": eager(ExportedNet(files["ts"])),
            "onnxruntime float32": bare_onnx(files["onnx"], picture),
            "openvino float32": bare_openvino(files["xml"], picture),
            "openvino bfloat16": bare_openvino(files["xml"], picture, "bf16"),
            "onnxruntime int8": bare_onnx(files["int8.onnx"], picture),
            "openvino int8": bare_openvino(files["int8.xml"], picture),
            "onnxruntime mixed": bare_onnx(files["mixed.onnx"], picture),
            "openvino mixed": bare_openvino(files["mixed.xml"], picture),
            "openvino mixed bfloat16": bare_openvino(files["mixed.xml"], picture, "bf16"),
        }
        parts = steps(args.size, write_png(images[0], folder))
        item = parts[0]()
        for precision in PRECISIONS:
            net = ExportedNet(files["mixed.xml"], precision=precision)
            ways[f"whole with openvino mixed {precision}"] = whole(parts, net, item)
        found = in_turns(ways, args.pairs)
    return made + rows(name, f"{subject}: one image", found, BASE)


def added_steps(
    args: argparse.Namespace, subject: str, network: torch.nn.Module, images: list[torch.Tensor], record: dict[str, Any]
) -> list[dict[str, Any]]:
    """What inference does around the network, beside the bare 8-bit runtime."""
    picture = images[0][None].numpy()
    made = []
    with tempfile.TemporaryDirectory() as folder:
        parts = steps(args.size, write_png(images[0], folder))
        item = parts[0]()
        int8 = int8_network(network, (args.size,) * 2, images[1:])
        for runtime, suffix, bare in (("onnxruntime", "onnx", bare_onnx), ("openvino", "xml", bare_openvino)):
            path = Path(folder) / f"model.{suffix}"
            export_network(network, path, record, (args.size,) * 2, int8)
            net = ExportedNet(path)
            ways = {
                "bare": bare(path, picture),
                "whole without reading the file": whole(parts, net, item),
                "whole": whole(parts, net),
            }
            measurement = f"{subject}: what our steps add to {runtime} int8"
            made += rows(f"steps {subject}", measurement, in_turns(ways, args.pairs), "bare")
    return made


if __name__ == "__main__":
    main()
