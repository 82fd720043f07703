"""Split images by the hash of their name, or into cross-validation folds; images of a patient stay together."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.data.files.paths import natural_key
from monai_tbkd.data.lists.datalist_error import DatalistError
from monai_tbkd.data.lists.datalist_item import DatalistItem
from monai_tbkd.data.lists.image_classes import CLASS_NAMES

Splits = dict[str, list[DatalistItem]]


def split_by_name_hash(items: Sequence[DatalistItem], test: float = 0, select: float = 0.15) -> Splits:
    """Take a test and a select slice, each class of each source in proportion; the same on every machine.

    Images are ranked by SHA-256 of the patient (or name, where the patient is unknown) within their class and
    source; the first go to test, the next to select. All images of a patient go together, with the rarest of their
    classes (tb, then sick), so a slice can be larger than asked for by the images of one patient.

    Args:
        items: data list items; ``source`` and ``patient_id`` where known.
        test: below 1 a fraction of each class; 1 or more a number of TB images, with the same fraction of the others.
        select: likewise, of all `items`.

    Returns:
        ``{"train": ..., "select": ..., "test": ...}``, each sorted by name.

    Raises:
        DatalistError: a size is negative or larger than the number of TB images, or nothing is left for train.

    Example:
        >>> images = [{"name": f"{i}.png", "class_name": "tb"} for i in range(100)]
        >>> {name: len(part) for name, part in split_by_name_hash(images, test=20, select=0.15).items()}
        {'train': 65, 'select': 15, 'test': 20}
    """
    tb = sum(item["class_name"] == "tb" for item in items)
    fractions = {}
    for name, size in (("test", test), ("select", select)):
        if size < 0:
            raise DatalistError(f"{name} is {size:g}; expected a fraction below 1 or a number of TB images.")
        if size >= 1 and size > tb:
            raise DatalistError(f"{name} asks for {size:g} TB images and there are {tb}; ask for fewer.")
        fractions[name] = size if size < 1 else size / tb
    if sum(fractions.values()) >= 1:
        raise DatalistError(
            f"test {test:g} and select {select:g} leave nothing to train on ({tb} TB images); make them smaller."
        )
    patients, strata = _grouped(items)
    parts: Splits = {"train": [], "select": [], "test": []}
    for keys in strata.values():
        total = sum(len(patients[key]) for key in keys)
        left = {name: round(fraction * total) for name, fraction in fractions.items()}
        for key in sorted(keys, key=lambda key: (hashlib.sha256(key.split(":", 1)[1].encode()).hexdigest(), key)):
            part = next((name for name, number in left.items() if number > 0), "train")
            parts[part] += patients[key]
            if part in left:
                left[part] -= len(patients[key])
    return _sorted(parts)


def split_by_fold(items: Sequence[DatalistItem], folds: int, fold: int, seed: int = 0, select: float = 0.15) -> Splits:
    """Take one fold as the reported split, a slice of the rest for thresholds, and the remainder to train on.

    Patients are shuffled by the seed within their class and source and dealt to the folds in turn, so that each fold
    has the same fraction of each. Every image is in the test split of exactly one fold, from 0, for each seed.

    Args:
        items: as for `split_by_name_hash`, which says what is returned too.
        folds: how many, 2 or more.
        fold: which, from 0.
        seed: another seed gives other folds.
        select: below 1 a fraction of each class of the rest; 1 or more a number of TB images.

    Raises:
        DatalistError: no such fold, fewer patients of a class than folds, or nothing left to train on.

    Example:
        >>> images = [{"name": f"{i}.png", "class_name": "tb"} for i in range(100)]
        >>> {name: len(part) for name, part in split_by_fold(images, folds=5, fold=0).items()}
        {'train': 68, 'select': 12, 'test': 20}
    """
    if not is_number(folds, 2) or not is_number(fold, 0, folds - 1) or folds % 1 or fold % 1:
        raise DatalistError(f"fold is {fold} of folds {folds}; expected 2 folds or more, and a fold from 0 on.")
    patients, strata = _grouped(items)
    tb = sum(len(patients[key]) for (name, _), keys in strata.items() for key in keys if name == "tb")
    fraction = select if select < 1 else select / max(tb * (folds - 1) / folds, 1)
    if not 0 <= fraction < 1:
        raise DatalistError(f"select is {select:g} and leaves nothing to train on ({tb} TB images in {folds} folds).")
    parts: Splits = {"train": [], "select": [], "test": []}
    for number, ((class_name, _), keys) in enumerate(sorted(strata.items())):
        if len(keys) < folds:
            raise DatalistError(f"{folds} folds of {len(keys)} {class_name} images or patients; take fewer folds.")
        order = np.random.default_rng((seed, number)).permutation(len(keys))
        rest = [keys[i] for at, i in enumerate(order) if at % folds != fold]
        chosen = round(fraction * len(rest))
        taken = {"test": [keys[i] for i in order[fold::folds]], "select": rest[:chosen], "train": rest[chosen:]}
        for part, own in taken.items():
            parts[part] += [item for key in own for item in patients[key]]
    return _sorted(parts)


def half_labels(items: Sequence[DatalistItem]) -> list[DatalistItem]:
    """Give each image a label for its left and its right half, read off its boxes.

    This is stronger supervision than labels of whole images: an upper reference, see ``configs/halves.yaml``. A box
    that reaches over the middle by less than 15 % of its width counts for one half alone. Left is the picture's. TB
    images without boxes are left out.

    Returns:
        The items with ``label`` as an array ``(2,)``.
    """
    labeled = []
    for item in items:
        if item["size"] is None:  # cannot be read, which `check_datalist` says
            labeled.append(item)
        elif item["boxes"] is not None:
            middle, label = item["size"][1] / 2, np.zeros(2, dtype=np.int64)
            for left, _, right, _ in item["boxes"]:
                label[0] |= min(right, middle) - left > 0.15 * (right - left)
                label[1] |= right - max(left, middle) > 0.15 * (right - left)
            labeled.append({**item, "label": label})
    return labeled


def _grouped(items: Sequence[DatalistItem]) -> tuple[Splits, dict[tuple[str, str], list[str]]]:
    """Images by patient, and patients by (rarest class of their images, source)."""
    patients: Splits = defaultdict(list)
    for item in items:
        # The two kinds of key must not meet: a patient may be called what another image is called.
        patient = item.get("patient_id")
        patients[f"patient:{patient}" if patient else f"name:{item['name']}"].append(item)
    strata: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in sorted(patients, key=natural_key):
        rarest = max((item["class_name"] for item in patients[key]), key=CLASS_NAMES.index)
        strata[rarest, str(patients[key][0].get("source", ""))].append(key)
    return patients, strata


def _sorted(parts: Splits) -> Splits:
    return {name: sorted(part, key=lambda item: natural_key(item["name"])) for name, part in parts.items()}
