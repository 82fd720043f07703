from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics import location_prior
from monai_tbkd.metrics.blind_baselines import blind_maps


def test_prior_counts_boxes() -> None:
    items = [
        {"boxes": [[0, 0, 50, 50]], "size": [100, 100]},
        {"boxes": [[0, 0, 100, 50]], "size": [100, 100]},
        {"boxes": [], "size": [100, 100]},
        {"boxes": None, "size": [100, 100]},
    ]
    assert location_prior(items, 2).tolist() == [[1.0, 0.5], [0.0, 0.0]]
    with pytest.raises(ValueError, match="No training image has boxes"):
        location_prior(items[2:], 2)


def test_fixed_boxes_are_the_same_on_every_image() -> None:
    maps = blind_maps([], {"test": [{}, {}]}, 100)
    assert list(maps) == ["center_box", "upper_lung_boxes", "whole_image"]
    center = maps["center_box"]["test"]
    assert center.shape == (2, 100, 100) and center.mean() == pytest.approx(0.25)
    assert np.argwhere(center[1]).min() == 25
    assert maps["whole_image"]["test"].min() == 1
