"""Our own statement of what the Model Zoo's metadata schema (20240725) asks for, and of what it leaves unsaid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai.bundle import verify_metadata

from monai_tbkd.packaging.config_layers import read_config
from monai_tbkd.packaging.verification.finding import ERROR, OK, SKIPPED, WARNING, Finding

_REQUIRED: dict[str, type] = {
    "schema": str,
    "version": str,
    "monai_version": str,
    "pytorch_version": str,
    "numpy_version": str,
    "required_packages_version": dict,
    "task": str,
    "description": str,
    "authors": str,
    "copyright": str,
    "network_data_format": dict,
}
_OPTIONAL: dict[str, type] = {
    "changelog": dict,
    "data_source": str,
    "data_type": str,
    "image_classes": str,
    "label_classes": str,
    "pred_classes": str,
    "eval_metrics": dict,
    "intended_use": str,
    "references": list,
    "supported_apps": dict,
}
_TENSOR: dict[str, type] = {
    "type": str,
    "format": str,
    "num_channels": int,
    "spatial_shape": list,
    "dtype": str,
    "value_range": list,
}
_FORMAT = re.compile(r"[_a-zA-Z0-9]+_data_format")
_VERSION = re.compile(r"\d+(\.\d+)+([._+-]?[0-9A-Za-z.]+)?")
_SIZE = re.compile(r"[\d*/+\- np]+|\*")
_PLACEHOLDERS = ("Your Name Here", "Describe what the network predicts", "A longer description of what the network")


def check_metadata(root: Path, schema: Path | None) -> list[Finding]:
    """Metadata against our rules, and against the published schema where it is given.

    Args:
        root: the bundle.
        schema: the schema's file; nothing is downloaded.
    """
    path = root / "configs" / "metadata.json"
    if not path.is_file():
        return [Finding("metadata", ERROR, "configs/metadata.json is missing.")]
    try:
        metadata = read_config(path)
    except ValueError as e:
        return [Finding("metadata", ERROR, str(e))]
    found = list(faults(metadata))
    if not any(f.level == ERROR for f in found):
        found.append(Finding("metadata", OK, f"version {metadata['version']} is in the changelog; our rules are kept."))
    if schema is None:
        return [*found, Finding("schema", SKIPPED, "the published schema was not given (--schema FILE).")]
    if not schema.is_file():  # MONAI would go and fetch it
        return [*found, Finding("schema", ERROR, f"there is no schema {schema}.")]
    try:
        verify_metadata(meta_file=str(path), filepath=str(schema))
    except Exception as e:
        return [*found, Finding("schema", ERROR, f"metadata does not fit {schema.name}: {str(e).splitlines()[0]}")]
    return [*found, Finding("schema", OK, f"metadata fits {schema.name}.")]


def faults(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    """What in metadata is against the rules.

    Args:
        metadata: content of ``metadata.json``.
    """
    for key, kind in _REQUIRED.items():
        if key not in metadata:
            yield Finding("metadata", ERROR, f"{key} is missing.")
        elif not _is(metadata[key], kind):
            yield Finding("metadata", ERROR, f"{key} is {_kind(metadata[key])}; expected {kind.__name__}.")
        elif kind is str and not metadata[key].strip():
            yield Finding("metadata", ERROR, f"{key} is empty.")
    for key, kind in _OPTIONAL.items():
        if key in metadata and not _is(metadata[key], kind):
            yield Finding("metadata", ERROR, f"{key} is {_kind(metadata[key])}; expected {kind.__name__}.")
    for number, reference in enumerate(metadata.get("references") or []):
        if not isinstance(reference, str):
            yield Finding("metadata", ERROR, f"references {number} is {_kind(reference)}; expected text.")
    if "optional_packages_version" in metadata:
        yield Finding("metadata", WARNING, "optional_packages_version is called required_packages_version by now.")
    for key in ("version", "monai_version", "pytorch_version", "numpy_version"):
        if isinstance(metadata.get(key), str) and not _VERSION.fullmatch(metadata[key]):
            yield Finding("metadata", ERROR, f"{key} is {metadata[key]!r}; expected a version such as 1.2.3.")
    changelog = metadata.get("changelog")
    if isinstance(changelog, Mapping) and metadata.get("version") not in changelog:
        yield Finding("metadata", ERROR, f"the changelog does not have version {metadata.get('version')}.")
    if changelog is None:
        yield Finding("metadata", ERROR, "changelog is missing; the zoo looks the version up in it.")
    for key in ("task", "description", "authors", "copyright"):
        if any(word in str(metadata.get(key, "")) for word in _PLACEHOLDERS):
            yield Finding("metadata", ERROR, f"{key} is still the template's: {metadata[key]!r}.")
    if not metadata.get("name"):
        yield Finding("metadata", WARNING, "there is no name to show.")
    for key, content in metadata.items():
        if _FORMAT.fullmatch(key):
            yield from _data_format(key, content)
    network = metadata.get("network_data_format")
    if isinstance(network, Mapping):
        for part, key in (("inputs", "image"), ("outputs", "pred")):
            if key not in (network.get(part) or {}):
                yield Finding("metadata", WARNING, f"network_data_format has no {part}::{key}; verify_net_in_out and "
                              "MONAI Label look for it.")  # fmt: skip


def _data_format(key: str, content: Any) -> Iterator[Finding]:
    if not isinstance(content, Mapping):
        return
    for part in ("inputs", "outputs"):
        if part not in content:
            yield Finding("metadata", ERROR, f"{key} has no {part}.")
    for part in ("inputs", "outputs", "post_processed_outputs"):
        entries = content.get(part, {})
        if not isinstance(entries, Mapping):
            yield Finding("metadata", ERROR, f"{key}::{part} is {_kind(entries)}; expected dict.")
            continue
        for name, tensor in entries.items():
            if isinstance(tensor, Mapping):
                yield from _tensor(f"{key}::{part}::{name}", tensor)
            elif not isinstance(tensor, int | float | str | bool):
                yield Finding("metadata", ERROR, f"{key}::{part}::{name} is {_kind(tensor)}; expected a tensor's dict.")


def _tensor(where: str, tensor: Mapping[str, Any]) -> Iterator[Finding]:
    for key, kind in _TENSOR.items():
        if key not in tensor:
            yield Finding("metadata", ERROR, f"{where} has no {key}.")
        elif not _is(tensor[key], kind):
            yield Finding("metadata", ERROR, f"{where}::{key} is {_kind(tensor[key])}; expected {kind.__name__}.")
    for size in tensor.get("spatial_shape") or []:
        if not (_is(size, int) or (isinstance(size, str) and (_SIZE.fullmatch(size) or size.isidentifier()))):
            yield Finding("metadata", ERROR, f"{where}::spatial_shape has {size!r}; expected a number, *, or 16*n.")
    for value in tensor.get("value_range") or []:
        if not (_is(value, int) or isinstance(value, float)):
            yield Finding("metadata", ERROR, f"{where}::value_range has {value!r}; expected numbers, or [].")


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def _kind(value: Any) -> str:
    return type(value).__name__
