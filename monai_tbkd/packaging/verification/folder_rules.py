"""Which files a bundle's folder has, how large they are, and what stands in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.packaging.config_layers import read_config
from monai_tbkd.packaging.file_hashes import files_of
from monai_tbkd.packaging.verification.finding import ERROR, OK, SKIPPED, WARNING, Finding

LARGEST_MEGABYTES = 25
_REQUIRED = ("LICENSE", "configs/metadata.json")
_LISTS = ("large_files.yml", "large_files.yaml", "large_files.json")
_HASHES = ("md5", "sha1", "sha256", "sha512")
_TEXTS = {".json", ".yaml", ".yml", ".md", ".txt", ".py", ".conf", ".cfg", ".sh", ".toml"}
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
_PERSONAL = re.compile(r"(?:/home/|/Users/|/root/|[A-Za-z]:\\+Users\\+)[\w.-]+")


def check_folder(root: Path) -> list[Finding]:
    """The zoo's rules about files.

    Args:
        root: the bundle.
    """
    names = files_of(root)
    found = [
        Finding("files", ERROR, f"{name} is missing; the zoo requires it.") for name in _REQUIRED if name not in names
    ]
    large, listed = [], _large_files(root)
    for kind in ("models/model.pt", "configs/inference.json|configs/inference.yaml|configs/inference.yml"):
        if not any(name in names or name in listed for name in kind.split("|")):
            found.append(Finding("files", WARNING, f"{kind} is missing; the zoo prefers a bundle with it."))
    for name in ("docs/README.md", "docs/data_license.txt"):
        if name not in names:
            found.append(Finding("files", WARNING, f"{name} is missing; reviewers ask for it."))
    if not _NAME.fullmatch(root.name):
        found.append(Finding("name", WARNING, f"{root.name}: the zoo's names are like task_modality, in lower case."))
    for name in names:
        size = (root / name).stat().st_size / 1024**2 if (root / name).exists() else 0.0
        if size > LARGEST_MEGABYTES and name not in listed:
            large.append(Finding("size", ERROR, f"{name} has {size:.1f} MB, more than {LARGEST_MEGABYTES}; list it in "
                                 "large_files.yml."))  # fmt: skip
    found += large or [
        Finding("size", OK, f"{len(names)} files, none above {LARGEST_MEGABYTES} MB that is not listed.")
    ]
    found += _check_large_files(root, listed)
    found += _personal_paths(root, names)
    if not any(f.check == "files" and f.level == ERROR for f in found):
        found.append(Finding("files", OK, "required files are there."))
    return found


def _large_files(root: Path) -> dict[str, Mapping[str, Any]]:
    for name in _LISTS:
        if (root / name).is_file():
            entries = read_config(root / name).get("large_files") or []
            return {str(entry.get("path")): entry for entry in entries if isinstance(entry, Mapping)}
    return {}


def _check_large_files(root: Path, listed: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for name, entry in listed.items():
        missing = [key for key in ("path", "url", "hash_val", "hash_type") if not entry.get(key)]
        kind = str(entry.get("hash_type", "")).lower()
        if missing:
            yield Finding("large files", ERROR, f"{name}: {', '.join(missing)} is missing in its entry.")
        elif kind not in _HASHES:
            yield Finding("large files", ERROR, f"{name}: hash_type is {kind!r}; expected one of {', '.join(_HASHES)}.")
        elif not str(entry["url"]).startswith("https://"):
            yield Finding("large files", ERROR, f"{name}: {entry['url']} is no https address.")
        elif not (root / name).is_file():
            yield Finding("large files", SKIPPED, f"{name} is not in the folder, so its hash was not compared.")
        else:
            with (root / name).open("rb") as file:
                value = hashlib.file_digest(file, kind).hexdigest()
            same = value == str(entry["hash_val"]).lower()
            text = (
                "is as its entry says." if same else f"has the {kind} {value}, and its entry says {entry['hash_val']}."
            )
            yield Finding("large files", OK if same else ERROR, f"{name} {text}")


def _personal_paths(root: Path, names: list[str]) -> Iterator[Finding]:
    for name in names:
        path = root / name
        if path.suffix in _TEXTS and path.is_file():
            hit = _PERSONAL.search(path.read_text(encoding="utf-8", errors="replace"))
            if hit:
                yield Finding("paths", ERROR, f"{name} holds a personal path ({hit.group()}).")
