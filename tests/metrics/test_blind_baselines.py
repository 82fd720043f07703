from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics import center_box, location_prior


def test_prior_counts_boxes() -> None:
    items = [
        {"boxes": [[0, 0, 50, 50]], "size": [100, 100]},
        {"boxes": [[0, 0, 100, 50]], "size": [100, 100]},
        {"boxes": [], "size": [100, 100]},
        {"boxes": None, "size": [100, 100]},
    ]
    assert location_prior(items, 2).tolist() == [[1.0, 0.5], [0.0, 0.0]]
    with pytest.raises(ValueError, match="No training film has boxes"):
        location_prior(items[2:], 2)


def test_center_box_has_its_area() -> None:
    box = center_box(100, 0.25)
    assert box.mean() == pytest.approx(0.25)
    assert np.argwhere(box).min() == 25
