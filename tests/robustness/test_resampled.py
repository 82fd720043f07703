from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics import bootstrap_mean
from monai_tbkd.robustness.resampled import ImageResampler, mean_of, plain_tree, tree_minus


def test_intervals_are_those_of_the_bootstrap() -> None:
    values = np.random.default_rng(0).random(30)
    assert ImageResampler(30, 500, seed=3).mean(values).as_dict() == bootstrap_mean(values, 500, seed=3).as_dict()


def test_a_drop_and_its_mean_by_hand() -> None:
    images = ImageResampler(2, 50)
    clean, half, none = (images.mean(np.array(v)) for v in ([0.8, 0.8], [0.4, 0.4], [0.8, 0.8]))
    drop = half.relative_drop(clean)
    assert drop.as_dict() == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 2}
    assert mean_of([drop, none.relative_drop(clean)]).value == pytest.approx(0.25)
    assert clean.relative_drop(images.mean(np.zeros(2))).as_dict()["value"] is None


def test_trees_are_subtracted_where_both_have_a_number() -> None:
    images = ImageResampler(3, 50)
    one = {"a": {"x": images.mean(np.array([1.0, 2.0, 3.0])), "only": images.mean(np.ones(3))}, "text": "t"}
    other = {"a": {"x": images.mean(np.array([0.5, 1.5, 2.5]))}, "text": "u"}
    assert plain_tree(tree_minus(one, other)) == {"a": {"x": {"value": 0.5, "low": 0.5, "high": 0.5, "n": 3}}}


def test_images_without_a_number_take_no_part() -> None:
    images = ImageResampler(3, 50)
    assert images.mean(np.array([1.0, np.nan, 1.0])).as_dict() == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}
    assert images.ratio(np.array([1.0, np.nan, 2.0]), np.array([2.0, 9.0, 4.0])).value == pytest.approx(0.5)
    scores, tb = np.array([0.1, 0.5, 0.9]), np.array([False, True, False])
    assert images.auc(scores, tb).value == 0.5
    without_the_last = images.auc(scores, tb, np.array([True, True, False]))
    assert (without_the_last.value, without_the_last.n) == (1.0, 2)
