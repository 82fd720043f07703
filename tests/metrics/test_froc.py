from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics.froc import compute_fp_tp_probs_nd, compute_froc_curve_data, compute_froc_score

from monai_tbkd.metrics.froc import FALSE_RATES, FROC, FrocEvents, froc_curve, froc_events, froc_sensitivity

Boxes = list[np.ndarray]


def films(number: int, seed: int) -> tuple[Boxes, Boxes, Boxes]:
    """Boxes on a grid of 40, the true ones in quarters of their own so that they don't overlap; odd films have none."""
    rng = np.random.default_rng(seed)
    predicted, scores, truth = [], [], []
    for i in range(number):
        corners = np.array([[0, 0], [0, 20], [20, 0], [20, 20]])[rng.permutation(4)[: rng.integers(1, 4)]]
        true = np.hstack([corners + 3, corners + rng.integers(8, 18, corners.shape)]).astype(float)
        truth.append(true if i % 2 == 0 else np.zeros((0, 4)))
        corner = 2 * rng.integers(0, 15, (rng.integers(0, 7), 2))
        predicted.append(np.hstack([corner, corner + 2 * rng.integers(1, 5, corner.shape)]).astype(float))
        scores.append(rng.random(len(corner)).round(2).clip(0.01))
    return predicted, scores, truth


def test_by_hand() -> None:
    # film 0: found at .9, false at .5; film 1 without TB: false at .7; film 2: found at .6, the other box missed
    predicted = [
        np.array([[0, 0, 2, 2], [8, 8, 9, 9]]),
        np.array([[0, 0, 1, 1]]),
        np.array([[0, 0, 2, 2], [0, 0, 3, 3]]),
    ]
    scores = [np.array([0.9, 0.5]), np.array([0.7]), np.array([0.6, 0.4])]
    true = [np.array([[0, 0, 4, 4]]), np.zeros((0, 4)), np.array([[0, 0, 4, 4], [6, 6, 9, 9]])]
    events = froc_events(predicted, scores, true)
    false, found = froc_curve(events)
    assert false[0].tolist() == pytest.approx([0, 0, 1 / 3, 1 / 3, 2 / 3])
    assert found[0].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    # at 1/2 the line between (1/3, 2/3) and (2/3, 2/3); beyond the curve its end
    assert froc_sensitivity(events, (1 / 6, 1 / 3, 1 / 2, 5.0))[0].tolist() == pytest.approx([1 / 3, *[2 / 3] * 3])
    healthy = np.array([False, True, False])
    assert froc_curve(events, counted=healthy)[0][0].tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_parity_with_monai(seed: int) -> None:
    predicted, scores, truth = films(40, seed)
    false, right, targets = [], [], 0
    for boxes, marks, true in zip(predicted, scores, truth):
        mask = np.zeros((40, 40), dtype=int)
        for label, (x0, y0, x1, y1) in enumerate(true.astype(int), start=1):
            mask[y0:y1, x0:x1] = label
        centers = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, ::-1].astype(int)
        f, t, n = compute_fp_tp_probs_nd(marks, centers, mask)
        false.append(f)
        right.append(t)
        targets += n
    curve = compute_froc_curve_data(np.concatenate(false), np.concatenate(right).astype(float).round(2), targets, 40)
    assert 0 in np.concatenate(right)  # a box is missed, or MONAI would leave out the lowest score
    ours = froc_sensitivity(froc_events(predicted, scores, truth))[0]
    assert 0.1 < ours[-1] < 1
    assert ours.mean() == pytest.approx(compute_froc_score(*curve, FALSE_RATES))
    np.testing.assert_allclose(ours, np.interp(FALSE_RATES, curve[0][::-1], curve[1][::-1]))


def test_hits_by_overlap() -> None:
    boxes, true = np.array([[0, 0, 2, 2]]), np.array([[0, 0, 4, 4]])
    assert froc_events([boxes], [np.ones(1)], [true]).found.tolist() == [True]
    assert froc_events([boxes], [np.ones(1)], [true], overlap=0.25).found.tolist() == [True]
    assert froc_events([boxes], [np.ones(1)], [true], overlap=0.3).found.tolist() == [False]


def test_metric_class_gives_the_same() -> None:
    predicted, scores, truth = films(20, 5)
    y_pred = [torch.from_numpy(np.column_stack([b, s])) for b, s in zip(predicted, scores)]
    y = [torch.from_numpy(t) for t in truth]
    events = froc_events(predicted, scores, truth)
    healthy = np.array([len(t) == 0 for t in truth])
    for metric, counted in ((FROC(), None), (FROC(only_without_boxes=True), healthy)):
        metric(y_pred, y)
        np.testing.assert_allclose(metric.aggregate(), froc_sensitivity(events, counted=counted)[0])


def test_weights_are_repeated_films() -> None:
    predicted, scores, truth = films(15, 6)
    events = froc_events(predicted, scores, truth)
    weights = np.vstack([np.ones(15, int), np.random.default_rng(0).integers(0, 4, (3, 15))])
    weighted = froc_sensitivity(events, weights=weights)
    assert np.array_equal(weighted[0], froc_sensitivity(events)[0])
    for row, w in zip(weighted, weights):
        again = froc_events(*([x for x, n in zip(each, w) for _ in range(n)] for each in (predicted, scores, truth)))
        np.testing.assert_allclose(row, froc_sensitivity(again)[0])


def test_nothing_drawn_and_nothing_to_find() -> None:
    empty, box = np.zeros((0, 4)), np.array([[0, 0, 1, 1]])
    assert froc_sensitivity(froc_events([empty], [np.zeros(0)], [box]))[0].tolist() == [0.0] * 7
    assert np.isnan(froc_sensitivity(froc_events([box], [np.ones(1)], [empty]))).all()
    nobody = FrocEvents(np.zeros(0), np.zeros(0, int), np.zeros(0, bool), np.zeros(0, int))
    assert np.isnan(froc_sensitivity(nobody)).all()


def test_nan_and_missing_scores_are_refused() -> None:
    box = np.array([[0, 0, 1, 1]])
    with pytest.raises(ValueError, match=r"scores of film 0 .* nan"):
        froc_events([box], [np.array([np.nan])], [box])
    with pytest.raises(ValueError, match="1 boxes and 2 scores"):
        froc_events([box], [np.ones(2)], [box])
    with pytest.raises(ValueError, match="expected one each a film"):
        froc_events([box], [np.ones(1)], [])
