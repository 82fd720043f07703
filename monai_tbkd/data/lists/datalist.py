"""Read data sets and split them into images to train on, to select by and to report on."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence

from monai_tbkd.data.files.paths import absolute_path
from monai_tbkd.data.lists.class_folders import load_class_folders
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first
from monai_tbkd.data.lists.datalist_findings import check_datalist
from monai_tbkd.data.lists.datalist_item import DatalistItem
from monai_tbkd.data.lists.dataset_files import unlisted_images, unread_splits
from monai_tbkd.data.lists.image_classes import CLASS_NAMES, LAYOUTS, class_label
from monai_tbkd.data.lists.kaggle_csv import is_kaggle_csv, load_kaggle_csv
from monai_tbkd.data.lists.manifest import load_manifest
from monai_tbkd.data.lists.named_images import load_da_db, load_nlm, named_layout
from monai_tbkd.data.lists.splits import half_labels, split_by_fold, split_by_name_hash
from monai_tbkd.data.lists.tbx11k import load_tbx11k
from monai_tbkd.data.lists.yolo import is_yolo, load_yolo

logger = logging.getLogger(__name__)

_DEFAULT_TEST = 0.2

Source = str | os.PathLike[str]


def load_datalist(
    dataset_dir: Source | Sequence[Source],
    num_classes: int = 2,
    layout: str = "auto",
    select: float = 0.15,
    test: float | None = None,
    missing_annotation: str = "warn",
    folds: int | None = None,
    fold: int = 0,
    seed: int = 0,
    labels: str = "whole",
    test_dir: Source | Sequence[Source] | None = None,
) -> dict[str, list[DatalistItem]]:
    """Read one or several data sets and split them.

    ``test`` is the split to report: a data set's own val (or else test) split, or, where it has none, a slice of its
    images by name hash. ``select``, for thresholds, is always a slice of train by name hash, and is not trained on.

    Args:
        dataset_dir: a folder, a CSV file, or several of them, which are merged.
        num_classes: 2 (or 1, one logit): TB or not; 3: health, sick, tb.
        layout: ``"tbx11k"`` (``imgs/`` in it), ``"manifest"`` (``manifest.csv`` in it, or a CSV file),
            ``"kaggle_csv"`` (a CSV file with columns ``fname``, ``bbox``, ``target``, or a folder with one),
            ``"yolo"`` (``images/`` beside ``labels/``), ``"nlm"`` (Shenzhen, Montgomery) and ``"da_db"`` (DA, DB) by
            names of images, ``"class_folders"``, or ``"auto"``, which looks in that order.
        select: slice of train, below 1 a fraction of each class, else a number of TB images.
        test: None as above; a size (as for `select`) takes test from train by name hash, and own val and test splits
            are left unused.
        missing_annotation: see `check_datalist`.
        folds: cross-validation by `split_by_fold` of the images that are in no val or test split; ``test`` is not used
            then. None is no cross-validation.
        fold: the fold that is reported.
        seed: of the folds.
        labels: of the training images: ``whole``, or ``halves``, which are read off boxes, see `half_labels`.
        test_dir: data sets whose images are all reported, as of a hospital that is held out; ``dataset_dir`` then
            trains and selects, and its own val and test splits are left unused.

    Returns:
        ``{"train": ..., "select": ..., "test": ...}`` of data list items; ``source`` is the hospital: the name
        of the data set's folder where nothing else says it.

    Raises:
        DatalistError: the data set cannot be used; the message says what is wrong and how to fix it.
        ValueError: `layout` is not known.
    """
    if folds is None and fold:
        raise DatalistError(f"fold is {fold} and folds is null; say how many there are, such as --folds 5.")
    if labels not in ("whole", "halves"):
        raise ValueError(f"labels is {labels!r}; expected whole or halves.")
    held_out = [] if test_dir is None else _sources(test_dir, "test_dir")
    if held_out and (folds is not None or test is not None):
        raise DatalistError(
            f"test_dir is {name_first(held_out)}, and {'folds' if folds is not None else 'test'} is given too; both "
            "say what is reported, so give one of them."
        )
    sources = _sources(dataset_dir, "dataset_dir")
    loaded = [load_source(source, num_classes, layout) for source in (*sources, *held_out)]
    name_sources([*sources, *held_out], loaded, len(held_out))
    train: list[DatalistItem] = []
    reported: list[DatalistItem] = []
    whole: list[DatalistItem] = []  # to be split into train and reported
    own_splits = not held_out and folds is None and test is None
    for source, items in zip(sources, loaded, strict=False):  # not those held out
        if unlisted := unlisted_images(source, items):
            said = name_first(unlisted)
            logger.info("%s: images that nothing in the data set names are left out (%s).", source, said)
        if unread := unread_splits(source, find_layout(source) if layout == "auto" else layout, items):
            logger.warning("%s", unread)
        images = [item for item in items if item["split"] == "train"]
        if labels == "halves":  # before anything is split, so that folds are of the same images
            images = [item for item in images if item["boxes"] is not None]
        there = {item["split"] for item in items} if own_splits else set()
        own = next((split for split in ("val", "test") if split in there), None)
        (train if held_out or own else whole).extend(images)
        if own:
            reported += [item for item in items if item["split"] == own]
            logger.info("%s: reported on its own %s split.", source, own)
    reported += [item for items in loaded[len(sources) :] for item in items]
    if folds is not None:
        splits = split_by_fold(whole, folds, fold, seed, select)
    else:
        cut = split_by_name_hash(whole, test=_DEFAULT_TEST if test is None else test, select=0)
        parts = split_by_name_hash(train + cut["train"], test=0, select=select)
        splits = {"train": parts["train"], "select": parts["select"], "test": reported + cut["test"]}
    if labels == "halves":
        splits["train"] = half_labels(splits["train"])
    splits = check_datalist(splits, missing_annotation)
    for name, part in splits.items():
        counts = Counter(item["class_name"] for item in part)
        classes = "  ".join(f"{each} {counts[each]}" for each in CLASS_NAMES)
        boxes = sum(len(item["boxes"] or []) for item in part)
        logger.info("%-6s %6d images  %s  boxes %d", name, len(part), classes, boxes)
    return splits


def load_source(source: Source, num_classes: int = 2, layout: str = "auto") -> list[DatalistItem]:
    """Read one data set with its own splits, without splitting or checking it; for arguments see `load_datalist`."""
    source = absolute_path(source)
    layout = find_layout(source) if layout == "auto" else layout
    if layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}; expected one of {LAYOUTS}.")
    labels = {name: class_label(name, num_classes) for name in CLASS_NAMES}
    items = _LOADERS[layout](source)
    if not items:
        raise DatalistError(f"{source}: no image in it ({layout} layout); check dataset_dir.")
    for item in items:
        item["label"] = labels[item["class_name"]]
    return items


def find_layout(source: Source) -> str:
    """Tell a data set's layout by what is in its folder: one of `LAYOUTS`, never ``"auto"``."""
    source = absolute_path(source)
    try:
        there = source.exists()
    except OSError as error:  # a name that is too long, for example
        raise DatalistError(f"{str(source)[:80]}: cannot be opened ({error.strerror}); check dataset_dir.") from error
    if not there:
        raise DatalistError(f"{source}: there is no such folder or file; check dataset_dir.")
    if source.is_file():
        if source.suffix.lower() != ".csv":
            raise DatalistError(f"{source}: not a CSV file; expected a folder or a .csv file, so check dataset_dir.")
        return "kaggle_csv" if is_kaggle_csv(source) else "manifest"
    signs = {
        "tbx11k": (source / "imgs").is_dir(),
        "manifest": (source / "manifest.csv").is_file() and not is_kaggle_csv(source / "manifest.csv"),
        "kaggle_csv": any(is_kaggle_csv(path) for path in source.glob("*.csv")),
        "yolo": is_yolo(source),
    }
    return next((layout for layout, found in signs.items() if found), None) or named_layout(source) or "class_folders"


