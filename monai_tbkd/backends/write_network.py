"""Write a trained network as ONNX, OpenVINO or TorchScript, and compare it with the network."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.utils import optional_import
from torch import nn

from monai_tbkd.backends.exported_net import (
    INPUT,
    KEY,
    OUTPUT,
    SUFFIXES,
    ExportedNet,
    add_record,
    format_of,
    load_openvino,
    openvino_core,
)
from monai_tbkd.backends.int8_quantization import WEIGHT_BITS, Int8Network
from monai_tbkd.transforms.network_input import NormalizeImage

FORMATS = tuple(SUFFIXES.values())
TOLERANCE = 1.0e-4
"""Largest difference of a float format's map to the network's, in logits, or of the largest logit above 1."""
_OPSET = 17  # the oldest that has all that is used, for runtimes that are older than ours

logger = logging.getLogger(__name__)


class ImageInputNet(nn.Module):
    """A network with its normalization inside: images ``(B, 1, H, W)`` of 0-255 to maps in logits.

    Args:
        network: from normalized images ``(B, 3, H, W)`` to maps in logits ``(B, C, h, w)``.

    Example:
        >>> from monai_tbkd.networks import ActivationMapNet
        >>> net = ImageInputNet(ActivationMapNet("resnet18", width=0.25)).eval()
        >>> net(torch.zeros(1, 1, 64, 64, dtype=torch.uint8)).shape
        torch.Size([1, 2, 2, 2])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.normalize = NormalizeImage()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images ``(B, 1, H, W)``, uint8 or float, to logits ``(B, C, h, w)``."""
        return self.network(self.normalize(image))  # type: ignore[no-any-return]


def export_network(
    network: nn.Module,
    path: str | Path,
    record: Mapping[str, Any],
    size: tuple[int, int],
    int8: Int8Network | None = None,
    keep: Collection[str] = (),
) -> dict[str, Any]:
    """Write a network, its normalization inside, with a record of what it is, and run what was written.

    Args:
        network: from normalized images ``(B, 3, H, W)`` to maps in logits.
        path: the file, ``*.onnx``, ``*.xml`` (OpenVINO; its weights go beside it) or ``*.ts`` (TorchScript). Input
            ``image`` is ``(B, 1, H, W)`` uint8, output ``map`` ``(B, C, h, w)`` float32, B free.
        record: see :func:`~monai_tbkd.backends.exported_net.read_record`; precision and format are added here.
        size: (height, width) of the images.
        int8: what :func:`int8_network` made of the network; None writes float32.
        keep: blocks that stay float32 in an int8 file, see :class:`~monai_tbkd.backends.int8_quantization.Int8Network`.

    Returns:
        The record as written, with ``largest_difference`` to the network's maps on noise, in logits.

    Raises:
        ValueError: an unknown suffix, a package that is missing, int8 in TorchScript, or (never seen) a float file that
            does not give the network's maps.
    """
    path = Path(path)
    kind = format_of(path)
    if int8 is not None and kind == "torchscript":
        raise ValueError(
            "int8 is written as ONNX or OpenVINO; PyTorch's own int8 would need a network of another make."
        )
    full = {**record, "format": kind, "precision": "float32" if int8 is None else "int8"}
    if int8 is not None:
        full["weight_bits"] = WEIGHT_BITS
    own = ImageInputNet(network).cpu().eval()
    noise = _noise(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part, onnx_file = Path(folder) / path.name, Path(folder) / "network.onnx"
        if kind == "torchscript":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # as in _write_onnx
                traced = torch.jit.trace(own, noise, check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(traced, str(part), _extra_files={f"{KEY}.json": json.dumps(full)})  # type: ignore[no-untyped-call]
        elif int8 is None:
            _write_onnx(own, noise, onnx_file)
        else:
            int8.write(onnx_file, keep)
        if kind == "onnx":
            add_record(onnx_file, full)
            onnx_file.rename(part)
        elif kind == "openvino":
            openvino = load_openvino()
            model = openvino_core().read_model(str(onnx_file))
            model.set_rt_info(json.dumps(full), [KEY])
            openvino.save_model(model, str(part), compress_to_fp16=False)
        expected = own(noise)
        full["largest_difference"] = float((expected - ExportedNet(part)(noise)).abs().max())
        largest = max(1.0, float(expected.abs().max()))  # rounding errors go with it
        if int8 is None and not full["largest_difference"] <= TOLERANCE * largest:
            raise ValueError(
                f"{path}: the written network's maps differ from the network's by {full['largest_difference']:.2g} "
                f"logits, more than {TOLERANCE}; it was not kept. Please report this with the versions of torch, onnx "
                "and the runtime."
            )
        for written in (part.with_suffix(".bin"), part):  # the one that is opened by name comes last
            if written.is_file():
                written.replace(path.with_suffix(written.suffix))
    return full


@torch.no_grad()
def int8_network(
    network: nn.Module,
    size: tuple[int, int],
    images: Sequence[torch.Tensor],
    progress: bool = False,
    fraction: float | None = 0.5,
) -> Int8Network:
    """Make a network ready to be written in 8 bits, see :class:`~monai_tbkd.backends.int8_quantization.Int8Network`.

    Args:
        network: from normalized images ``(B, 3, H, W)`` to maps in logits.
        size: (height, width) of the images.
        images: ``(1, H, W)`` uint8 by which ranges are chosen.
        progress: show a bar, on a terminal.
        fraction: of `equalize`.
    """
    with tempfile.TemporaryDirectory() as folder:
        onnx_file = Path(folder) / "network.onnx"
        _write_onnx(ImageInputNet(network).cpu().eval(), _noise(size), onnx_file)
        return Int8Network(onnx_file, images, progress, fraction)


def _noise(size: tuple[int, int]) -> torch.Tensor:
    return torch.randint(0, 256, (2, 1, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _write_onnx(network: nn.Module, image: torch.Tensor, path: Path) -> None:
    if not optional_import("onnx")[1]:
        raise ValueError("onnx is not installed; install it by pip install 'monai_tbkd[export]'.")
    with warnings.catch_warnings():
        # the exporter that needs no further package; what it traces as constant is constant here (sizes, means)
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (image,),
            str(path),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )
