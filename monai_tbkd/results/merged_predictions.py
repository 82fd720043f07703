"""Merge the parts of an inference that was run with ``--shard``."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.data.files.paths import natural_key
from monai_tbkd.data.lists.image_shards import shard_folders
from monai_tbkd.data.readers.image_folder import list_images
from monai_tbkd.results.prediction_table import OVERLAYS, PredictionTable, as_written

logger = logging.getLogger(__name__)


def merge_predictions(output_dir: str | Path) -> PredictionTable:
    """Join ``shard_1_of_8``, ``shard_2_of_8``, ... in a folder into the table of a single run, and return it.

    Overlays are linked into ``overlays/``, or copied. Images of the data set without a row are named in a warning.

    Raises:
        ValueError: a part is missing, or parts of different runs or settings.
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
    first, *others = ({**json.loads(read_text(part.json_path))["settings"], "shard": None} for part in parts)
    for number, other in enumerate(others, 2):
        if keys := [key for key in {**first, **other} if first.get(key) != other.get(key)]:
            raise ValueError(
                f"{folder}: parts 1 and {number} were made under different {', '.join(keys)}; run one of them anew."
            )
    rows = [row for part in parts for row in part.earlier_rows()]
    names = sorted((str(row["name"]) for row in rows), key=natural_key)
    table = PredictionTable(folder, first)
    table.start([{"name": name} for name in names])
    table.replace_rows(rows)
    table.finish()
    for source in (path for part in parts for pattern in OVERLAYS for path in part.folder.glob(pattern)):
        target = folder / "overlays" / source.name
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    _warn_of_missing(first.get("dataset_dir"), folder, set(names))
    return table


def _warn_of_missing(dataset_dir: str | list[str] | None, folder: Path, names: set[str]) -> None:
    sources = dataset_dir if isinstance(dataset_dir, list) else [dataset_dir or ""]
    if dataset_dir is None or not all(each and Path(each).exists() for each in sources):
        logger.warning("%s is not here: whether every image has a row was not looked up.", dataset_dir or "dataset_dir")
        return
    left = [
        image["name"] for image in list_images(dataset_dir, leave_out=folder) if as_written(image["name"]) not in names
    ]
    if left:
        logger.warning(
            "%d images have no row (first: %s): a part was not finished; run it with --resume true.", len(left), left[0]
        )
