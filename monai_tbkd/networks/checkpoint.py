"""Finished checkpoints: weights with a record beside them that says what they are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from monai_tbkd import __version__
from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.networks.weights import load_checkpoint, save_plain

PHANTOM_ONLY = "phantom images only"
"""In the version of a model that was trained on phantom images and knows no real one."""


def record_path(checkpoint: str | Path) -> Path:
    """Path of a checkpoint's record: ``model.pt`` has ``model.json``."""
    return Path(checkpoint).with_suffix(".json")


def write_checkpoint(network: nn.Module, path: str | Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Write a network's state dict and its record, each atomically; returns the record as written.

    The record is written last and holds the hash of the weights, so that nothing that a killed run leaves is taken for
    a finished checkpoint.
    """
    record_path(path).unlink(missing_ok=True)
    save_plain(network.state_dict(), path)
    known = {"architecture": getattr(network, "architecture", None), "sha256": file_sha256(path)}
    full = {"finished": True, **record, **known}
    write_json(record_path(path), full)
    return full


def model_version(checkpoint: str | Path) -> str:
    """The program's version, the record's ``name`` and the hash, like ``"monai_tbkd 0.1.0, model 0a1b2c3d4e5f"``.

    `PHANTOM_ONLY` follows where the model knows no real image.
    """
    record = read_record(checkpoint)
    model = file_sha256(checkpoint)[:12] if Path(checkpoint).is_file() else "untrained"
    phantom = f", {PHANTOM_ONLY}" if knows_no_real_image(record) else ""
    return f"monai_tbkd {__version__}, {(record or {}).get('name') or 'model'} {model}{phantom}"


def knows_no_real_image(record: Mapping[str, Any] | None) -> bool:
    """Whether a checkpoint's record says that the model was trained on phantom images alone."""
    images = (record or {}).get("images")
    return isinstance(images, Mapping) and bool(images.get("phantom")) and not images.get("other")


_OF_VERSION_01 = {"films": "images", "film_size": "whole_image_size", "train_films": "train_images"}
"""Keys of records that version 0.1 wrote, and their names today."""


def read_record(path: str | Path) -> dict[str, Any] | None:
    """The record of a finished checkpoint, or None where there is none or it doesn't belong to these weights."""
    path = Path(path)
    if not path.is_file() or not record_path(path).is_file():
        return None
    try:
        record = json.loads(read_text(record_path(path)))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    if not isinstance(record, dict) or not record.get("finished") or record.get("sha256") != file_sha256(path):
        return None
    settings = record.get("settings")
    return _renamed({**record, "settings": _renamed(settings)} if isinstance(settings, Mapping) else record)


def _renamed(old: Mapping[str, Any]) -> dict[str, Any]:
    return {_OF_VERSION_01.get(key, key): value for key, value in old.items()}


def load_finished(network: nn.Module, path: str | Path, stage: str) -> nn.Module:
    """Load the checkpoint of a finished stage into a network, in place; ``stage`` is for the message.

    Raises:
        FileNotFoundError: the stage has not finished.
        ValueError: a checkpoint of another architecture.
    """
    record = read_record(path)
    if record is None:
        raise FileNotFoundError(
            f"There is no finished {stage} at {path} (with its record {record_path(path).name} beside it); train it "
            f"first with --stage {stage}."
        )
    check_architecture(network, record, path)
    return load_checkpoint(network, path)


def check_architecture(network: nn.Module, record: Mapping[str, Any], path: str | Path) -> None:
    """Refuse (ValueError) a checkpoint whose record names another architecture; an equal state dict can hide one."""
    own, theirs = getattr(network, "architecture", None), record.get("architecture")
    if own is None or theirs is None:
        return
    before = {"network_class": own.get("network_class"), "mirror": True}  # records before 0.2 had none
    theirs = {**{key: value for key, value in before.items() if key in own}, **theirs}
    differing = settings_that_differ(theirs, own)
    if differing:
        raise ValueError(
            f"{path} is a checkpoint of another architecture: {differing}. Set these as they were when it "
            "was trained, or give another checkpoint folder (--ckpt_dir) to train anew."
        )


def refuse_other_settings(record: Mapping[str, Any], settings: Mapping[str, Any], path: str | Path) -> None:
    """Refuse (ValueError) a checkpoint whose record has other ``settings`` than those given.

    A record without settings passes, and so do settings of the record that are not given.
    """
    theirs = record.get("settings")
    differing = "" if theirs is None else settings_that_differ(theirs, settings)
    if differing:
        raise ValueError(
            f"{path} was trained with other settings: {differing}. Set these as they were when it was "
            "trained (the same recipe and data set do), or train anew: remove it, or give another checkpoint folder "
            "(--ckpt_dir)."
        )


def settings_that_differ(theirs: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """List each setting of ``here`` that was another, for a message; empty where there is none.

    A setting that is false, 0 or empty equals one that is missing.

    Example:
        >>> settings_that_differ({"seed": 0, "epochs": 20}, {"seed": 1, "lung_crop": False})
        'seed 0 (here 1)'
    """
    differing = {k: v for k, v in here.items() if theirs.get(k, None if v else v) != v}
    return ", ".join(f"{k} {theirs.get(k)!r} (here {v!r})" for k, v in differing.items())


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal; read anew only when the file has changed."""
    found = Path(path).stat()
    return _sha256(os.path.realpath(path), found.st_mtime_ns, found.st_size, found.st_ino)


@cache
def _sha256(path: str, *_: int) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
