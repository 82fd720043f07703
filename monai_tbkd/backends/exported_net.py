"""An exported file in the place of the network."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import optional_import
from numpy.typing import NDArray
from torch import nn

from monai_tbkd.backends.export_record import format_of, read_record
from monai_tbkd.backends.quiet_openvino import openvino_core

logger = logging.getLogger(__name__)

INPUT, OUTPUT = "film", "map"
RUNTIMES = {"onnxruntime": ("onnx",), "openvino": ("openvino", "onnx"), "torchscript": ("torchscript",)}
"""Runtimes and the formats that each reads."""
PRECISIONS = ("float32", "bfloat16")

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
MapOf = Callable[[torch.Tensor], torch.Tensor]
"""Films ``(B, 1, H, W)`` uint8 to maps in logits ``(B, C, h, w)`` float32."""


class ExportedNet(nn.Module):
    """Films to maps by another runtime, as if by the network.

    It has no parameters: the weights are the runtime's. It computes on the CPU with as many threads as torch.

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

    def forward(self, film: torch.Tensor) -> torch.Tensor:
        """Films ``(B, 1, H, W)`` uint8 to maps in logits ``(B, C, h, w)`` float32, on the CPU.

        Raises:
            ValueError: films of another type or shape.
        """
        plain = film.as_tensor() if isinstance(film, MetaTensor) else film
        if plain.dtype != torch.uint8 or plain.ndim != 4 or plain.shape[1] != 1:
            raise ValueError(
                f"The films are {tuple(plain.shape)} {plain.dtype}; expected (B, 1, H, W) uint8, not normalized."
            )
        return self._run(plain)


def open_network(path: Path, runtime: str, precision: str = "float32") -> MapOf:
    """A written network to be run as it is, without a record.

    Args:
        path: of a format that the runtime reads.
        runtime: ``onnxruntime``, ``openvino`` or ``torchscript``.
        precision: as of :class:`ExportedNet`.
    """
    run = _OPENERS[runtime](path, precision)
    return lambda films: torch.from_numpy(run(films.cpu().numpy()))


@cache
def _leave_runtimes_to_their_process() -> None:
    """Keep forked processes from collecting what they got from their parent.

    A runtime's destructor waits for its threads, and a fork has none of them. A network of an inference that is over
    lies in a cycle of objects until garbage is collected, and where a worker of a data loader was the one to do so, it
    hung for ever or died.
    """
    if hasattr(os, "register_at_fork"):  # not where processes are spawned
        os.register_at_fork(after_in_child=gc.freeze)


def _open_onnx(path: Path, precision: str) -> Run:
    runtime, _ = optional_import("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda films: session.run([OUTPUT], {INPUT: films})[0]  # type: ignore[no-any-return]


def _open_openvino(path: Path, precision: str) -> Run:
    settings = {
        # left to itself it computes in bfloat16 on processors that have it, without saying so
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = openvino_core().compile_model(str(path), "CPU", settings)
    return lambda films: compiled([films])[0].copy()  # type: ignore[no-any-return]


def _open_torchscript(path: Path, precision: str) -> Run:
    network = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]

    def run(films: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return network(torch.from_numpy(films)).numpy()  # type: ignore[no-any-return]

    return run


_OPENERS = {"onnxruntime": _open_onnx, "openvino": _open_openvino, "torchscript": _open_torchscript}
