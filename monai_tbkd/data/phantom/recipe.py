"""The recipe of a phantom data set: everything that decides its bytes, and how it is recognized on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monai_tbkd.data.outside_text import read_text
from monai_tbkd.data.phantom.film import GENERATOR_VERSION, MIN_SIZE
from monai_tbkd.data.phantom.records import CLASS_NAMES
from monai_tbkd.data.phantom.shortcuts import ShortcutSpec

RECIPE_FILE = "phantom.json"
SPLITS = ("train", "val")


@dataclass(frozen=True)
class Recipe:
    """What a phantom data set is made from.

    Args:
        n_train: number of films of each class in the training split.
        n_val: the same of the validation split.
        size: side of the films in pixels.
        seed: of the whole set.
        train_agreement: see `ShortcutSpec`.
        val_agreement: see `ShortcutSpec`.
        shortcut_kinds: see `ShortcutSpec`.
        write_lung_fields: whether lung-field masks are written.

    Raises:
        ValueError: on unknown classes, negative counts, a film too small, a negative seed, or bad shortcuts.
    """

    n_train: dict[str, int]
    n_val: dict[str, int]
    size: int
    seed: int
    train_agreement: float
    val_agreement: float
    shortcut_kinds: tuple[str, ...]
    write_lung_fields: bool

    def __post_init__(self) -> None:
        for name in ("n_train", "n_val"):
            counts: Mapping[str, int] = getattr(self, name)
            if set(counts) - set(CLASS_NAMES) or any(int(n) < 0 for n in counts.values()):
                raise ValueError(f"{name} needs counts of 0 or more for {CLASS_NAMES}, got {dict(counts)}")
            object.__setattr__(self, name, {c: int(counts.get(c, 0)) for c in CLASS_NAMES})
        if not sum(self.n_train.values()) + sum(self.n_val.values()):
            raise ValueError("n_train and n_val are all 0, so there is no film to make; ask for one at least")
        if self.size < MIN_SIZE:
            raise ValueError(f"size is the films' side in pixels, at least {MIN_SIZE}, got {self.size}")
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, got {self.seed}")
        object.__setattr__(self, "shortcut_kinds", tuple(self.shortcut_kinds))
        for split in SPLITS:
            self.shortcut(split)

    def counts(self, split: str) -> dict[str, int]:
        """Number of films of each class in ``train`` or ``val``."""
        return self.n_train if split == "train" else self.n_val

    def shortcut(self, split: str) -> ShortcutSpec:
        """The shortcuts of ``train`` or ``val``."""
        return ShortcutSpec(self.shortcut_kinds, self.train_agreement if split == "train" else self.val_agreement)

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON types, with the generator's version."""
        return {"generator_version": GENERATOR_VERSION, **asdict(self), "shortcut_kinds": list(self.shortcut_kinds)}


def holds_recipe(folder: Path, recipe: Recipe) -> bool:
    """Whether a folder already holds this very data set, finished.

    Args:
        folder: where the data set would go.
        recipe: what it would be made from.

    Returns:
        True if it is there; False if the folder is absent or empty.

    Raises:
        FileExistsError: if the folder holds anything else; the message names what differs.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    mend = "choose another output folder, or remove this one"
    file = folder / RECIPE_FILE
    try:
        found = json.loads(read_text(file))["recipe"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileExistsError(f"{folder} is not empty and holds no readable {RECIPE_FILE}; {mend}") from error
    wanted = recipe.to_json()
    if found != wanted:
        keys = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
        what = ", ".join(f"{k} is {found.get(k)!r} and {wanted.get(k)!r} was asked for" for k in keys)
        raise FileExistsError(f"{folder} holds a phantom data set of another recipe ({what}); {mend}")
    return True
