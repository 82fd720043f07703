"""What data sets call their splits."""

from __future__ import annotations

import re

from monai_tbkd.data.film_classes import plain_word

_SPLITS = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "vld": "val",
    "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
_OTHERS = {"dev", "development", "eval", "evaluation", "holdout", "hold_out", "held_out", "tune", "tuning"}
_FILLERS = {"set", "split", "data", "dataset", "images", "imgs", "list"}  # train_set, "Training set", val_list
_YEAR = re.compile(r"[ _-]?(19|20)\d\d$")  # COCO's train2017


def split_of(word: str) -> str | None:
    """The split that a word stands for: ``"train"``, ``"val"``, ``"test"``, or None.

    Example:
        >>> split_of("Validation"), split_of("train2017"), split_of("Test set"), split_of("dev")
        ('val', 'train', 'test', None)
    """
    return _SPLITS.get(_bare(word))


def is_split_word(word: str) -> bool:
    """Whether a folder's name says that it is a split, also one that has no place here.

    Example:
        >>> is_split_word("hold-out"), is_split_word("site_b")
        (True, False)
    """
    return split_of(word) is not None or _bare(word) in _OTHERS


def _bare(word: str) -> str:
    words = plain_word(_YEAR.sub("", word.strip())).split("_")
    return "_".join(each.removesuffix("set") for each in words if each not in _FILLERS)
