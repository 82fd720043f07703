from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics.place_anomaly import place_anomaly


def films(count: int = 60, lesions: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Features whose scale and middle differ from place to place; some films have a lesion in one place."""
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.2, 3, (1, 4, 8, 8))
    features = rng.normal(size=(count, 4, 8, 8)) * scale + rng.normal(size=(1, 4, 8, 8)) * 5
    where = rng.integers(0, 8, (lesions, 2))
    for film, (i, j) in enumerate(where):
        features[film, :, i, j] += 6 * scale[0, :, i, j]
    return features, where


def test_lesions_stand_out_of_the_films_that_it_is_fitted_on() -> None:
    features, where = films()
    distance = place_anomaly(features, np.arange(60), reach=0)
    assert distance.shape == (60, 8, 8)
    found = [np.unravel_index(distance[film].argmax(), (8, 8)) for film in range(len(where))]
    assert [tuple(int(x) for x in at) for at in found] == [tuple(int(x) for x in at) for at in where]


def test_each_place_has_its_own_middle_and_unit() -> None:
    features, _ = films(lesions=0)
    distance = place_anomaly(features, np.arange(60))
    np.testing.assert_allclose(np.median(distance, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(distance.std(axis=0), 1, atol=1e-5)


def test_films_that_it_is_not_fitted_on_change_nothing() -> None:
    features, _ = films()
    rows = np.arange(10, 60)
    first = place_anomaly(features, rows)
    features[:5] += 100
    second = place_anomaly(features, rows)
    np.testing.assert_array_equal(first[5:], second[5:])
    assert second[:5].min() > 10


def test_one_film_is_refused() -> None:
    with pytest.raises(ValueError, match="two films or more, not 1"):
        place_anomaly(np.zeros((3, 2, 4, 4)), np.array([0]))
