from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_tbkd.metrics.false_boxes import FalseBoxes, false_boxes


def test_only_films_without_tb_count() -> None:
    drawn = [torch.zeros(2, 4), torch.zeros(5, 4), torch.zeros(0, 4)]
    counts = false_boxes(drawn, np.array([True, False, True]))
    assert np.array_equal(counts, [2.0, np.nan, 0.0], equal_nan=True)
    metric = FalseBoxes()
    metric(drawn, [torch.zeros(0, 4), torch.zeros(1, 4), torch.zeros(0, 4)])
    assert metric.aggregate().item() == np.nanmean(counts) == 1.0


def test_none_without_tb_and_lengths_that_differ() -> None:
    metric = FalseBoxes()
    metric([torch.zeros(1, 4)], [torch.zeros(1, 4)])
    assert metric.aggregate().isnan()
    with pytest.raises(ValueError, match="Boxes of 1 films and labels of 2"):
        false_boxes([np.zeros((1, 4))], np.array([True, False]))
