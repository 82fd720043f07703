"""Labels, notes on labels and notes on films, as files in a folder; no server is needed to read them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.data.folder_lock import FolderLock
from monai_tbkd.data.whole_file import read_json_object, whole_file, write_json
from monai_tbkd.label.film_ids import is_safe_id
from monai_tbkd.label.report_label import REPORT_SUFFIX

FINAL = "final"
"""The tag of a label that an annotator has finished."""
LABEL_SUFFIXES = (".json", ".xml", REPORT_SUFFIX, ".nii.gz", ".nii", ".nrrd", ".png")
"""What a label may be: boxes (JSON, XML, DICOM SR) or a mask."""


class LabelFolder:
    """``labels/<tag>/<film id><suffix>`` and, beside, what is known of each label and film.

    There is no index that could fall out of step with the files: what lies in the folders is what there is. Every file
    is moved to its place whole. A server, its batch and its scoring write from processes of their own, so each holds
    the folder while it writes.

    Args:
        root: folder that holds ``labels``, ``label_info`` and ``film_info``; made when something is written.

    Example:
        >>> LabelFolder(Path("films/labels")).films()  # doctest: +SKIP
        ['a.png']
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def films(self, tag: str = FINAL) -> list[str]:
        """Identifiers of films with a label of this tag, sorted."""
        found = {film for film, _ in self._files(tag)}
        return sorted(found)

    def tags(self) -> dict[str, int]:
        """Tags and how many labels they have."""
        folder = self.root / "labels"
        names = sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
        return {name: len(self.films(name)) for name in names if is_safe_id(name)}

    def path(self, film: str, tag: str = FINAL) -> Path | None:
        """The label's file, None where there is none."""
        if not (is_safe_id(film) and is_safe_id(tag)):
            return None
        for suffix in LABEL_SUFFIXES:
            path = self._labels(tag) / f"{film}{suffix}"
            if path.is_file():
                return path
        return None

    def info(self, film: str, tag: str = FINAL) -> dict[str, Any]:
        """What is known of a label."""
        return read_json_object(self.root / "label_info" / tag / f"{film}.json") if self.path(film, tag) else {}

    def film_info(self, film: str) -> dict[str, Any]:
        """What was noted on a film, such as scores."""
        return read_json_object(self.root / "film_info" / f"{film}.json") if is_safe_id(film) else {}

    def save(self, film: str, file: Path, tag: str = FINAL, info: Mapping[str, Any] | None = None) -> Path:
        """Keep a label; one of the same film and tag is replaced.

        Args:
            film: identifier.
            file: the label; its suffix says what it is.
            tag: ``final`` for a finished one.
            info: JSON-able.

        Returns:
            Where it is kept.

        Raises:
            ValueError: an identifier, a tag or a suffix that may not be.
        """
        _check(film, tag)
        suffix = label_suffix(file)
        folder = self._labels(tag)
        target = folder / f"{film}{suffix}"
        note = {**(info or {}), "ts": int(time.time()), "name": target.name}
        with self._held():
            with whole_file(target) as part:
                part.touch(0o600 if suffix == REPORT_SUFFIX else 0o666)  # a report names the patient
                shutil.copyfile(file, part)
            for other in LABEL_SUFFIXES:
                if other != suffix:
                    (folder / f"{film}{other}").unlink(missing_ok=True)
            write_json(self.root / "label_info" / tag / f"{film}.json", note)
        return target

    def remove(self, film: str, tag: str) -> None:
        """Forget a label; nothing happens where there is none."""
        if self.path(film, tag) is None:
            return
        with self._held():
            path = self.path(film, tag)
            if path is not None:
                path.unlink()
                (self.root / "label_info" / tag / f"{film}.json").unlink(missing_ok=True)

    def update_info(self, film: str, tag: str, info: Mapping[str, Any]) -> None:
        """Add to what is known of a label.

        Raises:
            ValueError: there is no such label.
        """
        _check(film, tag)
        if self.path(film, tag) is None:
            raise ValueError(f"{film} has no label of the tag {tag}.")
        with self._held():
            write_json(self.root / "label_info" / tag / f"{film}.json", {**self.info(film, tag), **info})

    def update_film_info(self, film: str, info: Mapping[str, Any]) -> None:
        """Add to what is noted on a film."""
        _check(film, FINAL)
        with self._held():
            write_json(self.root / "film_info" / f"{film}.json", {**self.film_info(film), **info})

    def _held(self) -> FolderLock:
        """For one change; others wait, some milliseconds."""
        return FolderLock(self.root, wait=True)

    def _labels(self, tag: str) -> Path:
        return self.root / "labels" / tag

    def _files(self, tag: str) -> list[tuple[str, Path]]:
        folder = self._labels(tag)
        if not is_safe_id(tag) or not folder.is_dir():
            return []
        found = []
        for path in folder.iterdir():
            suffix = next((each for each in LABEL_SUFFIXES if path.name.endswith(each)), None)
            if suffix and is_safe_id(path.name.removesuffix(suffix)):
                found.append((path.name.removesuffix(suffix), path))
        return found


def label_suffix(file: Path) -> str:
    """The suffix of a label's file.

    Raises:
        ValueError: it is none of `LABEL_SUFFIXES`.
    """
    for suffix in LABEL_SUFFIXES:
        if file.name.lower().endswith(suffix):
            return suffix
    raise ValueError(
        f"A label of the type {''.join(file.suffixes) or 'unknown'}; expected {', '.join(LABEL_SUFFIXES)}."
    )


def _check(film: str, tag: str) -> None:
    for what, text in (("identifier", film), ("tag", tag)):
        if not is_safe_id(text):
            raise ValueError(f"The {what} {text!r} is not one of letters, digits, dots, hyphens and underscores.")
