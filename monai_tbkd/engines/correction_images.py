"""An annotator's images to train on: corrected ones, and unlabeled ones of the same source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import WeightedRandomSampler

from monai_tbkd.data.lists.datalist_findings import box_unit_findings
from monai_tbkd.data.lists.datalist_item import DatalistItem
from monai_tbkd.data.readers.radiograph_dataset import image_error_in
from monai_tbkd.losses import UNKNOWN_LABEL

logger = logging.getLogger(__name__)

Image = dict[str, Any]


def correction_images(
    corrected: Sequence[DatalistItem],
    unlabeled: Sequence[Mapping[str, str]],
    transform: Callable[[dict[str, Any]], Any],
    most_unlabeled: int = 200,
    seed: int = 0,
) -> list[Image]:
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
    items: list[Image] = [
        {
            "image": item["image"],
            "name": item["name"],
            "label": item["label"],
            "boxes": item["boxes"],
            "tb": item["class_name"] == "tb",
        }
        for item in corrected
    ]
    items += [{**unlabeled[i], "label": UNKNOWN_LABEL, "boxes": None, "tb": False} for i in sorted(chosen)]
    images = []
    for item in items:
        try:
            images.append(dict(transform(item)))
        except Exception as error:
            found = image_error_in(error)
            if found is None:
                raise
            logger.warning("%s is left out of the training: %s (%s)", item["name"], found.reason.value, found.detail)
    labeled = [image for image in images if image["label"] != UNKNOWN_LABEL]
    if not labeled:
        raise ValueError(
            f"None of {len(corrected)} corrected images can be used, so there is nothing to train on; save labels "
            "first, or see the log for why images were left out."
        )
    logger.info(
        "%d corrected images (%d with TB, %d of them with boxes) and %d unlabeled ones.",
        len(labeled), sum(image["tb"] for image in labeled), len(boxed_images(images)), len(images) - len(labeled),
    )  # fmt: skip
    return images


def boxed_images(images: Sequence[Image]) -> list[Image]:
    """The corrected images with TB whose boxes are known."""
    return [image for image in images if image["tb"] and image["boxes_known"] and bool(image["true_mask"].any())]


def correction_sampler(images: Sequence[Image], fraction: float = 0.5, seed: int = 0) -> WeightedRandomSampler:
    """Draw images so that corrected ones are a fixed fraction, and images with TB and without as many of these.

    An epoch has each corrected image once on average. ``fraction`` is above 0 to 1; it is 1 where there are no others.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"correction_fraction is {fraction}; expected above 0, at most 1.")
    labels = torch.tensor([int(image["label"]) for image in images])
    weights = torch.zeros(len(images), dtype=torch.float64)
    corrected = labels != UNKNOWN_LABEL
    classes = labels[corrected].unique()
    fraction = fraction if not bool(corrected.all()) else 1.0
    for label in classes:
        here = labels == label
        weights[here] = fraction / len(classes) / here.sum()
    if fraction < 1:
        weights[~corrected] = (1 - fraction) / (~corrected).sum()
    number = max(1, round(int(corrected.sum()) / fraction))
    return WeightedRandomSampler(weights.tolist(), number, generator=torch.Generator().manual_seed(seed))
