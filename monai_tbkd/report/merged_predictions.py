"""The parts of a large inference put together."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

from monai_tbkd.data.film_folder import list_films
from monai_tbkd.data.film_shards import shard_folders
from monai_tbkd.data.outside_text import read_text
from monai_tbkd.data.paths import natural_key
from monai_tbkd.report.prediction_table import OVERLAYS, PredictionTable, as_written

logger = logging.getLogger(__name__)


def merge_predictions(output_dir: str | Path) -> PredictionTable:
    """Join ``shard_1_of_8``, ``shard_2_of_8``, ... to the table that a single run over all films would have written.

    Pictures are linked into ``overlays/`` (copied where the file system has no links). Films of the data set without a
    row are named in a warning, where the data set is within reach.

    Args:
        output_dir: the folder that holds the parts' folders; gets the table.

    Returns:
        The table, closed.

    Raises:
        ValueError: a part is missing, parts of different numbers, or parts under different settings.
    """
    folder = Path(output_dir)
    found = shard_folders(folder) if folder.is_dir() else {}
    counts = {count for _, count in found}
    if len(counts) != 1:
        raise ValueError(
            f"{folder} holds parts of {sorted(counts) or 'no'} runs; expected folders such as shard_1_of_8 of one run."
        )
    (count,) = counts
    missing = [number for number in range(1, count + 1) if (number, count) not in found]
    if missing:
        raise ValueError(f"{folder}: part {', '.join(map(str, missing))} of {count} is missing; run it (--shard).")
    parts = [PredictionTable(found[number, count], resume=True) for number in range(1, count + 1)]
    heads = [json.loads(read_text(part.json_path))["settings"] for part in parts]
    settings = [{**head, "shard": None} for head in heads]
    for number, other in enumerate(settings[1:], 2):
        keys = [key for key in {**settings[0], **other} if settings[0].get(key) != other.get(key)]
        if keys:
            raise ValueError(
                f"{folder}: parts 1 and {number} were made under different {', '.join(keys)}; run one of them anew."
            )
    rows = [row for part in parts for row in part.earlier_rows()]
    names = sorted((str(row["name"]) for row in rows), key=natural_key)
    table = PredictionTable(folder, settings[0])
    table.start([{"name": name} for name in names])
    table.replace_rows(rows)
    table.finish()
    for part in parts:
        _link_overlays(part.folder, folder)
    _name_missing(settings[0].get("dataset_dir"), folder, set(names))
    return table


def _link_overlays(source: Path, folder: Path) -> None:
    for picture in sorted(path for pattern in OVERLAYS for path in source.glob(pattern)):
        target = folder / picture.relative_to(source)
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(picture, target)
        except OSError:
            shutil.copyfile(picture, target)


def _name_missing(dataset_dir: Any, folder: Path, names: set[str]) -> None:
    sources = dataset_dir if isinstance(dataset_dir, list) else [dataset_dir or ""]
    if not all(each and Path(each).exists() for each in sources):
        logger.warning("%s is not here: whether every film has a row was not looked up.", dataset_dir or "dataset_dir")
        return
    left = [film["name"] for film in list_films(dataset_dir, leave_out=folder) if as_written(film["name"]) not in names]
    if left:
        logger.warning(
            "%d films have no row (first: %s): a part was not finished; run it with --resume true.", len(left), left[0]
        )
