from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

from monai_tbkd.metrics import bootstrap
from monai_tbkd.metrics.bootstrap import (
    Interval,
    Statistic,
    bca_limits,
    bootstrap_draws,
    bootstrap_intervals,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_weighted,
    group_codes,
    jackknife,
    paired_differences,
    summarize_seeds,
    weighted_mean,
    weighted_ratio,
)
from monai_tbkd.metrics.comparison_table import resampled
from monai_tbkd.metrics.image_level import count_scores, roc_auc, weighted_image_level
from monai_tbkd.metrics.split_truth import SplitTruth


def bca(statistic: Statistic, n: int, **options: Any) -> Interval:
    return bootstrap_intervals(lambda weights: statistic(weights)[:, None], n, bca=True, **options)[0]


def example(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    positive = rng.random(n) < 0.4
    return np.round(rng.normal(np.where(positive, 1.5, 0.0)), 1), positive


def test_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    interval = bootstrap_mean(values, resamples=4000)
    half = 1.96 * values.std() / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)
    assert interval.n == 400


def test_nan_takes_no_part_and_nothing_left_is_nan() -> None:
    assert bootstrap_mean(np.array([1.0, np.nan, 3.0])).value == 2.0
    assert bootstrap_mean(np.array([np.nan])).as_dict() == {"value": None, "low": None, "high": None, "n": 0}


def test_ratio_of_sums() -> None:
    assert bootstrap_ratio(np.array([1.0, 1.0]), np.array([1.0, 3.0])).value == 0.5


def test_same_seed_same_interval() -> None:
    values = np.arange(20.0)
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_draws_are_those_of_a_multinomial_whatever_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(7.0)
    drawn = np.random.default_rng(3).multinomial(7, np.full(7, 1 / 7), size=50)
    for cells in (300_000, 21):  # all at once, then 3 resamples at a time
        monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", cells)
        bootstrap._drawn.cache_clear()
        assert bootstrap_draws(weighted_mean(values), 7, 50, seed=3) == pytest.approx(drawn @ values / 7)
        assert jackknife(weighted_mean(values), 7) == pytest.approx((21 - values) / 6)


def test_percentile_interval_is_the_one_of_bootstrap_mean() -> None:
    values = np.array([0.1, np.nan, 0.4, 0.9, 0.9])
    weighted = bootstrap_weighted(weighted_mean(values[[0, 2, 3, 4]]), 4)
    assert weighted == pytest.approx(bootstrap_mean(values))


def test_weighted_statistics_leave_nan_out() -> None:
    weights = np.array([[1, 1, 1], [0, 5, 2], [0, 1, 0]])
    assert weighted_mean(np.array([1.0, np.nan, 4.0]))(weights) == pytest.approx([2.5, 4.0, np.nan], nan_ok=True)
    assert weighted_ratio(np.array([1.0, 1.0, 0.0]), np.array([1.0, 3.0, 2.0]))(weights[:1]) == pytest.approx([2 / 6])


@pytest.mark.parametrize("n", [25, 60])
def test_bca_limits_are_scipys_for_the_same_draws(n: int) -> None:
    scores, positive = example(n)

    def auc(s: np.ndarray, p: np.ndarray) -> float:
        return float(roc_auc(count_scores(s, p.astype(bool))))

    found = scipy.stats.bootstrap(
        (scores, positive), auc, paired=True, vectorized=False, n_resamples=500, method="BCa", rng=0
    )
    limits = bca_limits(
        found.bootstrap_distribution,
        auc(scores, positive),
        jackknife(weighted_image_level("auc", scores, positive), n),
    )
    assert limits == pytest.approx(tuple(found.confidence_interval), abs=1e-12)


def test_own_bca_of_own_draws_is_near_scipys() -> None:
    values = np.random.default_rng(0).lognormal(0, 1, 80)
    own = bca(weighted_mean(values), 80, resamples=9999)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=9999, method="BCa", rng=1).confidence_interval
    plain = bootstrap_weighted(weighted_mean(values), 80, resamples=9999)
    assert (own.low, own.high) == pytest.approx(tuple(theirs), rel=0.03)
    assert own.high > plain.high + 0.02  # the correction is seen on skewed values


def test_bca_without_limits_falls_back_to_percentiles() -> None:
    assert bca(weighted_mean(np.ones(5)), 5)[:3] == (1.0, 1.0, 1.0)
    perfect = weighted_image_level("auc", np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 1]) > 0)
    assert bca(perfect, 4)[:3] == (1.0, 1.0, 1.0)


def test_many_images_are_left_out_in_blocks_that_give_the_same_acceleration() -> None:
    values = np.random.default_rng(0).lognormal(0, 1.5, 1500)
    blocks, single = jackknife(weighted_mean(values), 1500), (values.sum() - values) / 1499
    assert len(blocks) == 1000

    def acceleration(left_out: np.ndarray) -> float:
        deviation = left_out.mean() - left_out
        return float((deviation**3).sum() / (6 * (deviation**2).sum() ** 1.5))

    assert acceleration(blocks) == pytest.approx(acceleration(single), rel=0.15)


