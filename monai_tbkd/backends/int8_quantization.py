"""Weights and activations in 8 bits, their ranges chosen on films."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.utils import optional_import


def quantize(source: Path, target: Path, films: Sequence[torch.Tensor]) -> Path:
    """Post-training quantization of an ONNX file: every convolution in 8 bits, weights channel by channel.

    What is before the first and after the last convolution (normalization, the map) stays float32.

    Args:
        source: the float32 file; input ``film``.
        target: gets the quantized one, in pairs of QuantizeLinear and DequantizeLinear, which onnxruntime and OpenVINO
            both turn into 8-bit kernels.
        films: ``(1, H, W)`` uint8, whose activations set the ranges.

    Returns:
        The target.

    Raises:
        ValueError: no films, or onnxruntime is not installed.
    """
    if not films:
        raise ValueError("There are no films to choose 8-bit ranges by; give 100 or so.")
    if not optional_import("onnxruntime")[1]:
        raise ValueError("onnxruntime is not installed; install it by pip install 'monai_tbkd[export]'.")
    quantization, _ = optional_import("onnxruntime.quantization")
    prepare, _ = optional_import("onnxruntime.quantization.shape_inference", name="quant_pre_process")
    folded = target.with_name("folded.onnx")
    prepare(str(source), str(folded), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(folded),
        str(target),
        _FilmReader(films),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return target


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
