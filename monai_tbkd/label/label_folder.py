"""Labels, notes on labels and notes on films, as files in a folder; no server is needed to read them."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from monai_tbkd.data.whole_file import read_json_object, whole_file, write_json
from monai_tbkd.label.film_ids import is_safe_id
from monai_tbkd.label.report_label import REPORT_SUFFIX

FINAL = "final"
"""The tag of a label that an annotator has finished."""
_OF, _BEFORE = "_label_sha256", "_before"
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
        paths = [self._labels(tag) / f"{film}{suffix}" for suffix in LABEL_SUFFIXES]
        found = [path for path in paths if path.is_file() and self._is_inside(path)]
        if len(found) > 1:  # a save was cut off before the former label was removed
            name = self._note(film, tag).get("name")
            found = [path for path in found if path.name == name] or found
        return found[0] if found else None

    def info(self, film: str, tag: str = FINAL) -> dict[str, Any]:
        """What is known of a label."""
        note = self._note(film, tag) if self.path(film, tag) else {}
        return {key: value for key, value in note.items() if key not in (_OF, _BEFORE)}

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
        place = self.root / "label_info" / tag / f"{film}.json"
        with self._held():
            # A kill at any moment leaves a label with its own note: until all is done the note's file holds both, and
            # the label itself says which of them is its own.
            before = self.info(film, tag)
            with whole_file(target) as part:
                part.touch(0o600 if suffix == REPORT_SUFFIX else 0o666)  # a report names the patient
                shutil.copyfile(file, part)
                write_json(place, {**note, _OF: _sha256(part), _BEFORE: before})
            for other in LABEL_SUFFIXES:
                if other != suffix:
                    (folder / f"{film}{other}").unlink(missing_ok=True)
            write_json(place, note)
        return target

    def remove(self, film: str, tag: str) -> None:
        """Forget a label; nothing happens where there is none."""
        if self.path(film, tag) is None:
            return
        with self._held():
            for suffix in LABEL_SUFFIXES:  # after a save that was cut off there are two
                (self._labels(tag) / f"{film}{suffix}").unlink(missing_ok=True)
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

    def _note(self, film: str, tag: str) -> dict[str, Any]:
        """The note of the label that is there, where a save was cut off between the two."""
        note = read_json_object(self.root / "label_info" / tag / f"{film}.json")
        if _BEFORE not in note:
            return note
        new = self._labels(tag) / str(note.get("name"))
        before = note[_BEFORE] if isinstance(note[_BEFORE], dict) else {}
        return note if new.is_file() and _sha256(new) == note.get(_OF) else before

    def _is_inside(self, path: Path) -> bool:
        """Whether a file is no link that leads elsewhere."""
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))

    def _held(self) -> FileLock:
        """Lock the folder for one change; others wait, some milliseconds."""
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / ".lock", poll_interval=0.01)

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


def note_of(info: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A note's own note; empty where it is none, since notes may be edited by hand.

    Example:
        >>> note_of({"finding": "lost"}, "finding")
        {}
    """
    note = info.get(key)
    return note if isinstance(note, dict) else {}


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


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check(film: str, tag: str) -> None:
    for what, text in (("identifier", film), ("tag", tag)):
        if not is_safe_id(text):
            raise ValueError(f"The {what} {text!r} is not one of letters, digits, dots, hyphens and underscores.")
