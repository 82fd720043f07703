"""An exported file in place of the network, and the record inside the file."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import optional_import
from numpy.typing import NDArray
from torch import nn

logger = logging.getLogger(__name__)

KEY = "monai_tbkd"
INPUT, OUTPUT = "image", "map"
SUFFIXES = {".onnx": "onnx", ".xml": "openvino", ".ts": "torchscript"}
RUNTIMES = {"onnxruntime": ("onnx",), "openvino": ("openvino", "onnx"), "torchscript": ("torchscript",)}
"""Runtimes and the formats that each reads."""
PRECISIONS = ("float32", "bfloat16")
_NEEDED = ("precision", "model_version", "checkpoint_sha256", "architecture", "image_size", "pooling")

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
MapOf = Callable[[torch.Tensor], torch.Tensor]
"""Images ``(B, 1, H, W)`` uint8 to maps in logits ``(B, C, h, w)`` float32."""


class ExportedNet(nn.Module):
    """Compute maps by another runtime, on the CPU with as many threads as torch.

    It has no parameters: the weights are the runtime's.

    Args:
        path: what :func:`~monai_tbkd.backends.export_network` wrote.
        runtime: ``onnxruntime``, ``openvino`` or ``torchscript``; by default the one that the format is named after.
        precision: what is not int8 is computed in ``float32``, or in ``bfloat16`` (OpenVINO alone).

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of another kind, an unknown runtime, or one that is not installed.
    """

    def __init__(self, path: str | Path, runtime: str | None = None, precision: str = "float32") -> None:
        super().__init__()
        self.path = Path(path)
        kind = format_of(self.path)
        self.runtime = runtime or ("onnxruntime" if kind == "onnx" else kind)
        if self.runtime not in RUNTIMES:
            raise ValueError(f"The runtime is {runtime!r}; expected one of {', '.join(RUNTIMES)}.")
        if kind not in RUNTIMES[self.runtime]:
            raise ValueError(
                f"{self.runtime} does not read {self.path.name}; give a file that was exported by --format "
                f"{RUNTIMES[self.runtime][0]}."
            )
        if precision not in PRECISIONS or (precision != "float32" and self.runtime != "openvino"):
            raise ValueError(
                f"precision is {precision!r} with {self.runtime}; expected float32, or bfloat16 with openvino."
            )
        self.precision = precision
        self.record: dict[str, Any] = read_record(self.path)
        if self.record["precision"] == "int8" and "weight_bits" not in self.record:
            logger.warning(
                "%s has weights of 8 bits, from version 0.1: on processors without VNNI instructions sums overflow and "
                "its boxes are others. Export it again.",
                self.path,
            )
        _leave_runtimes_to_their_process()
        self._run = open_network(self.path, self.runtime, precision)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images ``(B, 1, H, W)`` uint8 to logits ``(B, C, h, w)`` float32, on the CPU.

        Raises:
            ValueError: images of another type or shape.
        """
        plain = image.as_tensor() if isinstance(image, MetaTensor) else image
        if plain.dtype != torch.uint8 or plain.ndim != 4 or plain.shape[1] != 1:
            raise ValueError(
                f"The images are {tuple(plain.shape)} {plain.dtype}; expected (B, 1, H, W) uint8, not normalized."
            )
        return self._run(plain)


def open_network(path: Path, runtime: str, precision: str = "float32") -> MapOf:
    """Open a written network, with or without a record, by a runtime that reads its format."""
    run = _OPENERS[runtime](path, precision)
    return lambda images: torch.from_numpy(run(images.cpu().numpy()))


@cache
def _leave_runtimes_to_their_process() -> None:
    """Keep forked processes from collecting what they got from their parent.

    A runtime's destructor waits for its threads, and a fork has none of them. A network of a finished inference lies in
    a cycle of objects until garbage is collected; a data loader's worker that collected it hung for ever or died.
    """
    if hasattr(os, "register_at_fork"):  # not where processes are spawned
        os.register_at_fork(after_in_child=gc.freeze)


def onnx_session(model: str | bytes, optimized: bool = True) -> Any:
    """Open an ONNX network by its path or content, with as many threads as torch."""
    runtime, found = optional_import("onnxruntime")
    if not found:
        raise ValueError("onnxruntime is not installed; install it by pip install 'monai_tbkd[export]'.")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _open_onnx(path: Path, precision: str) -> Run:
    session = onnx_session(str(path))
    return lambda images: session.run([OUTPUT], {INPUT: images})[0]  # type: ignore[no-any-return]


