"""From a random change of a film to one of films in dictionaries."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable


class RandFilmChanged(Randomizable, MapTransform):
    """A random change of a film at each key, drawn once an item.

    Args:
        change: with ``randomize()`` and ``__call__(film, randomize=False)``.
        keys: of films.
    """

    def __init__(self, change: Any, keys: KeysCollection = "image", allow_missing_keys: bool = False) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.change = change

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandFilmChanged:
        """As MONAI's, of the change that draws."""
        self.change.set_random_state(seed, state)
        return self

    def randomize(self, data: Any | None = None) -> None:
        """Draw whether and how the next item's films are changed."""
        self.change.randomize()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        self.randomize()
        for key in self.key_iterator(d):
            d[key] = self.change(d[key], randomize=False)
        return d
