"""A trained network as ONNX, OpenVINO or TorchScript, checked against the network it was made from."""

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

from monai_tbkd.backends.export_record import KEY, SUFFIXES, add_record, format_of
from monai_tbkd.backends.exported_net import INPUT, OUTPUT, ExportedNet
from monai_tbkd.backends.film_input_net import FilmInputNet
from monai_tbkd.backends.int8_quantization import WEIGHT_BITS, Int8Network
from monai_tbkd.backends.quiet_openvino import load_openvino, openvino_core

FORMATS = tuple(SUFFIXES.values())
TOLERANCE = 1.0e-4
"""Largest difference of a float format's map to the network's, in logits, or of the largest logit above 1."""
_OPSET = 17  # the oldest that has all that is used, for runtimes that are older than ours

logger = logging.getLogger(__name__)


def export_network(
    network: nn.Module,
    path: str | Path,
    record: Mapping[str, Any],
    size: tuple[int, int],
    calibration: Sequence[torch.Tensor] | Int8Network | None = None,
    films: Sequence[torch.Tensor] = (),
    keep: Collection[str] = (),
) -> dict[str, Any]:
    """Write a network, its normalization inside, with a record of what it is, and run what was written.

    Args:
        network: from normalized films ``(B, 3, H, W)`` to maps in logits.
        path: the file, ``*.onnx``, ``*.xml`` (OpenVINO; its weights go beside it) or ``*.ts`` (TorchScript). Input
            ``film`` is ``(B, 1, H, W)`` uint8, output ``map`` ``(B, C, h, w)`` float32, B free.
        record: see :func:`~monai_tbkd.backends.export_record.read_record`; precision and format are added here.
        size: (height, width) of the films.
        calibration: films ``(1, H, W)`` uint8 by which ranges for int8 are chosen, or what :func:`int8_network` made of
            them; None leaves float32.
        films: more of them, to compare both networks on; noise is taken in any case.
        keep: blocks that stay float32 in an int8 file, see :class:`~monai_tbkd.backends.int8_quantization.Int8Network`.

    Returns:
        The record as written, with ``largest_difference`` to the network's maps, in logits.

    Raises:
        ValueError: an unknown suffix, a package that is missing, int8 in TorchScript, or (never seen) a float file that
            does not give the network's maps.
    """
    path = Path(path)
    kind = format_of(path)
    if calibration is not None and kind == "torchscript":
        raise ValueError(
            "int8 is written as ONNX or OpenVINO; PyTorch's own int8 would need a network of another make."
        )
    precision = "float32" if calibration is None else "int8"
    full = {**record, "format": kind, "precision": precision}
    if calibration is not None:
        full["weight_bits"] = WEIGHT_BITS
    own = FilmInputNet(network).cpu().eval()
    noise = _noise(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / path.name
        if kind == "torchscript":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # as below
                traced = torch.jit.trace(own, noise, check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(traced, str(part), _extra_files={f"{KEY}.json": json.dumps(full)})  # type: ignore[no-untyped-call]
        else:
            onnx_file = Path(folder) / "network.onnx"
            if calibration is None:
                _write_onnx(own, noise, onnx_file)
            else:
                made = calibration if isinstance(calibration, Int8Network) else int8_network(network, size, calibration)
                made.write(onnx_file, keep)
            if kind == "onnx":
                add_record(onnx_file, full)
                onnx_file.rename(part)
            else:
                _write_openvino(onnx_file, part, full)
        batches = [noise, *(film[None] for film in films)]
        full["largest_difference"], largest = _difference(own, ExportedNet(part), batches)
        if precision == "float32" and not full["largest_difference"] <= TOLERANCE * max(1.0, largest):
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
    films: Sequence[torch.Tensor],
    progress: bool = False,
    share: float | None = 0.5,
) -> Int8Network:
    """A network made ready to be written in 8 bits, more than once if need be.

    Args:
        network: from normalized films ``(B, 3, H, W)`` to maps in logits.
        size: (height, width) of the films.
        films: ``(1, H, W)`` uint8 by which ranges are chosen.
        progress: show a bar, on a terminal.
        share: as of :class:`~monai_tbkd.backends.int8_quantization.Int8Network`.

    Raises:
        ValueError: no films, or a package that is missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        onnx_file = Path(folder) / "network.onnx"
        _write_onnx(FilmInputNet(network).cpu().eval(), _noise(size), onnx_file)
        return Int8Network(onnx_file, films, progress, share)


def _noise(size: tuple[int, int]) -> torch.Tensor:
    return torch.randint(0, 256, (2, 1, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _write_onnx(network: nn.Module, film: torch.Tensor, path: Path) -> None:
    if not optional_import("onnx")[1]:
        raise ValueError("onnx is not installed; install it by pip install 'monai_tbkd[export]'.")
    with warnings.catch_warnings():
        # the exporter that needs no further package; what it traces as constant is constant here (sizes, means)
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (film,),
            str(path),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def _write_openvino(onnx_file: Path, path: Path, record: Mapping[str, Any]) -> None:
    openvino = load_openvino()
    model = openvino_core().read_model(str(onnx_file))
    model.set_rt_info(json.dumps(dict(record)), [KEY])
    openvino.save_model(model, str(path), compress_to_fp16=False)


@torch.no_grad()
def _difference(own: nn.Module, written: nn.Module, batches: Sequence[torch.Tensor]) -> tuple[float, float]:
    """The largest difference of the maps, and the largest logit, which rounding errors go with."""
    pairs = [(own(batch), written(batch)) for batch in batches]
    return max(float((a - b).abs().max()) for a, b in pairs), max(float(a.abs().max()) for a, _ in pairs)
