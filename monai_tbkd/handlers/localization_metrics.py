"""Localization metrics of a validation."""

from __future__ import annotations

from monai.handlers import IgniteMetricHandler, from_engine

from monai_tbkd.metrics import PointingGame, UnionMaskIoU


def localization_metrics() -> dict[str, IgniteMetricHandler]:
    """Union-mask mIoU and pointing game, for ``additional_metrics`` of an evaluator.

    Post-processing has to leave ``tb_mask``, ``tb_map`` and ``true_mask`` in the output.
    """
    return {
        "val/union_mask_miou": IgniteMetricHandler(
            metric_fn=UnionMaskIoU(), output_transform=from_engine(["tb_mask", "true_mask"])
        ),
        "val/pointing_game": IgniteMetricHandler(
            metric_fn=PointingGame(), output_transform=from_engine(["tb_map", "true_mask"])
        ),
    }
