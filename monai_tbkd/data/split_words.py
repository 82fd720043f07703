"""What data sets call their splits."""

from __future__ import annotations

import re

_SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_YEAR = re.compile(r"[ _-]?(19|20)\d\d$")  # COCO's train2017


def split_of(word: str) -> str | None:
    """The split that a word stands for: ``"train"``, ``"val"``, ``"test"``, or None.

    Example:
        >>> split_of("Validation"), split_of("train2017"), split_of("dev")
        ('val', 'train', None)
    """
    return _SPLITS.get(_YEAR.sub("", word.strip().lower()))
