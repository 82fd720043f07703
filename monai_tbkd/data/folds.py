"""Cross-validation folds and the selection split, stratified by class and source, grouped by patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from monai_tbkd.data.datalist_error import DatalistError
from monai_tbkd.data.datalist_item import DatalistItem
from monai_tbkd.data.film_classes import CLASS_NAMES
from monai_tbkd.data.natural_order import natural_key
from monai_tbkd.data.number_range import is_number


def split_by_fold(
    items: Sequence[DatalistItem], folds: int, fold: int, seed: int = 0, select: float = 0.15
) -> dict[str, list[DatalistItem]]:
    """Take one fold as the reported split, a slice of the rest for thresholds, and the remainder to train on.

    Patients are shuffled by the seed within their class and source and dealt to the folds in turn, so that each fold
    has the same share of each. Every image is in the test split of exactly one fold for each seed. All images of a
    patient stay together, with the rarest of their classes.

    Args:
        items: data list items; ``source`` and ``patient_id`` where known.
        folds: how many, 2 or more.
        fold: which, from 0.
        seed: another seed gives other folds.
        select: below 1 a fraction of each class of the rest; 1 or more a number of TB images, with the same fraction of
            the others.

    Returns:
        ``{"train": ..., "select": ..., "test": ...}``, each sorted by name.

    Raises:
        DatalistError: no such fold, fewer patients of a class than folds, or nothing left to train on.

    Example:
        >>> images = [{"name": f"{i}.png", "class_name": "tb"} for i in range(100)]
        >>> {name: len(part) for name, part in split_by_fold(images, folds=5, fold=0).items()}
        {'train': 68, 'select': 12, 'test': 20}
    """
    if not is_number(folds, 2) or not is_number(fold, 0, folds - 1) or folds % 1 or fold % 1:
        raise DatalistError(f"fold is {fold} of folds {folds}; expected 2 folds or more, and a fold from 0 on.")
    patients: dict[str, list[DatalistItem]] = defaultdict(list)
    for item in items:
        patient = item.get("patient_id")
        patients[f"patient:{patient}" if patient else f"name:{item['name']}"].append(item)
    strata: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in sorted(patients, key=natural_key):
        own = patients[key]
        rarest = max((item["class_name"] for item in own), key=CLASS_NAMES.index)
        strata[rarest, str(own[0].get("source", ""))].append(key)
    tb = sum(len(patients[key]) for (name, _), keys in strata.items() for key in keys if name == "tb")
    share = select if select < 1 else select / max(tb * (folds - 1) / folds, 1)
    if not 0 <= share < 1:
        raise DatalistError(f"select is {select:g} and leaves nothing to train on ({tb} TB images in {folds} folds).")
    parts: dict[str, list[DatalistItem]] = {"train": [], "select": [], "test": []}
    for number, (stratum, keys) in enumerate(sorted(strata.items())):
        if len(keys) < folds:
            raise DatalistError(f"{folds} folds of {len(keys)} {stratum[0]} images or patients; take fewer folds.")
        order = np.random.default_rng((seed, number)).permutation(len(keys))
        test = [keys[i] for i in order[fold::folds]]
        rest = [keys[i] for at, i in enumerate(order) if at % folds != fold]
        chosen = round(share * len(rest))
        for part, taken in (("test", test), ("select", rest[:chosen]), ("train", rest[chosen:])):
            parts[part] += [item for key in taken for item in patients[key]]
    return {name: sorted(part, key=lambda item: natural_key(item["name"])) for name, part in parts.items()}


def half_labels(items: Sequence[DatalistItem]) -> list[DatalistItem]:
    """Give each image a label for its left and its right half, read off its boxes.

    This is stronger supervision than labels of whole images: an upper reference, see ``configs/halves.yaml``. A box
    that reaches over the middle by less than 15 % of its width counts for one half alone. Left is the picture's.

    Args:
        items: data list items with ``boxes`` and ``size``; TB images without boxes are left out.

    Returns:
        The items with ``label`` as an array ``(2,)``.
    """
    labeled = []
    for item in items:
        if item["size"] is None:  # cannot be read, which `check_datalist` says
            labeled.append(item)
        if item["boxes"] is None or item["size"] is None:
            continue
        middle, label = item["size"][1] / 2, np.zeros(2, dtype=np.int64)
        for left, _, right, _ in item["boxes"]:
            label[0] |= min(right, middle) - left > 0.15 * (right - left)
            label[1] |= right - max(left, middle) > 0.15 * (right - left)
        labeled.append({**item, "label": label})
    return labeled
