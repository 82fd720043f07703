from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics.bootstrap import Estimates, bootstrap_ratio, wilson
from monai_tbkd.metrics.screening_table import COLUMNS, Program, ratio, screening_table, weighted_sum

# 10 images, 4 of them with TB
SCORES = np.array([90.0, 80, 70, 20, 85, 60, 50, 30, 20, 10])
POSITIVE = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0]) > 0
PROGRAM = Program(prevalence=0.02, cost_image=5, cost_test=20)


def test_ten_images_by_hand() -> None:
    (row,) = screening_table(SCORES, POSITIVE, [60], PROGRAM)
    assert tuple(row) == COLUMNS
    assert [row[k] for k in ("threshold", "n", "TP", "FP", "TN", "FN")] == [60.0, 10, 3, 2, 4, 1]  # 60 itself is above
    assert (row["sensitivity"], row["specificity"]) == pytest.approx((0.75, 4 / 6), abs=1e-6)
    assert (row["ppv_observed"], row["npv_observed"], row["fraction_of_tb_found"]) == pytest.approx((0.6, 0.8, 0.75))
    # of 1000 people 20 have TB: 15 are found, and of 980 others a third is tested
    tests = 15 + 980 / 3
    assert row["ppv"] == pytest.approx(15 / tests, abs=1e-6)
    assert row["npv"] == pytest.approx((980 * 2 / 3) / (980 * 2 / 3 + 5), abs=1e-6)
    assert row["number_needed_to_test"] == pytest.approx(tests / 15, abs=1e-5)
    assert row["fraction_of_tests_avoided"] == pytest.approx(1 - tests / 1000, abs=1e-6)
    assert row["total_cost_per_1000"] == pytest.approx(5000 + 20 * tests, abs=1e-3)
    assert row["cost_per_case_found"] == pytest.approx((5000 + 20 * tests) / 15, abs=1e-3)
    limits = wilson(np.array(3), np.array(4))
    assert (row["sensitivity_low"], row["sensitivity_high"]) == pytest.approx(
        (float(limits.low), float(limits.high)), abs=1e-6
    )


def test_ends_of_the_scale() -> None:
    bottom, top = screening_table(SCORES, POSITIVE, [0, 100], PROGRAM)
    assert (bottom["TP"], bottom["FP"], bottom["TN"], bottom["FN"]) == (4, 6, 0, 0)
    assert bottom["ppv"] == pytest.approx(0.02)
    assert bottom["npv"] is None  # nobody is told to have none
    assert bottom["fraction_of_tests_avoided"] == pytest.approx(0)
    assert (top["TP"], top["FP"], top["TN"], top["FN"]) == (0, 0, 6, 4)
    assert top["npv"] == pytest.approx(0.98)
    assert (top["ppv"], top["number_needed_to_test"], top["cost_per_case_found"]) == (None, None, None)
    assert top["total_cost_per_1000"] == 5000


def test_every_interval_holds_its_value() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(300) < 0.3
    scores = np.clip(rng.normal(np.where(positive, 65, 35), 20), 0, 100)
    patients = [f"p{i // 2}" for i in range(300)]
    for groups in (None, patients):
        for row in screening_table(scores, positive, range(0, 101, 5), groups=groups, resamples=300):
            for name in COLUMNS[6::3]:
                value, low, high = (row[name + end] for end in ("", "_low", "_high"))
                if value is not None:
                    assert low is None or low <= value + 1e-6
                    assert high is None or high >= value - 1e-6


def test_images_without_a_score_are_neither_positive_nor_negative() -> None:
    scores = np.concatenate([SCORES, [np.nan, np.nan, np.nan]])
    positive = np.concatenate([POSITIVE, [True, False, False]])
    (with_them,) = screening_table(scores, positive, [60], PROGRAM)
    (without,) = screening_table(SCORES, POSITIVE, [60], PROGRAM)
    found = with_them.pop("fraction_of_tb_found"), without.pop("fraction_of_tb_found")
    assert found == (0.6, 0.75)  # the fifth image with TB was not found
    shared = [k for k in with_them if not k.startswith("fraction_of_tb_found")]
    assert {k: with_them[k] for k in shared} == {k: without[k] for k in shared}


def test_patients_widen_the_intervals_and_single_images_do_not_narrow_them() -> None:
    rng = np.random.default_rng(0)
    positive = np.repeat(rng.random(60) < 0.4, 5)
    scores = np.repeat(np.clip(rng.normal(50, 25, 60), 0, 100), 5)
    patients = np.repeat(np.arange(60), 5).tolist()
    (images,) = screening_table(scores, positive, [50])
    (whole,) = screening_table(scores, positive, [50], groups=patients)
    (single,) = screening_table(scores, positive, [50], groups=list(range(300)))
    for name in ("sensitivity", "specificity", "ppv_observed", "ppv", "fraction_of_tests_avoided"):
        width = {k: r[f"{name}_high"] - r[f"{name}_low"] for k, r in (("f", images), ("p", whole), ("s", single))}
        assert width["p"] > 1.6 * width["f"], name
        assert width["s"] == pytest.approx(width["f"], rel=0.12), name
    by_hand = bootstrap_ratio((scores >= 50) & positive, positive.astype(float), groups=patients)
    assert (whole["sensitivity_low"], whole["sensitivity_high"]) == pytest.approx(by_hand[1:3], abs=0.02)


