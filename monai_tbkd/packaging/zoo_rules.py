"""The Model Zoo's rules about a bundle's files and metadata."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from monai.bundle import verify_metadata

from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.packaging.file_hashes import files_of

OK, ERROR, WARNING, SKIPPED = "ok", "error", "warning", "skipped"
LARGEST_MEGABYTES = 25
"""Size of a file that the Model Zoo's repository takes; larger ones are fetched by ``large_files.yml``."""
_HASHES = ("md5", "sha1", "sha256", "sha512")
_TEXTS = {".json", ".yaml", ".yml", ".md", ".txt", ".py", ".conf", ".cfg", ".sh", ".toml"}
_PERSONAL = re.compile(r"(?:/home/|/Users/|/root/|[A-Za-z]:\\+Users\\+)[\w.-]+")

# the published metadata schema, 20240725
_VERSIONS = ("version", "monai_version", "pytorch_version", "numpy_version")
_WORDS = ("task", "description", "authors", "copyright")
_REQUIRED: dict[str, type] = {**dict.fromkeys(("schema", *_VERSIONS, *_WORDS), str), "network_data_format": dict,
                              "required_packages_version": dict}  # fmt: skip
_OPTIONAL: dict[str, type] = {
    **dict.fromkeys(("changelog", "eval_metrics", "supported_apps"), dict),
    **dict.fromkeys(
        ("data_source", "data_type", "image_classes", "label_classes", "pred_classes", "intended_use"), str
    ),
    "references": list,
}
_TENSOR: dict[str, type] = {"type": str, "format": str, "num_channels": int, "spatial_shape": list, "dtype": str,
                            "value_range": list}  # fmt: skip
_VERSION = re.compile(r"\d+(\.\d+)+([._+-]?[0-9A-Za-z.]+)?")
_SIZE = re.compile(r"[\d*/+\- np]+|\*")
_PLACEHOLDERS = ("Your Name Here", "Describe what the network predicts", "A longer description of what the network")


class Finding(NamedTuple):
    """One line of a verification.

    Attributes:
        check: which check, in a word or two.
        level: `OK`, `ERROR`, `WARNING` (a reviewer may ask) or `SKIPPED` (with the reason).
        text: what was found and, where it is an error, what was expected.
    """

    check: str
    level: str
    text: str


def check_folder(root: Path) -> list[Finding]:
    """Check which files a bundle has, how large they are, and that no text holds a personal path."""
    names = files_of(root)
    listed = next((_large_files(root / f"large_files{end}") for end in (".yml", ".yaml", ".json")
                   if (root / f"large_files{end}").is_file()), {})  # fmt: skip
    absent = [name for name in ("LICENSE", "configs/metadata.json") if name not in names]
    found = [Finding("files", ERROR, f"{name} is missing; the zoo requires it.") for name in absent]
    for kind in ("models/model.pt", "configs/inference.json|configs/inference.yaml|configs/inference.yml"):
        if not any(name in names or name in listed for name in kind.split("|")):
            found.append(Finding("files", WARNING, f"{kind} is missing; the zoo prefers a bundle with it."))
    for name in ("docs/README.md", "docs/data_license.txt"):
        if name not in names:
            found.append(Finding("files", WARNING, f"{name} is missing; reviewers ask for it."))
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", root.name):
        found.append(Finding("name", WARNING, f"{root.name}: the zoo's names are like task_modality, in lower case."))
    sizes = {name: (root / name).stat().st_size / 1024**2 for name in names if (root / name).exists()}
    large = [
        Finding("size", ERROR, f"{name} has {size:.1f} MB, more than {LARGEST_MEGABYTES}; list it in large_files.yml.")
        for name, size in sizes.items() if size > LARGEST_MEGABYTES and name not in listed
    ]  # fmt: skip
    fits = Finding("size", OK, f"{len(names)} files, none above {LARGEST_MEGABYTES} MB that is not listed.")
    found += large or [fits]
    found += [_large_file(root, name, entry) for name, entry in listed.items()]
    for path in (root / name for name in names):
        text = path.read_text(encoding="utf-8", errors="replace") if path.suffix in _TEXTS and path.is_file() else ""
        if hit := _PERSONAL.search(text):
            name = path.relative_to(root).as_posix()
            found.append(Finding("paths", ERROR, f"{name} holds a personal path ({hit.group()})."))
    return found if absent else [*found, Finding("files", OK, "required files are there.")]


def _large_files(path: Path) -> dict[str, Mapping[str, Any]]:
    entries = read_config(path).get("large_files") or []
    return {str(entry.get("path")): entry for entry in entries if isinstance(entry, Mapping)}


