from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics.bootstrap import bootstrap_mean
from monai_tbkd.metrics.bootstrap import summarize_seeds
from monai_tbkd.metrics.bootstrap import weighted_mean


def test_numbers_by_hand() -> None:
    found = summarize_seeds([weighted_mean(np.array(v)) for v in ([0.1, 0.3], [0.2, 0.6], [0.5, 0.7])], 2)
    assert found.per_seed == pytest.approx((0.2, 0.4, 0.6))
    assert (found.mean, found.sd, found.smallest, found.largest) == pytest.approx((0.4, 0.2, 0.2, 0.6))
    assert found.as_dict()["seeds"] == 3
    assert found.as_dict()["over_films"]["n"] == 2


def test_interval_over_films_is_that_of_the_seed_mean_of_each_film() -> None:
    values = np.random.default_rng(0).random((3, 40))
    found = summarize_seeds([weighted_mean(v) for v in values], 40)
    assert found.over_films == pytest.approx(bootstrap_mean(values.mean(axis=0)))


def test_drawing_seeds_too_shows_their_spread() -> None:
    films = np.random.default_rng(0).normal(0.5, 0.05, 200)
    found = summarize_seeds([weighted_mean(films + shift) for shift in (-0.1, 0.0, 0.1)], 200)
    assert found.over_films.high - found.over_films.low < 0.02
    # all three draws of the same extreme seed happen in 1 of 27 resamples each: beyond the 2.5 % tails
    assert found.over_seeds_and_films.low == pytest.approx(found.mean - 0.1, abs=0.01)
    assert found.over_seeds_and_films.high == pytest.approx(found.mean + 0.1, abs=0.01)


def test_a_single_seed_has_no_spread() -> None:
    found = summarize_seeds([weighted_mean(np.array([0.2, 0.4]))], 2)
    assert found.as_dict()["sd"] is None
    assert found.over_films == found.over_seeds_and_films
    with pytest.raises(ValueError, match="no seed"):
        summarize_seeds([], 2)