_LOADERS: dict[str, Callable[[Source], list[DatalistItem]]] = {
    "tbx11k": load_tbx11k,
    "manifest": load_manifest,
    "kaggle_csv": load_kaggle_csv,
    "yolo": load_yolo,
    "nlm": load_nlm,
    "da_db": load_da_db,
    "class_folders": load_class_folders,
}


def name_sources(sources: Sequence[Source], loaded: Sequence[list[DatalistItem]], held_out: int = 0) -> None:
    """Give items their ``source`` in place, and put the folder before names that two data sets share.

    The last `held_out` data sets do not change names of the others, and so not their splits.
    """
    names = [{item["name"] for item in items} for items in loaded]
    of_training, of_all = (Counter(n for own in part for n in own) for part in (names[: len(names) - held_out], names))
    taken: Counter[str] = Counter()
    for number, (source, items) in enumerate(zip(map(absolute_path, sources), loaded, strict=True)):
        shared = of_training if number < len(names) - held_out else of_all
        folder = source.parent.name if source.suffix.lower() == ".csv" else source.name
        taken[folder] += 1
        prefix = folder if taken[folder] == 1 else f"{folder}#{taken[folder]}"
        for item in items:
            item.setdefault("source", prefix)
            if shared[item["name"]] > 1:
                item["name"] = f"{prefix}/{item['name']}"


def _sources(given: Source | Sequence[Source], setting: str) -> list[Source]:
    listed = [given] if isinstance(given, (str, os.PathLike)) else given
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, (str, os.PathLike)) for each in listed):
        raise DatalistError(f"{setting} is {str(given)[:80]}; expected a folder, a CSV file, or a list of them.")
    if not listed:
        raise DatalistError(f"{setting} is an empty list; name at least one folder.")
    return list(listed)
