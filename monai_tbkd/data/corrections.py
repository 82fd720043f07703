"""An annotator's work as a data set: films with their labels, and films that wait for one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.film_folder import list_films
from monai_tbkd.data.manifest import write_manifest
from monai_tbkd.data.outside_text import read_text


@dataclass(frozen=True)
class Correction:
    """What an annotator has said of one film.

    Args:
        image: the film.
        tb: whether it has TB; a film with boxes has.
        boxes: ``[xmin, ymin, xmax, ymax]`` in pixels of the upright film (x = column, half-open), as in every
            data list.

    Raises:
        ValueError: boxes on a film that is said to have no TB.
    """

    image: str
    tb: bool
    boxes: tuple[tuple[float, float, float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.boxes and not self.tb:
            raise ValueError(f"{self.image}: {len(self.boxes)} boxes on a film without TB; expected none.")


def write_corrections(table: str | os.PathLike[str], corrections: Sequence[Correction]) -> Path:
    """Write a ``manifest.csv`` that every training of this package takes as ``dataset_dir``.

    A film without TB is called healthy: whether it shows another disease is not asked.

    Args:
        table: the CSV file; its folder is made.
        corrections: one a film.

    Returns:
        The absolute path of the table.

    Raises:
        ValueError: no correction.
    """
    if not corrections:
        raise ValueError("No film has a label yet, so there is nothing to learn from; save labels first.")
    ordered = sorted(corrections, key=lambda correction: correction.image)
    return write_manifest(table, ((each.image, "tb" if each.tb else "health", each.boxes) for each in ordered))


def unlabeled_films(source: str | os.PathLike[str] | Sequence[str] | None) -> list[dict[str, str]]:
    """Films that have no label.

    Args:
        source: a folder, a ``.txt`` file with one path a line, a list of paths, or None for none.

    Returns:
        ``image`` (absolute path) and ``name`` each.
    """
    if source is None:
        return []
    if isinstance(source, (str, os.PathLike)):
        if Path(source).suffix.lower() != ".txt":
            return list_films(source)
        source = [line.strip() for line in read_text(source).splitlines() if line.strip()]
    return [{"image": str(absolute_path(path)), "name": Path(path).name} for path in source]
