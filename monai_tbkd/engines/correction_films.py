"""An annotator's images to train on: corrected ones, and unlabeled ones of the same source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import WeightedRandomSampler

from monai_tbkd.data.datalist_findings import box_unit_findings
from monai_tbkd.data.datalist_item import DatalistItem
from monai_tbkd.data.film_dataset import film_error_in
from monai_tbkd.losses import UNKNOWN_LABEL

logger = logging.getLogger(__name__)

Film = dict[str, Any]


def correction_films(
    corrected: Sequence[DatalistItem],
    unlabeled: Sequence[Mapping[str, str]],
    transform: Callable[[dict[str, Any]], Any],
    most_unlabeled: int = 200,
    seed: int = 0,
) -> list[Film]:
    """Read an annotator's images, once.

    Args:
        corrected: data list items with their image-level label; ``boxes`` is None where an image with TB has none
            drawn.
        unlabeled: images without a label, ``image`` and ``name``; they only compare student and teacher.
        transform: from an item to the image as it is kept in memory.
        most_unlabeled: at most so many of these are read, the same ones for the same seed.
        seed: of that choice.

    Returns:
        Images with ``name``, ``label`` (`UNKNOWN_LABEL` for the unlabeled), ``tb`` (whether a corrected image has TB)
        and what the transform gives. One that cannot be read is left out, with its reason in the log.

    Raises:
        ValueError: none of the corrected images can be used, or their boxes are not in pixels.
    """
    findings = box_unit_findings([item for item in corrected if item.get("size")])
    faults = [finding.sentence for finding in findings if finding.severity == "error"]
    if faults:
        raise ValueError(" ".join(faults))
    known = {item["image"] for item in corrected}
    unlabeled = [each for each in unlabeled if each["image"] not in known]
    chosen = np.random.default_rng(seed).permutation(len(unlabeled))[: max(int(most_unlabeled), 0)]
    items: list[Film] = [
        {
            "image": item["image"],
            "name": item["name"],
            "label": item["label"],
            "boxes": item["boxes"],
            "tb": item["class_name"] == "tb",
        }
        for item in corrected
    ]
    items += [
        {**unlabeled[i], "label": UNKNOWN_LABEL, "boxes": None, "tb": False}
        for i in sorted(int(each) for each in chosen)
    ]
    films = []
    for item in items:
        try:
            films.append(dict(transform(item)))
        except Exception as error:
            found = film_error_in(error)
            if found is None:
                raise
            logger.warning("%s is left out of the training: %s (%s)", item["name"], found.reason.value, found.detail)
    labeled = [film for film in films if film["label"] != UNKNOWN_LABEL]
    if not labeled:
        raise ValueError(
            f"None of {len(corrected)} corrected films can be used, so there is nothing to train on; save labels "
            "first, or see the log for why films were left out."
        )
    logger.info(
        "%d corrected films (%d with TB, %d of them with boxes) and %d unlabeled ones.",
        len(labeled), sum(film["tb"] for film in labeled), len(boxed_films(films)), len(films) - len(labeled),
    )  # fmt: skip
    return films


def boxed_films(films: Sequence[Film]) -> list[Film]:
    """The corrected images with TB whose boxes are known."""
    return [film for film in films if film["tb"] and film["boxes_known"] and bool(film["true_mask"].any())]


def correction_sampler(films: Sequence[Film], share: float = 0.5, seed: int = 0) -> WeightedRandomSampler:
    """Draw images so that corrected ones are a fixed fraction, and images with TB and without as many of these.

    An epoch has each corrected image once on average. ``share`` is above 0 to 1; it is 1 where there are no others.
    """
    if not 0 < share <= 1:
        raise ValueError(f"correction_share is {share}; expected above 0, at most 1.")
    labels = torch.tensor([int(film["label"]) for film in films])
    weights = torch.zeros(len(films), dtype=torch.float64)
    corrected = labels != UNKNOWN_LABEL
    classes = labels[corrected].unique()
    share = share if not bool(corrected.all()) else 1.0
    for label in classes:
        here = labels == label
        weights[here] = share / len(classes) / here.sum()
    if share < 1:
        weights[~corrected] = (1 - share) / (~corrected).sum()
    number = max(1, round(int(corrected.sum()) / share))
    return WeightedRandomSampler(weights.tolist(), number, generator=torch.Generator().manual_seed(seed))
