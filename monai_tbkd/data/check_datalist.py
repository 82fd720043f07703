"""Find what is wrong with a data set before training starts."""

from __future__ import annotations

import logging

from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.datalist_findings import clip_boxes, datalist_findings
from monai_tbkd.data.datalist_item import DatalistItem

logger = logging.getLogger(__name__)


def check_datalist(
    splits: dict[str, list[DatalistItem]], missing_annotation: str = "warn"
) -> dict[str, list[DatalistItem]]:
    """Check films, boxes and splits; all faults are gathered into one error, a sentence each.

    Args:
        splits: data list items by split; ``"train"`` is checked for its classes.
        missing_annotation: ``"warn"`` logs TB films without boxes, ``"error"`` refuses them.

    Returns:
        The same, with boxes that reach over the edge by up to 1 pixel clipped.

    Raises:
        DatalistError: no film, a film that is missing or cannot be read, a box outside its film or without area, a
            film twice, one class only in train, or (if asked for) a TB film without boxes.
        ValueError: `missing_annotation` is not known.

    Example:
        >>> well = {"image": "/a.png", "name": "a", "class_name": "health", "label": 0, "boxes": [], "size": [9, 9]}
        >>> sick = {**well, "image": "/b.png", "name": "b", "class_name": "tb", "label": 1, "boxes": [[-1, 2, 5, 9]]}
        >>> check_datalist({"train": [well, sick]})["train"][1]["boxes"]
        [[0.0, 2, 5, 9]]
    """
    if missing_annotation not in ("warn", "error"):
        raise ValueError(f"missing_annotation is {missing_annotation!r}; expected 'warn' or 'error'.")
    if not any(splits.values()):
        raise DatalistError("The data set has no film; check dataset_dir.")
    findings = datalist_findings(splits)
    faults = [finding.sentence for finding in findings if finding.severity == "error"]
    warnings = [finding for finding in findings if finding.severity == "warning"]
    if missing_annotation == "error":
        faults += [
            f"TB films without an annotation ({name_first(finding.films)}); annotate them or take them out."
            for finding in warnings
            if finding.kind == "not_annotated"
        ]
    if faults:
        raise DatalistError(" ".join(faults))
    for finding in warnings:
        logger.warning("%s", finding.sentence)
    return {name: [clip_boxes(item)[0] for item in part] for name, part in splits.items()}