def test_paired_differences_see_the_same_images() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(80)  # how hard an image is moves both by the same
    teacher, student = hard + rng.normal(0, 0.01, 80), hard + 0.02 + rng.normal(0, 0.01, 80)
    found = paired_differences({"teacher": weighted_mean(teacher), "student": weighted_mean(student)}, 80)
    gain, loss = found["student"]["teacher"], found["teacher"]["student"]
    assert gain.value == pytest.approx((student - teacher).mean())
    assert (gain.low, gain.high) == pytest.approx((-loss.high, -loss.low))
    assert gain.low > 0.01
    assert gain == pytest.approx(bootstrap_mean(student - teacher))
    assert bootstrap_mean(student).low < bootstrap_mean(teacher).high  # unpaired, nothing would be seen


def test_images_without_an_id_are_on_their_own() -> None:
    assert group_codes(["p", None, "q", "", "p", None], 6).tolist() == [0, 1, 2, 3, 0, 4]
    assert group_codes(None, 3).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="2 patient ids for 3 images"):
        group_codes(["p", "q"], 3)


def test_images_of_a_patient_are_drawn_together() -> None:
    weights = bootstrap_draws(lambda w: w, 5, 300, seed=0, groups=["a", "a", "b", "c", "c"])
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    patients = weights[:, [0, 2, 3]]
    assert (patients.sum(axis=1) == 3).all()
    assert len(np.unique(patients, axis=0)) == 10  # every way to draw 3 of 3 with repeats


def test_ids_that_are_all_different_change_nothing() -> None:
    values = np.random.default_rng(0).random(30)
    assert bootstrap_mean(values, groups=list(range(30))) == bootstrap_mean(values)


def test_alike_images_of_a_patient_widen_the_interval() -> None:
    # 50 patients with 4 images that are the same: 200 images, but no more known than of 50
    one = np.random.default_rng(0).normal(0, 1, 50)
    values, patients = np.repeat(one, 4), np.repeat(np.arange(50), 4).tolist()
    images, by_patient, alone = (
        bootstrap_mean(values),
        bootstrap_mean(values, groups=patients),
        bootstrap_mean(one),
    )
    assert by_patient.high - by_patient.low == pytest.approx(2 * (images.high - images.low), rel=0.08)
    assert (by_patient.low, by_patient.high) == pytest.approx((alone.low, alone.high))


def test_missing_values_leave_their_ids_out_too() -> None:
    values, patients = np.array([1.0, np.nan, 3.0, 5.0]), ["a", "b", "a", "c"]
    kept = bootstrap_ratio(values[[0, 2, 3]], np.ones(3), groups=["a", "a", "c"])
    assert bootstrap_ratio(values, np.ones(4), groups=patients) == kept


def test_images_without_a_patient_are_no_patient() -> None:
    """TBX11K's images have no patient id, NIH's have: together the former are resampled one by one."""
    image = {"class_name": "health", "boxes": [], "size": [8, 8]}
    ids = ["p1", "p1", "p2", None, "", None]
    items = [{**image, "name": str(i), **({} if p is None else {"patient_id": p})} for i, p in enumerate(ids)]
    counts = SplitTruth(items, grid=4).counts()
    assert (counts["patients"], counts["images_without_patient"]) == (2, 3)
    assert resampled(counts) == "2 patients and 3 images of unknown patients"
    assert "patients" not in SplitTruth(items[3:], grid=4).counts()


def test_numbers_by_hand() -> None:
    found = summarize_seeds([weighted_mean(np.array(v)) for v in ([0.1, 0.3], [0.2, 0.6], [0.5, 0.7])], 2)
    assert found["per_seed"] == pytest.approx([0.2, 0.4, 0.6])
    assert [found[key] for key in ("seeds", "mean", "sd", "min", "max")] == pytest.approx([3, 0.4, 0.2, 0.2, 0.6])
    assert found["over_images"]["n"] == 2


def test_interval_over_images_is_that_of_the_seed_mean_of_each_image() -> None:
    values = np.random.default_rng(0).random((3, 40))
    found = summarize_seeds([weighted_mean(v) for v in values], 40)
    assert found["over_images"] == pytest.approx(bootstrap_mean(values.mean(axis=0)).as_dict(), abs=2e-6)


def test_drawing_seeds_too_shows_their_spread() -> None:
    images = np.random.default_rng(0).normal(0.5, 0.05, 200)
    found = summarize_seeds([weighted_mean(images + shift) for shift in (-0.1, 0.0, 0.1)], 200)
    assert found["over_images"]["high"] - found["over_images"]["low"] < 0.02
    # all three draws of the same extreme seed happen in 1 of 27 resamples each: beyond the 2.5 % tails
    assert found["over_seeds_and_images"]["low"] == pytest.approx(found["mean"] - 0.1, abs=0.01)
    assert found["over_seeds_and_images"]["high"] == pytest.approx(found["mean"] + 0.1, abs=0.01)


def test_a_single_seed_has_no_spread() -> None:
    found = summarize_seeds([weighted_mean(np.array([0.2, 0.4]))], 2)
    assert found["sd"] is None
    assert found["over_images"] == found["over_seeds_and_images"]
    with pytest.raises(ValueError, match="no seed"):
        summarize_seeds([], 2)