def test_all_or_none_of_few_patients_is_not_certain() -> None:
    scores, positive = np.array([90.0, 91, 92, 93, 10, 11]), np.array([1, 1, 1, 1, 0, 0]) > 0
    (row,) = screening_table(scores, positive, [50], groups=["a", "a", "b", "b", "c", "d"])
    assert row["sensitivity"] == 1.0
    assert row["sensitivity_low"] == pytest.approx(float(wilson(np.array(2), np.array(2)).low), abs=1e-6)
    assert row["specificity_low"] < 0.5


def test_limits_at_a_prevalence_agree_with_a_bootstrap_of_many_images() -> None:
    rng = np.random.default_rng(0)
    n_tb, n_rest = 400, 1600
    found, false = rng.binomial(n_tb, 0.85, 4000) / n_tb, rng.binomial(n_rest, 0.25, 4000) / n_rest
    scores = np.repeat([90.0, 10, 90, 10], [340, 60, 400, 1200])
    positive = np.repeat([True, False], [n_tb, n_rest])
    (row,) = screening_table(scores, positive, [50], PROGRAM)
    drawn = {
        "ppv": 0.02 * found / (0.02 * found + 0.98 * false),
        "fraction_of_tests_avoided": 1 - (0.02 * found + 0.98 * false),
        "cost_per_case_found": (5 + 20 * (0.02 * found + 0.98 * false)) / (0.02 * found),
    }
    for name, draws in drawn.items():
        low, high = np.quantile(draws, [0.025, 0.975])
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((low, high), abs=0.1 * (high - low)), name


@pytest.mark.parametrize(
    ("program", "sentence"),
    [(Program(prevalence=0.0), "fraction between 0 and 1"), (Program(prevalence=5.0), "prevalence is 5;"),
     (Program(cost_test=-1), "expected numbers not below 0")],
)  # fmt: skip
def test_impossible_programs_are_refused(program: Program, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        screening_table(SCORES, POSITIVE, [50], program)


def single(value: float, low: float, high: float) -> Estimates:
    return Estimates(np.array(value), np.array(low), np.array(high))


def test_wilson_of_counts() -> None:
    ours = wilson(np.array([0, 9, 30]), np.array([12, 10, 30]))
    assert ours.value.tolist() == [0.0, 0.9, 1.0]
    assert ours.low == pytest.approx([0.0, 0.595850, 0.886487], abs=1e-6)
    assert ours.high == pytest.approx([0.242494, 0.982124, 1.0], abs=1e-6)


def test_nothing_out_of_nothing_is_nan() -> None:
    assert np.isnan(np.array(wilson(np.array([0]), np.array([0])))).all()


def test_sum_of_symmetric_intervals_is_that_of_variances() -> None:
    found = weighted_sum(single(0.5, 0.2, 0.8), single(0.1, 0.06, 0.14), 1.0, 10.0)
    assert tuple(map(float, found)) == pytest.approx((1.5, 1.0, 2.0))  # the root of 0.3^2 + 0.4^2


def test_ratio_by_a_certain_number_is_a_division() -> None:
    found = ratio(single(0.4, 0.3, 0.6), single(0.5, 0.5, 0.5))
    assert tuple(map(float, found)) == pytest.approx((0.8, 0.6, 1.2))
    found = ratio(single(0.5, 0.5, 0.5), single(0.4, 0.25, 0.5))
    assert tuple(map(float, found)) == pytest.approx((1.25, 1.0, 2.0))


def test_ratio_at_zero_has_limits_that_make_sense() -> None:
    top = ratio(wilson(np.array(0), np.array(20)), wilson(np.array(10), np.array(20)))
    assert (float(top.value), float(top.low)) == (0.0, 0.0)
    assert 0.1 < float(top.high) < 1
    bottom = ratio(wilson(np.array(10), np.array(20)), wilson(np.array(0), np.array(20)))
    assert float(bottom.value) == float(bottom.high) == np.inf
    assert 1 < float(bottom.low) < 10
    assert np.isnan(np.array(ratio(wilson(np.array(0), np.array(5)), wilson(np.array(0), np.array(5))))).all()


def test_ratio_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits, false = rng.binomial(120, 0.9, 4000), rng.binomial(300, 0.1, 4000)
    found = ratio(wilson(hits, np.array(120)), wilson(false, np.array(300)))
    assert ((found.low <= 9) & (found.high >= 9)).mean() == pytest.approx(0.95, abs=0.015)
