"""The content of ``metrics.json``, whatever the predictions come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_tbkd.metrics import DEFINITIONS, Comparison, Predictions
from monai_tbkd.metrics.blind_baselines import DEFINITIONS as BLIND_DEFINITIONS
from monai_tbkd.metrics.comparison import versions
from monai_tbkd.metrics.shortcut_reference import DEFINITIONS as SHORTCUT_DEFINITIONS
from monai_tbkd.metrics.shortcut_reference import shortcuts_by_source
from monai_tbkd.metrics.split_truth import split_sha256
from monai_tbkd.networks.checkpoint import PHANTOM_ONLY, knows_no_real_image
from monai_tbkd.transforms import NOTICE, notice_of

SCHEMA_VERSION = 3
_INTERVAL = (
    "95 % bootstrap over images, or over patients where they are known; 2000 resamples unless set otherwise; "
    "percentile intervals, for image-level numbers BCa; differences are paired; a fraction of images that is 0 or 1 "
    "has Wilson's interval, since no resample of it differs"
)


def evaluation_result(
    comparison: Comparison,
    predictions: Mapping[str, Mapping[str, Predictions]],
    facts: Mapping[str, Any],
    settings: Mapping[str, Any],
    checkpoints: Mapping[str, Any],
    given: Mapping[str, Mapping[str, Any]] | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Compare, and add what the numbers rest on.

    Args:
        comparison: of the images.
        predictions: by predictor and split.
        facts: kept on top, such as ``version`` and ``seed``.
        settings: of the run.
        checkpoints: records of the networks' trainings, by network.
        given: operating points that are not to be chosen, see `Comparison.run`.
        inputs: files that predictions were read from, by predictor.
    """
    compared = comparison.run(predictions, given)
    if comparison.resamples and any(row.get("auc") for row in compared["predictors"].values()):
        shortcuts = shortcuts_by_source(comparison.items["test"])
        compared["shortcuts"] = {s: {k: auc.as_dict() for k, auc in aucs.items()} for s, aucs in shortcuts.items()}
    phantom = any(knows_no_real_image(record) for record in checkpoints.values())
    return {
        "schema_version": SCHEMA_VERSION,
        "notice": notice_of(PHANTOM_ONLY) if phantom else NOTICE,
        "definitions": {**DEFINITIONS, **BLIND_DEFINITIONS, **SHORTCUT_DEFINITIONS, "interval": _INTERVAL},
        **facts,
        "provenance": {
            "versions": versions(),
            "splits_sha256": {split: split_sha256(items) for split, items in comparison.items.items()},
            "evaluation": comparison.settings,
            "settings": dict(settings),
            **({"inputs": dict(inputs)} if inputs else {}),
        },
        **compared,
        "checkpoints": dict(checkpoints),
    }
