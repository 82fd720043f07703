"""The words that data sets use for classes, kinds of TB boxes and splits, and the label numbers of the classes."""

from __future__ import annotations

import re
from collections.abc import Mapping

CLASS_NAMES = ("health", "sick", "tb")
"""Healthy; sick, but not of tuberculosis; tuberculosis (TBX11K's names)."""
SPLITS = ("train", "val", "test")
LAYOUTS = ("auto", "tbx11k", "manifest", "kaggle_csv", "yolo", "nlm", "da_db", "class_folders")
"""Here, since commands offer them before torch and MONAI are imported."""


def _by_word(words: Mapping[str, str]) -> dict[str, str]:
    return {word: name for name, own in words.items() for word in own.split()}


_CLASS_WORDS = {
    "health": "health healthy normal no_finding no_findings",
    "sick": "sick sick_non_tb sick_not_tb sick_but_no_tb sick_but_non_tb non_tb other other_disease pneumonia "
    "abnormal_non_tb",
    "tb": "tb tuberculosis active_tb latent_tb active_tuberculosis latent_tuberculosis pulmonary_tuberculosis "
    "tb_positive",
}
_CLASS_OF = _by_word(_CLASS_WORDS)
_BOX_TYPE_OF = _by_word(
    {
        "active": "active active_tb active_tuberculosis activetuberculosis",
        "latent": "latent latent_tb latent_tuberculosis obsoletepulmonarytuberculosis obsolete_tb",
        "uncertain": "uncertain uncertain_tb pulmonarytuberculosis",
    }
)
_SPLIT_OF = _by_word({"train": "train training trn", "val": "val valid validation vld", "test": "test testing tst"})
_OTHER_SPLITS = {"dev", "development", "eval", "evaluation", "holdout", "hold_out", "held_out", "tune", "tuning"}
_FILLERS = {"set", "split", "data", "dataset", "images", "imgs", "list"}  # train_set, "Training set", val_list
_YEAR = re.compile(r"[ _-]?(19|20)\d\d$")  # COCO's train2017


def plain_word(word: str) -> str:
    """Lower-case a word, with one underscore for spaces, hyphens and underscores.

    Example:
        >>> plain_word(" No-Finding ")
        'no_finding'
    """
    return "_".join(word.strip().lower().replace("-", " ").replace("_", " ").split())


def class_of(word: str) -> str | None:
    """Return the class that a folder name or a label word stands for, or None; case and spaces do not count.

    Example:
        >>> class_of("No Finding"), class_of("Tuberculosis"), class_of("cat")
        ('health', 'tb', None)
    """
    return _CLASS_OF.get(plain_word(word))


def known_words() -> str:
    """Return every word that `class_of` knows, for error messages."""
    return "; ".join(f"{name}: {', '.join(words.split())}" for name, words in _CLASS_WORDS.items())


def box_type_of(word: str) -> str | None:
    """Return the kind of tuberculosis that a word stands for: ``"active"``, ``"latent"``, ``"uncertain"``, or None.

    Example:
        >>> box_type_of("ObsoletePulmonaryTuberculosis"), box_type_of("Active TB"), box_type_of("nodule")
        ('latent', 'active', None)
    """
    return _BOX_TYPE_OF.get(plain_word(word))


def split_of(word: str) -> str | None:
    """Return the split that a word stands for: one of `SPLITS`, or None.

    Example:
        >>> split_of("Validation"), split_of("train2017"), split_of("Test set"), split_of("dev")
        ('val', 'train', 'test', None)
    """
    return _SPLIT_OF.get(_bare(word))


def is_split_word(word: str) -> bool:
    """Whether a name says that it is a split, also one that is not read here.

    Example:
        >>> is_split_word("hold-out"), is_split_word("site_b")
        (True, False)
    """
    return _bare(word) in {*_SPLIT_OF, *_OTHER_SPLITS}


def _bare(word: str) -> str:
    words = plain_word(_YEAR.sub("", word.strip())).split("_")
    return "_".join(each.removesuffix("set") for each in words if each not in _FILLERS)


def class_label(class_name: str, num_classes: int = 2) -> int:
    """Return the label number of one of `CLASS_NAMES`.

    Three classes are kept apart (0, 1, 2); two, and one (one logit), tell tuberculosis (1) from the rest (0).

    Example:
        >>> class_label("tb", 2), class_label("tb", 3), class_label("sick", 2)
        (1, 2, 0)
    """
    if num_classes not in (1, 2, 3):
        raise ValueError(f"num_classes is {num_classes}; expected 1 or 2 (TB or not) or 3 (health, sick, tb).")
    if class_name not in CLASS_NAMES:
        raise ValueError(f"class name is {class_name!r}; expected one of {CLASS_NAMES}.")
    return CLASS_NAMES.index(class_name) if num_classes == 3 else int(class_name == "tb")
