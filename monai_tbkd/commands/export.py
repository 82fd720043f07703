"""``export``: a trained model as ONNX, OpenVINO or TorchScript, in 8 bits on demand."""

from __future__ import annotations

import argparse
from pathlib import Path

from monai_tbkd.commands.training_options import add_training_options

FORMATS = ("onnx", "openvino", "torchscript")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    p = subparsers.add_parser(
        "export",
        help="write a trained model as ONNX, OpenVINO or TorchScript, for inference with --backend",
        description=(
            "Write a trained model for other runtimes: input an 8-bit gray image, normalization inside, output the "
            "map. Inference takes it by --backend onnxruntime, openvino, torchscript. Research use only, not for "
            "diagnosis. Exit status: 0; 1 if an 8-bit file's boxes do not agree with float32's; 2 if none was written."
        ),
    )
    p.add_argument("--format", choices=FORMATS, required=True)
    add_training_options(p)
    p.add_argument(
        "--output",
        type=Path,
        help="the file; by default beside the checkpoint (of the released model: here): model.onnx, .xml or .ts",
    )
    p.add_argument("--int8", action="store_true", help="weights and activations in 8 bits (onnx, openvino)")
    p.add_argument("--images", type=Path, help="folder of images by which 8-bit ranges are chosen; no label is needed")
    p.add_argument("--number", type=int, default=125, help="images of it that take part (default 125)")
    p.add_argument(
        "--keep_float32", nargs="*", metavar="BLOCK",
        help="blocks that stay in 32 bits (stem, layer1.0, ..., reduce), none if none is named; without this option as "
             "few as boxes need to agree with float32's",
    )  # fmt: skip
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the export."""
    from monai_tbkd.commands.export_model import run as run_it

    return run_it(args)
