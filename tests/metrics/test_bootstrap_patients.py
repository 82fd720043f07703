from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics.bootstrap import (
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_statistic,
    group_codes,
    resample_weights,
)
from monai_tbkd.metrics.comparison_table import resampled
from monai_tbkd.metrics.split_truth import SplitTruth


def test_films_without_an_id_are_on_their_own() -> None:
    assert group_codes(["p", None, "q", "", "p", None], 6).tolist() == [0, 1, 2, 3, 0, 4]
    assert group_codes(None, 3).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="2 patient ids for 3 films"):
        group_codes(["p", "q"], 3)


def test_films_of_a_patient_are_drawn_together() -> None:
    weights = resample_weights(5, 300, seed=0, groups=["a", "a", "b", "c", "c"])
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    patients = weights[:, [0, 2, 3]]
    assert (patients.sum(axis=1) == 3).all()
    assert len(np.unique(patients, axis=0)) == 10  # every way to draw 3 of 3 with repeats


def test_ids_that_are_all_different_change_nothing() -> None:
    values = np.random.default_rng(0).random(30)
    assert bootstrap_mean(values, groups=list(range(30))) == bootstrap_mean(values)


def test_alike_films_of_a_patient_widen_the_interval() -> None:
    # 50 patients with 4 films that are the same: 200 films, but no more known than of 50
    one = np.random.default_rng(0).normal(0, 1, 50)
    values, patients = np.repeat(one, 4), np.repeat(np.arange(50), 4).tolist()
    films, by_patient, alone = (
        bootstrap_mean(values),
        bootstrap_mean(values, groups=patients),
        bootstrap_mean(one),
    )
    assert by_patient.high - by_patient.low == pytest.approx(2 * (films.high - films.low), rel=0.08)
    assert (by_patient.low, by_patient.high) == pytest.approx((alone.low, alone.high))
    index = bootstrap_statistic(lambda i: float(values[i].mean()), 200, resamples=2000, groups=patients)
    assert index.high - index.low == pytest.approx(by_patient.high - by_patient.low, rel=0.08)
    assert index.value == pytest.approx(by_patient.value)


def test_missing_values_leave_their_ids_out_too() -> None:
    values, patients = np.array([1.0, np.nan, 3.0, 5.0]), ["a", "b", "a", "c"]
    kept = bootstrap_ratio(values[[0, 2, 3]], np.ones(3), groups=["a", "a", "c"])
    assert bootstrap_ratio(values, np.ones(4), groups=patients) == kept


def test_films_without_a_patient_are_no_patient() -> None:
    """TBX11K's films have no patient id, NIH's have: together the former are resampled one by one."""
    film = {"class_name": "health", "boxes": [], "size": [8, 8]}
    ids = ["p1", "p1", "p2", None, "", None]
    items = [{**film, "name": str(i), **({} if p is None else {"patient_id": p})} for i, p in enumerate(ids)]
    counts = SplitTruth(items, grid=4).counts()
    assert (counts["patients"], counts["films_without_patient"]) == (2, 3)
    assert resampled(counts) == "2 patients and 3 films of unknown patients"
    assert "patients" not in SplitTruth(items[3:], grid=4).counts()
