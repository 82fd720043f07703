"""Weights and activations in 8 bits, their ranges chosen on films."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.utils import optional_import

FIRST_STAGES = ("stem", "layer1", "layer2", "layer3")
"""The stage from which on a network may be in 8 bits."""


def quantize(source: Path, target: Path, films: Sequence[torch.Tensor], first: str = "stem") -> Path:
    """Post-training quantization of an ONNX file: convolutions in 8 bits, weights channel by channel.

    Normalization and the head that gives the map stay float32.

    Args:
        source: the float32 file; input ``film``.
        target: gets the quantized one, in pairs of QuantizeLinear and DequantizeLinear, which onnxruntime and OpenVINO
            both turn into 8-bit kernels.
        films: ``(1, H, W)`` uint8, whose activations set the ranges.
        first: the first stage in 8 bits; those before it stay float32. The earliest activations of a ResNet may have
            channels with ranges so different that 8 bits cannot hold them together.

    Returns:
        The target.

    Raises:
        ValueError: no films, an unknown stage, or onnxruntime is not installed.
    """
    if first not in FIRST_STAGES:
        raise ValueError(f"The first stage in 8 bits is {first!r}; expected one of {', '.join(FIRST_STAGES)}.")
    if not films:
        raise ValueError("There are no films to choose 8-bit ranges by; give 100 or so.")
    if not optional_import("onnxruntime")[1]:
        raise ValueError("onnxruntime is not installed; install it by pip install 'monai_tbkd[export]'.")
    quantization, _ = optional_import("onnxruntime.quantization")
    prepare, _ = optional_import("onnxruntime.quantization.shape_inference", name="quant_pre_process")
    folded = target.with_name("folded.onnx")
    prepare(str(source), str(folded), skip_symbolic_shape=True)
    onnx, _ = optional_import("onnx")
    names = [node.name for node in onnx.load(str(folded)).graph.node]
    quantization.quantize_static(
        str(folded),
        str(target),
        _FilmReader(films),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        nodes_to_exclude=[name for name in names if _stays_float(name, first)],
    )
    return target


def _stays_float(name: str, first: str) -> bool:
    # Nodes are named after their modules: /network/conv1/Conv, /network/layer1/layer1.0/conv1_1/Conv.
    kept = ["head"]
    before = FIRST_STAGES[: FIRST_STAGES.index(first)]
    if before:
        kept += ["conv1", "bn1", "act", "maxpool", *before[1:]]
    return re.match(rf"/network/({'|'.join(kept)})(_\d+)?/", name) is not None


class _FilmReader:
    """onnxruntime's interface of calibration data, one film a step."""

    def __init__(self, films: Sequence[torch.Tensor]) -> None:
        self.films = films
        self._left: Iterator[torch.Tensor] = iter(films)

    def get_next(self) -> dict[str, Any] | None:
        film = next(self._left, None)
        return None if film is None else {"film": film[None].cpu().numpy()}

    def rewind(self) -> None:
        self._left = iter(self.films)
