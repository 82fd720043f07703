"""Fewer films, for a quick look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_tbkd.robustness.corruptions import film_seed


def film_subset(items: Sequence[Mapping[str, Any]], largest_number: int | None) -> list[Mapping[str, Any]]:
    """Some of a split's films, classes in the split's shares, the same ones each time.

    Args:
        items: datalist items.
        largest_number: about this many are kept, at least one of each class; None keeps all.

    Raises:
        ValueError: a number below 1.

    Example:
        >>> films = [{"name": str(i), "class_name": "tb" if i < 4 else "health"} for i in range(12)]
        >>> [film["class_name"] for film in film_subset(films, 3)]
        ['tb', 'health', 'health']
    """
    if largest_number is None or largest_number >= len(items):
        return list(items)
    if largest_number < 1:
        raise ValueError(f"{largest_number} films were asked for; expected at least 1, or null for all.")
    kept = set()
    for class_name in {item["class_name"] for item in items}:
        names = sorted((i["name"] for i in items if i["class_name"] == class_name), key=film_seed)
        kept |= set(names[: max(1, round(largest_number * len(names) / len(items)))])
    return [item for item in items if item["name"] in kept]


def refuse_cut_films(lung_crop: bool) -> None:
    """Refuse a study of films that are cut to their lungs, whose maps it could not bring back to the film.

    Args:
        lung_crop: of the config.

    Raises:
        ValueError: films are cut.
    """
    if lung_crop:
        raise ValueError(
            "lung_crop is true: the robustness study lays its corruptions and cues on whole films and can't follow a "
            "cut yet; evaluate such a model with evaluate.yaml alone."
        )