def _large_file(root: Path, name: str, entry: Mapping[str, Any]) -> Finding:
    missing = [key for key in ("path", "url", "hash_val", "hash_type") if not entry.get(key)]
    kind = str(entry.get("hash_type", "")).lower()
    level, text = ERROR, ""
    if missing:
        text = f"{name}: {', '.join(missing)} is missing in its entry."
    elif kind not in _HASHES:
        text = f"{name}: hash_type is {kind!r}; expected one of {', '.join(_HASHES)}."
    elif not str(entry["url"]).startswith("https://"):
        text = f"{name}: {entry['url']} is no https address."
    elif not (root / name).is_file():
        level, text = SKIPPED, f"{name} is not in the folder, so its hash was not compared."
    else:
        with (root / name).open("rb") as file:
            value = hashlib.file_digest(file, kind).hexdigest()
        if value == str(entry["hash_val"]).lower():
            level, text = OK, f"{name} is as its entry says."
        else:
            text = f"{name} has the {kind} {value}, and its entry says {entry['hash_val']}."
    return Finding("large files", level, text)


def check_metadata(root: Path, schema: Path | None) -> list[Finding]:
    """Check metadata by our rules, and by the published schema where its file is given; nothing is downloaded."""
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
    """Find what in metadata is against the published schema, or against what the schema leaves unsaid."""
    yield from (Finding("metadata", ERROR, text) for text in _errors(metadata))
    if "optional_packages_version" in metadata:
        yield Finding("metadata", WARNING, "optional_packages_version is called required_packages_version by now.")
    if not metadata.get("name"):
        yield Finding("metadata", WARNING, "there is no name to show.")
    network = metadata.get("network_data_format")
    for part, key in (("inputs", "image"), ("outputs", "pred")):
        if isinstance(network, Mapping) and key not in (network.get(part) or {}):
            yield Finding("metadata", WARNING, f"network_data_format has no {part}::{key}; verify_net_in_out and "
                          "MONAI Label look for it.")  # fmt: skip


def _errors(metadata: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrong_types(metadata, _REQUIRED)
    yield from _wrong_types(metadata, {key: kind for key, kind in _OPTIONAL.items() if key in metadata})
    for key, kind in _REQUIRED.items():
        if kind is str and isinstance(metadata.get(key), str) and not metadata[key].strip():
            yield f"{key} is empty."
    for number, reference in enumerate(metadata.get("references") or []):
        if not isinstance(reference, str):
            yield f"references {number} is {type(reference).__name__}; expected text."
    for key in _VERSIONS:
        if isinstance(metadata.get(key), str) and not _VERSION.fullmatch(metadata[key]):
            yield f"{key} is {metadata[key]!r}; expected a version such as 1.2.3."
    changelog = metadata.get("changelog")
    if isinstance(changelog, Mapping) and metadata.get("version") not in changelog:
        yield f"the changelog does not have version {metadata.get('version')}."
    if changelog is None:
        yield "changelog is missing; the zoo looks the version up in it."
    for key in _WORDS:
        if any(word in str(metadata.get(key, "")) for word in _PLACEHOLDERS):
            yield f"{key} is still the template's: {metadata[key]!r}."
    for key, content in metadata.items():
        if re.fullmatch(r"[_a-zA-Z0-9]+_data_format", key) and isinstance(content, Mapping):
            yield from _data_format(key, content)


def _data_format(where: str, content: Mapping[str, Any]) -> Iterator[str]:
    parts = {"inputs": dict, "outputs": dict}
    if "post_processed_outputs" in content:
        parts["post_processed_outputs"] = dict
    yield from _wrong_types(content, parts, f"{where}::")
    for part in parts:
        entries = content.get(part)
        for name, tensor in entries.items() if isinstance(entries, Mapping) else ():
            key = f"{where}::{part}::{name}"
            if isinstance(tensor, Mapping):
                yield from _tensor(key, tensor)
            elif not isinstance(tensor, int | float | str | bool):
                yield f"{key} is {type(tensor).__name__}; expected a tensor's dict."


def _tensor(where: str, tensor: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrong_types(tensor, _TENSOR, f"{where}::")
    for size in tensor.get("spatial_shape") or []:
        if not (_is(size, int) or (isinstance(size, str) and (_SIZE.fullmatch(size) or size.isidentifier()))):
            yield f"{where}::spatial_shape has {size!r}; expected a number, *, or 16*n."
    for value in tensor.get("value_range") or []:
        if not (_is(value, int) or isinstance(value, float)):
            yield f"{where}::value_range has {value!r}; expected numbers, or []."


def _wrong_types(content: Mapping[str, Any], kinds: Mapping[str, type], where: str = "") -> Iterator[str]:
    for key, kind in kinds.items():
        if key not in content:
            yield f"{where}{key} is missing."
        elif not _is(content[key], kind):
            yield f"{where}{key} is {type(content[key]).__name__}; expected {kind.__name__}."


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
