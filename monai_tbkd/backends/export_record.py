"""What an exported file says about itself, inside the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.utils import optional_import

from monai_tbkd.backends.quiet_openvino import openvino_core

KEY = "monai_tbkd"
SUFFIXES = {".onnx": "onnx", ".xml": "openvino", ".ts": "torchscript"}
_NEEDED = ("precision", "model_version", "checkpoint_sha256", "architecture", "image_size", "pooling")


def format_of(path: str | Path) -> str:
    """The format of an exported file, by its suffix.

    Raises:
        ValueError: another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(f"{end} ({name})" for end, name in SUFFIXES.items())
        raise ValueError(f"{path} is no exported network by its name; expected one that ends with {known}.")
    return SUFFIXES[suffix]


def add_record(path: Path, record: Mapping[str, Any]) -> None:
    """Put a record into an ONNX file (OpenVINO and TorchScript take theirs when they are written)."""
    onnx, _ = optional_import("onnx")
    model = onnx.load(str(path))
    kept = [each for each in model.metadata_props if each.key != KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(dict(record))
    onnx.save(model, str(path))


def read_record(path: str | Path) -> dict[str, Any]:
    """The record of an exported file.

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
    try:
        text = _READERS[kind](path)
        record = json.loads(text)
    except (RuntimeError, json.JSONDecodeError) as error:
        raise ValueError(_foreign(path)) from error
    except Exception as error:  # onnxruntime's errors have no common base that can be caught without it
        if type(error).__module__.startswith("onnxruntime"):
            raise ValueError(_foreign(path)) from error
        raise
    if not isinstance(record, dict) or any(key not in record for key in _NEEDED):
        raise ValueError(_foreign(path))
    return record


def _foreign(path: Path) -> str:
    return (
        f"{path} does not say which model it holds; expected a file that python -m monai_tbkd export wrote. It may be "
        "damaged, or of another program: export it again."
    )


def _of_onnx(path: Path) -> str:
    runtime, found = optional_import("onnxruntime")
    if not found:
        raise ValueError("onnxruntime is not installed; install it by pip install 'monai_tbkd[export]'.")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return str(session.get_modelmeta().custom_metadata_map.get(KEY, "null"))


def _of_openvino(path: Path) -> str:
    model = openvino_core().read_model(str(path))
    return str(model.get_rt_info([KEY]).value) if model.has_rt_info([KEY]) else "null"


def _of_torchscript(path: Path) -> str:
    files = {f"{KEY}.json": ""}
    torch.jit.load(str(path), map_location="cpu", _extra_files=files)  # type: ignore[no-untyped-call]
    text = files[f"{KEY}.json"]
    return text.decode() if isinstance(text, bytes) else text


_READERS = {"onnx": _of_onnx, "openvino": _of_openvino, "torchscript": _of_torchscript}
