"""The config of a folder that holds inference alone: by itself, and without what it does not use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.packaging.config_layers import START, first_part, read_config

LAYER = Path(__file__).with_name("plain_inference.yaml")
"""What is laid over ``inference.yaml``."""
LEFT_OUT = ("monai_tbkd.data.readers.itk_image", "monai_tbkd.metrics.calibrated_threshold")
"""Modules that code imports for features which that config has not: MetaImage and NRRD, ``threshold_file``."""
_BEGIN = ("imports", "initialize", START, "run", "finalize")
_REFERENCE = re.compile(r"[@%](\w+)")


def plain_layer() -> dict[str, Any]:
    """The content of `LAYER`."""
    return read_config(LAYER)


def plain_inference(
    inference: Mapping[str, Any], preprocessing: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """A config of inference that needs no other: with the preprocessing in it, and without settings that do nothing.

    Args:
        inference: with `LAYER` laid over it.
        preprocessing: whose ids are defaults.
        given: ids that somebody has set.

    Raises:
        ValueError: one of these is of a feature that the config has not.
    """
    shared = {key: value for key, value in preprocessing.items() if key not in ("imports", "preprocessing")}
    whole = {**inference, **{key: value for key, value in shared.items() if key not in inference}}
    if whole["lung_weights"] is None:  # the model refuses boxes of lungs that were found otherwise
        whole["lung_field"] = None
    steps = [*preprocessing["preprocessing"]["transforms"], *inference["preprocessing"]["transforms"][1:]]
    whole["preprocessing"] = {**inference["preprocessing"], "transforms": steps}
    kept, waiting = set(), {key for key in _BEGIN if key in whole}
    while waiting:
        key = waiting.pop()
        kept.add(key)
        waiting |= {name for name in _REFERENCE.findall(str(whole[key])) if name in whole} - kept
    without = {first_part(key) for key in given} & {*inference} - kept
    if without:
        raise ValueError(
            f"{', '.join(sorted(without))}: a folder for inference alone has no such setting; make one with everything "
            "(--full)."
        )
    return {key: value for key, value in whole.items() if key in kept}