def _open_openvino(path: Path, precision: str) -> Run:
    settings = {
        # left to itself it computes in bfloat16 on processors that have it, without saying so
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = openvino_core().compile_model(str(path), "CPU", settings)
    return lambda images: compiled([images])[0].copy()  # type: ignore[no-any-return]


def _open_torchscript(path: Path, precision: str) -> Run:
    network = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return network(torch.from_numpy(images)).numpy()  # type: ignore[no-any-return]

    return run


_OPENERS = {"onnxruntime": _open_onnx, "openvino": _open_openvino, "torchscript": _open_torchscript}


def load_openvino() -> Any:
    """Import OpenVINO without its telemetry.

    ``import openvino`` sends an event to an analytics service if the package ``openvino_telemetry``, which pip installs
    with it, can be imported; else it takes a stub. It is too late once another part of the program has imported it.
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    openvino, found = optional_import("openvino")
    if not found:
        raise ValueError("OpenVINO is not installed; install it by pip install 'monai_tbkd[export]'.")
    return openvino


@cache
def openvino_core() -> Any:
    """Return the process's one ``openvino.Core``, which lives as long as the process.

    On processors with AMX each Core replaces the thread's alternate signal stack and, when destroyed, puts the earlier
    one back (OpenVINO pull request 11894). Two whose lives overlap leave a stack that is unmapped, and the next signal
    kills the process.
    """
    return load_openvino().Core()


def format_of(path: str | Path) -> str:
    """Return the format of an exported file, by its suffix.

    Raises:
        ValueError: another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(f"{end} ({name})" for end, name in SUFFIXES.items())
        raise ValueError(f"{path} is no exported network by its name; expected one that ends with {known}.")
    return SUFFIXES[suffix]


def suffix_of(kind: str) -> str:
    """Return the suffix of a format's files."""
    return next(end for end, name in SUFFIXES.items() if name == kind)


def add_record(path: Path, record: Mapping[str, Any]) -> None:
    """Put a record into an ONNX file (OpenVINO and TorchScript take theirs when they are written)."""
    onnx, _ = optional_import("onnx")
    model = onnx.load(str(path))
    onnx.helper.set_model_props(
        model, {**{p.key: p.value for p in model.metadata_props}, KEY: json.dumps(dict(record))}
    )
    onnx.save(model, str(path))


def read_record(path: str | Path) -> dict[str, Any]:
    """Read the record of an exported file.

    Returns:
        ``format``, ``precision`` (``float32`` or ``int8``), ``model_version``, ``checkpoint_sha256``,
        ``architecture``, ``image_size``, ``pooling``, ``operating_point`` (or None), ``notice`` and, for int8,
        ``calibration`` and ``weight_bits``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a file that ``export`` wrote, or a runtime that is missing.
    """
    path = Path(path)
    kind = format_of(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no exported network {path}; make it by python -m monai_tbkd export --format {kind}."
        )
    cause: Exception | None = None
    record = None
    try:
        record = json.loads(_READERS[kind](path))
    except (RuntimeError, json.JSONDecodeError) as error:
        cause = error
    except Exception as error:  # onnxruntime's errors have no common base that can be caught without it
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        cause = error
    if not isinstance(record, dict) or any(key not in record for key in _NEEDED):
        raise ValueError(
            f"{path} does not say which model it holds; expected a file that python -m monai_tbkd export wrote. It may "
            "be damaged, or of another program: export it again."
        ) from cause
    return record


def _of_onnx(path: Path) -> str:
    return str(onnx_session(str(path), optimized=False).get_modelmeta().custom_metadata_map.get(KEY, "null"))


def _of_openvino(path: Path) -> str:
    model = openvino_core().read_model(str(path))
    return str(model.get_rt_info([KEY]).value) if model.has_rt_info([KEY]) else "null"


def _of_torchscript(path: Path) -> str:
    files = {f"{KEY}.json": ""}
    torch.jit.load(str(path), map_location="cpu", _extra_files=files)  # type: ignore[no-untyped-call]
    text = files[f"{KEY}.json"]
    return text.decode() if isinstance(text, bytes) else text


_READERS = {"onnx": _of_onnx, "openvino": _of_openvino, "torchscript": _of_torchscript}
