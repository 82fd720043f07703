"""Split films by the hash of their name: the same on every machine, in every order, for ever."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from monai_tbkd.data.datalist_error import DatalistError
from monai_tbkd.data.datalist_item import DatalistItem
from monai_tbkd.data.film_classes import CLASS_NAMES
from monai_tbkd.data.natural_order import natural_key


def split_by_name_hash(
    items: Sequence[DatalistItem], test: float = 0, select: float = 0.15, salt: str = ""
) -> dict[str, list[DatalistItem]]:
    """Cut a test and a select slice, each class of each source in proportion.

    Films are ranked by SHA-256 of `salt` and patient (or name, where the patient is unknown) within their class and
    source; the first go to test, the next to select. All films of a patient go together, with the rarest of their
    classes (tb, then sick), so a slice can be larger than asked for by the films of one patient.

    Args:
        items: data list items; ``source`` and ``patient_id`` where known.
        test: below 1 a fraction of each class; 1 or more a number of TB films, with the same fraction of the others.
        select: likewise, of all `items`.
        salt: another text gives another split.

    Returns:
        ``{"train": ..., "select": ..., "test": ...}``, each sorted by name.

    Raises:
        DatalistError: a size is negative, nothing is left for train, or a number of films is asked for and there are
            fewer TB films.

    Example:
        >>> films = [{"name": f"{i}.png", "class_name": "tb"} for i in range(100)]
        >>> {name: len(part) for name, part in split_by_name_hash(films, test=20, select=0.15).items()}
        {'train': 65, 'select': 15, 'test': 20}
    """
    tb_films = sum(item["class_name"] == "tb" for item in items)
    test_part = _fraction("test", test, tb_films)
    select_part = _fraction("select", select, tb_films)
    if test_part + select_part >= 1:
        raise DatalistError(
            f"test {test:g} and select {select:g} leave nothing to train on ({tb_films} TB films); make them smaller."
        )
    by_patient: dict[str, list[DatalistItem]] = defaultdict(list)
    for item in items:
        # The two kinds of key must not meet: a patient may be called what another film is called.
        key = f"patient:{item['patient_id']}" if item.get("patient_id") else f"name:{item['name']}"
        by_patient[key].append(item)
    strata: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, films in by_patient.items():
        rarest = max((film["class_name"] for film in films), key=CLASS_NAMES.index)
        strata[rarest, str(films[0].get("source", ""))].append(key)
    parts: dict[str, list[DatalistItem]] = {"train": [], "select": [], "test": []}
    for keys in strata.values():
        keys.sort(key=lambda key: (_rank(salt, key), key))
        total = sum(len(by_patient[key]) for key in keys)
        wanted = {"test": round(test_part * total), "select": round(select_part * total)}
        taken = {"test": 0, "select": 0}
        for key in keys:
            part = next((name for name in ("test", "select") if taken[name] < wanted[name]), "train")
            parts[part] += by_patient[key]
            if part != "train":
                taken[part] += len(by_patient[key])
    return {name: sorted(part, key=lambda item: natural_key(item["name"])) for name, part in parts.items()}


def _fraction(name: str, size: float, tb_films: int) -> float:
    if size < 0:
        raise DatalistError(f"{name} is {size:g}; expected a fraction below 1 or a number of TB films.")
    if size < 1:
        return float(size)
    if size > tb_films:
        raise DatalistError(f"{name} asks for {size:g} TB films and there are {tb_films}; ask for fewer.")
    return size / tb_films


def _rank(salt: str, key: str) -> str:
    return hashlib.sha256((salt + key.split(":", 1)[1]).encode()).hexdigest()
