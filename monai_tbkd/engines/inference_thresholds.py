"""The thresholds of an inference: which, and where they come from."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.networks.checkpoint import file_sha256
from monai_tbkd.transforms.map_to_boxes import THRESHOLD_MODES

logger = logging.getLogger(__name__)

KEPT_POINT = "replaced"
"""Key under which an operating point holds that of the model before, so that both models find their own at any time."""


def load_operating_point(
    path: str | Path,
    checkpoint: str | Path,
    map_threshold: float | None = None,
    score_threshold: float | None = None,
    mode: str | None = None,
    threshold_file: str | Path | None = None,
    model_version: str = "",
    exported: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The thresholds of an inference: given ones, else calibrated, else chosen by this model's evaluation, else 0.5.

    Args:
        path: file that the evaluation wrote; it need not exist.
        checkpoint: the model that inference uses.
        map_threshold: 0-1, or None to take the chosen one.
        score_threshold: the same.
        mode: one of `THRESHOLD_MODES`, or None to take the chosen one.
        threshold_file: what ``calibrate`` wrote, for the score threshold; or None.
        model_version: of the model, which the calibrated threshold has to belong to.
        exported: record of an exported file that is used in place of the checkpoint; it has its own operating point.

    Returns:
        ``map_threshold``, ``score_threshold``, ``mode``, ``id`` (where they come from) and ``input_kind``, the kind of
        image that a calibrated score threshold holds for (``mixed``: all).

    Raises:
        ValueError: a calibrated threshold of another model, a file that is none, or a given value out of range.
    """
    point = {"map_threshold": 0.5, "score_threshold": 0.5, "mode": "absolute"}
    source, chosen = "default", None
    if exported is not None:
        chosen = exported.get("operating_point")
    elif Path(path).is_file() and Path(checkpoint).is_file():
        chosen = _read_point(Path(path), file_sha256(checkpoint))
        if chosen is None:
            logger.warning("%s is of another model than %s and is not used.", path, checkpoint)
    if chosen is not None:
        point = {k: chosen[k] for k in point}
        source = f"evaluate: {chosen['chosen_on']}"
    input_kind = "mixed"
    if threshold_file is not None and score_threshold is None:
        from monai_tbkd.metrics.calibrated_threshold import load_threshold

        calibrated = load_threshold(threshold_file, model_version)
        point["score_threshold"], input_kind = calibrated.score_threshold, calibrated.input_kind
        source = f"{calibrated.id}; map: {source}"
    for name, value in (("map_threshold", map_threshold), ("score_threshold", score_threshold)):
        if value is not None and not is_number(value, 0, 1):
            raise ValueError(f"{name} is {value!r}; expected 0 to 1.")
    if mode is not None and mode not in THRESHOLD_MODES:
        raise ValueError(f"threshold_mode is {mode!r}; expected one of {THRESHOLD_MODES}.")
    given = {"map_threshold": map_threshold, "score_threshold": score_threshold, "mode": mode}
    given = {k: v for k, v in given.items() if v is not None}
    if given:
        source = f"config: {', '.join(given)}" + ("" if len(given) == len(point) else f"; {source}")
    return {**point, **given, "id": source, "input_kind": input_kind}


def _read_point(path: Path, sha256: str) -> dict[str, Any] | None:
    """What an evaluation has chosen for a model; None where the file is of another."""
    try:
        content = json.loads(read_text(path))
        candidates = (content, content.get(KEPT_POINT) or {})
        chosen = next((each for each in candidates if each.get("model_sha256") == sha256), None)
        if chosen is None:
            return None
        valid = all(is_number(chosen[key], 0, 1) for key in ("map_threshold", "score_threshold"))
        valid = valid and chosen["mode"] in THRESHOLD_MODES and isinstance(chosen["chosen_on"], str)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: not an operating point that evaluate has written; run evaluate again.") from error
    if not valid:
        raise ValueError(f"{path}: thresholds or words that cannot be; run evaluate again.")
    return chosen
