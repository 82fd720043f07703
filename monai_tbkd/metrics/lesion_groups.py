"""True boxes and films by size, number, side and type of the lesions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from monai_tbkd.metrics.bootstrap import Interval, bootstrap_mean, bootstrap_ratio

# Shares of the film's area: they part the 902 boxes of TBX11K's training films into thirds (0.040 and 0.071).
SIZE_EDGES = (0.04, 0.07)
BOX_TYPES = ("active", "latent", "uncertain")

DEFINITIONS = {
    "size": "Of a box, by its share of the film's area: small below 0.04, large from 0.07; of a film, its largest box.",
    "count": "True boxes of the film: 1, 2, or 3 and more.",
    "side": (
        "Half of the picture in which the box's center lies (as displayed, not the patient's side); of a film: left, "
        "right or both."
    ),
    "type": "active, latent or uncertain as annotated, other where it is none of these; of a film with several: mixed.",
}

Groups = dict[str, dict[str, np.ndarray]]
"""By what, by group: ``(N,)`` or ``(M,)`` bool."""


class BoxGroups(NamedTuple):
    """The M true boxes of N films, film by film in the order of the items' ``boxes``."""

    film: np.ndarray
    """``(M,)`` int, index of the film."""
    groups: Groups


def box_groups(items: Sequence[Mapping[str, Any]], edges: tuple[float, float] = SIZE_EDGES) -> BoxGroups:
    """Groups of true boxes.

    Args:
        items: datalist items with ``boxes`` in film pixels, ``size`` [height, width] and ``box_types``; an item without
            boxes, or whose boxes are unknown, has none here.
        edges: shares of the film's area at which medium and large begin.

    Returns:
        Under ``size``, ``count``, ``side`` and ``type`` the boxes of each group; groups part the boxes.

    Raises:
        ValueError: types that are not one a box.

    Example:
        >>> one = {"boxes": [[0, 0, 10, 10]], "size": [100, 100], "box_types": ["active"]}
        >>> [name for name, boxes in box_groups([one]).groups["size"].items() if boxes.any()]
        ['small']
    """
    film: list[int] = []
    words: dict[str, list[str]] = {"size": [], "count": [], "side": [], "type": []}
    for i, item in enumerate(items):
        boxes = item["boxes"] or []
        types = item.get("box_types") or ["other"] * len(boxes)
        if len(types) != len(boxes):
            raise ValueError(f"Item {i} (from 0) has {len(boxes)} boxes and {len(types)} box_types; expected one each.")
        for (x0, y0, x1, y1), kind in zip(boxes, types):
            height, width = item["size"]
            film.append(i)
            share = (x1 - x0) * (y1 - y0) / (height * width)
            words["size"].append(("small", "medium", "large")[int(np.searchsorted(edges, share, side="right"))])
            words["count"].append(str(len(boxes)) if len(boxes) < 3 else "3+")
            words["side"].append("left" if (x0 + x1) / 2 < width / 2 else "right")
            words["type"].append(kind if kind in BOX_TYPES else "other")
    names = {
        "size": ("small", "medium", "large"),
        "count": ("1", "2", "3+"),
        "side": ("left", "right"),
        "type": (*BOX_TYPES, "other"),
    }
    groups = {by: {n: np.array(words[by], dtype=object) == n for n in names[by]} for by in names}
    return BoxGroups(np.array(film, dtype=np.intp), groups)


def film_groups(items: Sequence[Mapping[str, Any]], edges: tuple[float, float] = SIZE_EDGES) -> Groups:
    """Groups of films with true boxes; films without are in none.

    Args:
        items: see :func:`box_groups`.
        edges: see there; a film's size is that of its largest box.

    Returns:
        Under ``size``, ``count``, ``side`` and ``type`` the films of each group ``(N,)`` bool.

    Raises:
        ValueError: types that are not one a box.
    """
    film, boxes = box_groups(items, edges)

    def has(by: str, name: str) -> np.ndarray:
        result: np.ndarray = np.bincount(film[boxes[by][name]], minlength=len(items)) > 0
        return result

    large, medium, small = (has("size", n) for n in ("large", "medium", "small"))
    left, right = has("side", "left"), has("side", "right")
    types = {name: has("type", name) for name in boxes["type"]}
    several = sum(t.astype(int) for t in types.values()) > 1
    return {
        "size": {"small": small & ~medium & ~large, "medium": medium & ~large, "large": large},
        "count": {name: has("count", name) for name in boxes["count"]},
        "side": {"left": left & ~right, "right": right & ~left, "both": left & right},
        "type": {**{name: films & ~several for name, films in types.items()}, "mixed": np.asarray(several)},
    }


def film_means_by_group(
    values: np.ndarray,
    groups: Groups,
    resamples: int = 2000,
    seed: int = 0,
    patients: Sequence[Hashable | None] | None = None,
) -> dict[str, dict[str, Interval]]:
    """A per-film metric by group; each mean with its interval and number of films.

    Args:
        values: one number a film ``(N,)``; nan takes no part.
        groups: :func:`film_groups`.
        resamples: bootstrap samples, of the group's films.
        seed: of the resampling.
        patients: an id a film ``(N,)``, to draw whole patients.
    """
    return {
        by: {
            name: bootstrap_mean(values[films], resamples, seed=seed, groups=_of(patients, np.flatnonzero(films)))
            for name, films in parts.items()
        }
        for by, parts in groups.items()
    }


def box_means_by_group(
    values: np.ndarray,
    boxes: BoxGroups,
    resamples: int = 2000,
    seed: int = 0,
    patients: Sequence[Hashable | None] | None = None,
) -> dict[str, dict[str, Interval]]:
    """A per-box metric by group; each mean with its interval, resampled by film, and its number of films.

    Args:
        values: one number a true box ``(M,)``, in the order of ``boxes``, such as its best IoU.
        boxes: :func:`box_groups`.
        resamples: bootstrap samples, of the films that have such boxes.
        seed: of the resampling.
        patients: an id a film ``(N,)``, to draw whole patients.

    Raises:
        ValueError: not one number a box.
    """
    if np.shape(values) != boxes.film.shape:
        raise ValueError(f"Values have shape {np.shape(values)}; expected {boxes.film.shape}, one a true box.")

    def mean(chosen: np.ndarray) -> Interval:
        films, place = np.unique(boxes.film[chosen], return_inverse=True)
        sums = np.bincount(place, np.asarray(values, dtype=float)[chosen])
        return bootstrap_ratio(sums, np.bincount(place), resamples, seed=seed, groups=_of(patients, films))

    return {by: {name: mean(chosen) for name, chosen in parts.items()} for by, parts in boxes.groups.items()}


def _of(patients: Sequence[Hashable | None] | None, films: np.ndarray) -> list[Hashable | None] | None:
    return None if patients is None else [patients[int(i)] for i in films]
