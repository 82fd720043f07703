"""Labels, notes on labels and notes on images, as files in a folder; no server is needed to read them."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from monai_tbkd.data.files.atomic_write import atomic_write, read_json_object, write_json
from monai_tbkd.label.image_ids import check_name, is_safe_id
from monai_tbkd.label.image_label import ImageLabel, read_label
from monai_tbkd.label.report_label import REPORT_SUFFIX

FINAL = "final"
"""The tag of a label that an annotator has finished."""
LABELS_FOLDER = "tbkd_labels"
"""Beside the images of a folder, or beside those fetched from a PACS."""
PACS_IMAGES = "images"
_PACS_MARK = "pacs.json"
_OF, _BEFORE = "_label_sha256", "_before"
LABEL_SUFFIXES = (".json", ".xml", REPORT_SUFFIX, ".nii.gz", ".nii", ".nrrd", ".png")
"""What a label may be: boxes (JSON, XML, DICOM SR) or a mask."""


class MissingError(ValueError):
    """There is no such image or label."""


class LabelFolder:
    """``labels/<tag>/<image id><suffix>`` and, beside, notes on each label and image.

    There is no index: what lies in the folders is what there is. Every file is written whole. A server, its batch and
    its scoring write from processes of their own, so each locks the folder while it writes.

    Args:
        root: folder that holds ``labels``, ``label_info`` and ``image_info``; made when something is written.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def images(self, tag: str = FINAL) -> list[str]:
        """Identifiers of images with a label of this tag."""
        folder, found = self.root / "labels" / tag, set()
        for path in folder.iterdir() if is_safe_id(tag) and folder.is_dir() else ():
            suffix = next((each for each in LABEL_SUFFIXES if path.name.endswith(each)), None)
            if suffix and is_safe_id(path.name.removesuffix(suffix)):
                found.add(path.name.removesuffix(suffix))
        return sorted(found)

    def tags(self) -> dict[str, int]:
        """Tags and how many labels they have."""
        folder = self.root / "labels"
        names = sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
        return {name: len(self.images(name)) for name in names if is_safe_id(name)}

    def path(self, image: str, tag: str = FINAL) -> Path | None:
        """The label's file, None where there is none."""
        if not (is_safe_id(image) and is_safe_id(tag)):
            return None
        root = os.path.realpath(self.root)  # a link that leads elsewhere is no label
        found = [
            path for path in self._paths(image, tag)
            if path.is_file() and Path(os.path.realpath(path)).is_relative_to(root)
        ]  # fmt: skip
        if len(found) > 1:  # a save was cut off before the former label was removed
            name = self._note(image, tag).get("name")
            found = [path for path in found if path.name == name] or found
        return found[0] if found else None

    def found(self, image: str, tag: str) -> Path:
        """The label's file; a `MissingError` where there is none."""
        path = self.path(image, tag)
        if path is None:
            raise MissingError(f"{image} has no label of the tag {tag}.")
        return path

    def content(self, image: str, tag: str) -> tuple[str, bytes]:
        """A label's file name and its present content, however others replace it meanwhile; `MissingError` for none."""
        path = self.found(image, tag)
        try:
            return path.name, path.read_bytes()
        except OSError as error:  # removed meanwhile
            raise MissingError(f"{image} has no label of the tag {tag}.") from error

    def read(self, image: str, path: Path, tag: str = FINAL) -> ImageLabel:
        """Read a label of the image at `path`, a file or the folder of a DICOM series, for a table.

        Raises:
            ValueError: there is no label, it cannot be understood, or the image's path cannot stand in a table.
            ImageError: the image cannot be read.
        """
        check_name(str(path))
        return read_label(self.found(image, tag), path, self.info(image, tag), image)

    def info(self, image: str, tag: str = FINAL) -> dict[str, Any]:
        """The note on a label."""
        note = self._note(image, tag) if self.path(image, tag) else {}
        return {key: value for key, value in note.items() if key not in (_OF, _BEFORE)}

    def image_info(self, image: str) -> dict[str, Any]:
        """The note on an image, such as scores."""
        return read_json_object(self.root / "image_info" / f"{image}.json") if is_safe_id(image) else {}

    def save(self, image: str, file: Path, tag: str = FINAL, info: Mapping[str, Any] | None = None) -> Path:
        """Keep a label, with a note, in place of one of the same image and tag."""
        _check(image, tag)
        suffix = label_suffix(file)
        target = self.root / "labels" / tag / f"{image}{suffix}"
        note = {**(info or {}), "ts": int(time.time()), "name": target.name}
        with self._locked():
            # A kill at any moment leaves a label with its own note: until all is done the note's file holds both, and
            # the label itself says which of them is its own.
            before = self.info(image, tag)
            with atomic_write(target) as part:
                part.touch(0o600 if suffix == REPORT_SUFFIX else 0o666)  # a report names the patient
                shutil.copyfile(file, part)
                write_json(self._note_path(image, tag), {**note, _OF: _sha256(part), _BEFORE: before})
            for other in self._paths(image, tag):
                if other != target:
                    other.unlink(missing_ok=True)
            write_json(self._note_path(image, tag), note)
        return target

    def remove(self, image: str, tag: str) -> None:
        """Remove a label; nothing happens where there is none."""
        if self.path(image, tag) is not None:
            with self._locked():
                for path in (*self._paths(image, tag), self._note_path(image, tag)):  # a save that was cut off left two
                    path.unlink(missing_ok=True)

    def update_info(self, image: str, tag: str, info: Mapping[str, Any]) -> None:
        """Add to the note on a label; a `MissingError` where there is none."""
        _check(image, tag)
        self.found(image, tag)
        with self._locked():
            write_json(self._note_path(image, tag), {**self.info(image, tag), **info})

    def update_image_info(self, image: str, info: Mapping[str, Any]) -> None:
        """Add to the note on an image."""
        _check(image, FINAL)
        with self._locked():
            write_json(self.root / "image_info" / f"{image}.json", {**self.image_info(image), **info})

    def _note(self, image: str, tag: str) -> dict[str, Any]:
        """The note of the label that is there, where a save was cut off between the two."""
        note = read_json_object(self._note_path(image, tag))
        if _BEFORE not in note:
            return note
        new = self.root / "labels" / tag / str(note.get("name"))
        return note if new.is_file() and _sha256(new) == note.get(_OF) else note_of(note, _BEFORE)

    def _paths(self, image: str, tag: str) -> list[Path]:
        return [self.root / "labels" / tag / f"{image}{suffix}" for suffix in LABEL_SUFFIXES]

    def _note_path(self, image: str, tag: str) -> Path:
        return self.root / "label_info" / tag / f"{image}.json"

    def _locked(self) -> FileLock:
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / ".lock", poll_interval=0.01)


def mark_pacs_store(store: Path) -> None:
    """Mark a store whose images are fetched from a PACS, in folders named by their series."""
    write_json(store / _PACS_MARK, {"images": "fetched from a DICOMweb server; they hold patient data"})


def is_pacs_store(store: Path) -> bool:
    """Whether `mark_pacs_store` has marked a store."""
    return (store / _PACS_MARK).is_file()


def note_of(info: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A note within a note; empty where it is none, since notes may be edited by hand."""
    note = info.get(key)
    return note if isinstance(note, dict) else {}


def label_suffix(file: Path) -> str:
    """The suffix of a label's file; a ValueError where it is none of `LABEL_SUFFIXES`."""
    for suffix in LABEL_SUFFIXES:
        if file.name.lower().endswith(suffix):
            return suffix
    raise ValueError(
        f"A label of the type {''.join(file.suffixes) or 'unknown'}; expected {', '.join(LABEL_SUFFIXES)}."
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check(image: str, tag: str) -> None:
    for what, text in (("identifier", image), ("tag", tag)):
        if not is_safe_id(text):
            raise ValueError(f"The {what} {text!r} is not one of letters, digits, dots, hyphens and underscores.")
