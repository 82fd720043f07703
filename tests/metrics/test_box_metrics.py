from __future__ import annotations

import contextlib
import io
from itertools import permutations

import numpy as np
import pytest
import torch
from monai.apps.detection.metrics.coco import COCOMetric
from monai.apps.detection.metrics.matching import matching_batch
from monai.data.box_utils import box_iou
from monai.metrics.froc import compute_fp_tp_probs_nd, compute_froc_curve_data, compute_froc_score

from monai_tbkd.metrics.box_metrics import (
    FALSE_RATES,
    FrocEvents,
    MatchedDetections,
    average_precision,
    average_recall,
    best_box_ious,
    box_array,
    froc_curve,
    froc_events,
    froc_sensitivity,
    match_boxes,
    match_detections,
    pairwise_iou,
)

Boxes = list[np.ndarray]


def once(of: MatchedDetections | FrocEvents) -> np.ndarray:
    return np.ones((1, len(of.true_boxes)))


def all_rates(events: FrocEvents) -> np.ndarray:
    return froc_sensitivity(events, once(events))


def detections(number: int, true_boxes: int, seed: int, decimals: int = 8) -> tuple[Boxes, Boxes, Boxes]:
    """Predicted boxes, scores, true boxes; half the images without TB."""
    rng = np.random.default_rng(seed)
    truth, predicted, scores = [], [], []
    fraction = np.bincount(rng.integers(0, number // 2, true_boxes), minlength=number)
    for m in fraction:
        corner = rng.integers(0, 60, (m, 2))
        true = np.hstack([corner, corner + rng.integers(10, 40, (m, 2))]).astype(float)
        near = (true + rng.integers(-4, 5, true.shape))[rng.random(m) < 0.8]
        corner = rng.integers(0, 60, (rng.integers(0, 4), 2))
        far = np.hstack([corner, corner + rng.integers(10, 40, corner.shape)]).astype(float)
        boxes = np.concatenate([near, far, near[:1] + 1.0])
        truth.append(true)
        predicted.append(boxes)
        scores.append(rng.random(len(boxes)).round(decimals))
    return predicted, scores, truth


def test_iou_parity_with_monai() -> None:
    rng = np.random.default_rng(0)
    boxes = rng.random((40, 4)).cumsum(axis=1)[:, [0, 1, 2, 3]]
    theirs = box_iou(torch.from_numpy(boxes[:15]), torch.from_numpy(boxes[15:]))
    np.testing.assert_allclose(pairwise_iou(boxes[:15], boxes[15:]), np.asarray(theirs), atol=1e-6)


def test_seven_tenths_are_not_below_0_7() -> None:
    assert pairwise_iou(np.array([[0.0, 0, 10, 1]]), np.array([[0.0, 0, 7, 1]]))[0, 0] >= 0.7


def test_boxes_without_area_or_number() -> None:
    point = np.array([[1.0, 1, 1, 1]])
    assert pairwise_iou(point, point).tolist() == [[0.0]]
    assert pairwise_iou(np.zeros((0, 4)), point).shape == (0, 1)


def test_what_is_no_box_is_refused() -> None:
    assert box_array([]).shape == (0, 4)
    with pytest.raises(ValueError, match="expected xmin, ymin, xmax, ymax"):
        box_array([[5, 0, 2, 2]])
    with pytest.raises(ValueError, match=r"1 of 4 values in boxes are nan"):
        box_array([[np.nan, 0, 2, 2]])
    with pytest.raises(ValueError, match=r"shape \(1, 5\)"):
        box_array([[0, 0, 2, 2, 0.5]])


def test_a_loop_over_boxes_gives_the_same() -> None:
    rng = np.random.default_rng(0)

    def boxes(n: int) -> np.ndarray:
        corner = rng.integers(0, 10, (n, 2))
        return np.hstack([corner, corner + rng.integers(1, 8, (n, 2))]).astype(float)

    predicted, true = [boxes(n) for n in (3, 0, 2, 5)], [boxes(n) for n in (2, 1, 0, 4)]
    best = [best_box_ious(p, t) for p, t in zip(predicted, true)]
    for i in range(4):
        for j, t in enumerate(true[i]):
            ious = [0.0]
            for p in predicted[i]:
                w = max(0.0, min(t[2], p[2]) - max(t[0], p[0]))
                h = max(0.0, min(t[3], p[3]) - max(t[1], p[1]))
                areas = (t[2] - t[0]) * (t[3] - t[1]) + (p[2] - p[0]) * (p[3] - p[1])
                ious.append(w * h / (areas - w * h))
            assert best[i][j] == pytest.approx(max(ious))


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="predicted boxes are nan"):
        best_box_ious(np.array([[0, 0, np.nan, 1]]), np.array([[0, 0, 1, 1]]))


def test_a_box_is_used_once() -> None:
    true = np.array([[0, 0, 2, 2], [2, 0, 4, 2], [8, 8, 9, 9]])
    one = match_boxes(np.array([[0, 0, 4, 2]]), true)  # meets two true boxes, each with IoU 0.5
    assert one == (0.5, 1)


def test_best_pairing_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        corners = rng.integers(0, 5, (7, 2))
        boxes = np.hstack([corners, corners + rng.integers(1, 6, (7, 2))]).astype(float)
        predicted, true = boxes[:4], boxes[4:]
        overlap = pairwise_iou(true, predicted)
        best = max(sum(overlap[j, c] for j, c in enumerate(columns)) for columns in permutations(range(4), 3))
        assert match_boxes(predicted, true)[0] == pytest.approx(best)


def monai_numbers(predicted: Boxes, scores: Boxes, truth: Boxes) -> dict[str, float]:
    coco = COCOMetric(["tb"], iou_list=(0.5,), iou_range=(0.5, 0.95, 0.05), max_detection=(1, 10, 100), verbose=False)
    matched = matching_batch(
        pairwise_iou,
        coco.iou_thresholds,
        predicted,
        [np.zeros(len(b), int) for b in predicted],
        scores,
        truth,
        [np.zeros(len(b), int) for b in truth],
    )
    return coco(matched)[0]


def pycocotools_numbers(predicted: Boxes, scores: Boxes, truth: Boxes) -> np.ndarray:
    coco_module = pytest.importorskip("pycocotools.coco", reason="pycocotools, the oracle, is not installed")
    from pycocotools.cocoeval import COCOeval

    def xywh(b: np.ndarray) -> list[float]:
        return [float(b[0]), float(b[1]), float(b[2] - b[0]), float(b[3] - b[1])]

    every = [(i, b) for i, boxes in enumerate(truth) for b in boxes]
    with contextlib.redirect_stdout(io.StringIO()):
        oracle = coco_module.COCO()
        oracle.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(len(truth))],
            "categories": [{"id": 1, "name": "tb"}],
            "annotations": [
                {"id": n, "image_id": i, "category_id": 1, "bbox": xywh(b), "iscrowd": 0, "area": 1000.0}
                for n, (i, b) in enumerate(every, start=1)
            ],
        }
        oracle.createIndex()
        found = oracle.loadRes(
            [
                {"image_id": i, "category_id": 1, "bbox": xywh(b), "score": float(s)}
                for i, (boxes, marks) in enumerate(zip(predicted, scores))
                for b, s in zip(boxes, marks)
            ]
        )
        run = COCOeval(oracle, found, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats  # AP, AP50, AP75, by area, AR@1, AR@10, AR@100


def test_average_precision_by_hand() -> None:
    # scores .9 true, .8 false, .7 true, of 4 true boxes: precision 1 up to recall 1/4, then 2/3 up to 1/2
    true = [np.array([[0, 0, 2, 2], [4, 4, 6, 6], [8, 8, 9, 9]]), np.array([[0, 0, 1, 1]]), np.zeros((0, 4))]
    predicted = [np.array([[0, 0, 2, 2], [4, 4, 6, 6]]), np.zeros((0, 4)), np.array([[0, 0, 5, 5]])]
    matched = match_detections(predicted, [np.array([0.9, 0.7]), np.zeros(0), np.array([0.8])], true)
    expected = (26 * 1 + 25 * 2 / 3) / 101  # recall points 0 ... 0.25 and 0.26 ... 0.50
    assert average_precision(matched, once(matched))[0].tolist() == pytest.approx([expected] * 10)
    assert average_recall(matched, once(matched))[0].tolist() == [0.5] * 10


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decimals", [8, 1], ids=["distinct scores", "tied scores"])
def test_average_precision_parity_with_monai(seed: int, decimals: int) -> None:
    predicted, scores, truth = detections(60, 97, seed, decimals)  # 97 is prime: no recall lies on a recall point
    theirs = monai_numbers(predicted, scores, truth)
    matched = match_detections(predicted, scores, truth)
    ap = average_precision(matched, once(matched))[0]
    assert 0.05 < ap.mean() < 0.95
    assert ap.mean() == pytest.approx(theirs["mAP_IoU_0.50_0.95_0.05_MaxDet_100"], abs=1e-6)
    assert ap[0] == pytest.approx(theirs["AP_IoU_0.50_MaxDet_100"], abs=1e-6)
    ar = average_recall(matched, once(matched))[0].mean()
    assert ar == pytest.approx(theirs["mAR_IoU_0.50_0.95_0.05_MaxDet_100"], abs=1e-6)


@pytest.mark.parametrize("true_boxes", [97, 100, 200])
@pytest.mark.parametrize("decimals", [8, 1], ids=["distinct scores", "tied scores"])
def test_parity_with_pycocotools(true_boxes: int, decimals: int) -> None:
    predicted, scores, truth = detections(80, true_boxes, 7, decimals)
    stats = pycocotools_numbers(predicted, scores, truth)
    matched = match_detections(predicted, scores, truth)
    ap = average_precision(matched, once(matched))[0]
    ours = [ap.mean(), ap[0], ap[5], average_recall(matched, once(matched))[0].mean()]
    np.testing.assert_allclose(ours, stats[[0, 1, 2, 8]], atol=1e-12)


def test_weights_of_detections_are_repeated_images() -> None:
    predicted, scores, truth = detections(24, 37, 2)
    rng = np.random.default_rng(0)
    scores = [rng.permutation(12)[: len(s)] / 12 for s in scores]  # ties between images, none within
    matched = match_detections(predicted, scores, truth)
    weights = np.vstack([np.ones(24, int), rng.integers(0, 4, (3, 24))])
    ap, ar = average_precision(matched, weights), average_recall(matched, weights)
    assert np.array_equal(ap[0], average_precision(matched, once(matched))[0])
    for row, w in enumerate(weights):
        again = match_detections(
            *([x for x, n in zip(each, w) for _ in range(n)] for each in (predicted, scores, truth))
        )
        np.testing.assert_allclose(ap[row], average_precision(again, once(again))[0], atol=1e-12)
        np.testing.assert_allclose(ar[row], average_recall(again, once(again))[0], atol=1e-12)


def test_ties_together_do_not_depend_on_the_order_of_images() -> None:
    box, other, empty = np.array([[0, 0, 2, 2]]), np.array([[5, 5, 6, 6]]), np.zeros((0, 4))
    images_ = [(box, box), (box, empty), (other, box), (box, empty)]  # drawn, true; all scores equal
    for order in ([0, 1, 2, 3], [1, 3, 2, 0]):
        predicted, truth = zip(*(images_[i] for i in order))
        matched = match_detections(predicted, [np.ones(1)] * 4, truth)
        # recall 1/2 at precision 1/4: recall points 0 ... 0.50
        assert average_precision(matched, once(matched), ties_together=True)[0, 0] == pytest.approx(51 / 101 / 4)
        in_order = 1.0 if order[0] == 0 else 1 / 4
        assert average_precision(matched, once(matched))[0, 0] == pytest.approx(51 / 101 * in_order)
    distinct = match_detections(*detections(24, 37, 2))
    assert np.array_equal(
        average_precision(distinct, once(distinct)), average_precision(distinct, once(distinct), True)
    )


def test_nothing_predicted_and_nothing_to_find() -> None:
    empty = np.zeros((0, 4))
    missed = match_detections([empty], [np.zeros(0)], [np.array([[0, 0, 1, 1]])])
    assert average_precision(missed, once(missed)).tolist() == [[0.0] * 10]
    assert average_recall(missed, once(missed)).tolist() == [[0.0] * 10]
    healthy = match_detections([np.array([[0, 0, 1, 1]]), empty], [np.ones(1), np.zeros(0)], [empty, empty])
    assert np.isnan(average_precision(healthy, once(healthy))).all()
    assert np.isnan(average_recall(healthy, once(healthy))).all()


def test_what_cannot_be_matched_is_refused() -> None:
    box = np.array([[0, 0, 1, 1]])
    with pytest.raises(ValueError, match=r"scores of image 0 .* nan"):
        match_detections([box], [np.array([np.nan])], [box])
    with pytest.raises(ValueError, match="1 boxes and 0 scores"):
        match_detections([box], [np.zeros(0)], [box])
    with pytest.raises(ValueError, match="expected one each an image"):
        match_detections([box], [np.ones(1)], [box, box])


def froc_images(number: int, seed: int) -> tuple[Boxes, Boxes, Boxes]:
    """Boxes on a grid of 40, the true ones in quarters of their own so that they don't overlap; odd images: none."""
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


def test_froc_by_hand() -> None:
    # image 0: found at .9, false at .5; image 1 without TB: false at .7; image 2: found at .6, the other box missed
    predicted = [
        np.array([[0, 0, 2, 2], [8, 8, 9, 9]]),
        np.array([[0, 0, 1, 1]]),
        np.array([[0, 0, 2, 2], [0, 0, 3, 3]]),
    ]
    scores = [np.array([0.9, 0.5]), np.array([0.7]), np.array([0.6, 0.4])]
    true = [np.array([[0, 0, 4, 4]]), np.zeros((0, 4)), np.array([[0, 0, 4, 4], [6, 6, 9, 9]])]
    events = froc_events(predicted, scores, true)
    false, found = froc_curve(events, once(events))
    assert false[0].tolist() == pytest.approx([0, 0, 1 / 3, 1 / 3, 2 / 3])
    assert found[0].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    # at 1/2 the line between (1/3, 2/3) and (2/3, 2/3); beyond the curve its end
    assert froc_sensitivity(events, once(events), (1 / 6, 1 / 3, 1 / 2, 5.0))[0].tolist() == pytest.approx(
        [1 / 3, *[2 / 3] * 3]
    )
    healthy = np.array([False, True, False])
    assert froc_curve(events, once(events), healthy)[0][0].tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_froc_parity_with_monai(seed: int) -> None:
    predicted, scores, truth = froc_images(40, seed)
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
    ours = all_rates(froc_events(predicted, scores, truth))[0]
    assert 0.1 < ours[-1] < 1
    assert ours.mean() == pytest.approx(compute_froc_score(*curve, FALSE_RATES))
    np.testing.assert_allclose(ours, np.interp(FALSE_RATES, curve[0][::-1], curve[1][::-1]))


def test_weights_of_froc_are_repeated_images() -> None:
    predicted, scores, truth = froc_images(15, 6)
    events = froc_events(predicted, scores, truth)
    weights = np.vstack([np.ones(15, int), np.random.default_rng(0).integers(0, 4, (3, 15))])
    weighted = froc_sensitivity(events, weights)
    assert np.array_equal(weighted[0], froc_sensitivity(events, once(events))[0])
    for row, w in zip(weighted, weights):
        again = froc_events(*([x for x, n in zip(each, w) for _ in range(n)] for each in (predicted, scores, truth)))
        np.testing.assert_allclose(row, froc_sensitivity(again, once(again))[0])


def test_froc_of_nothing() -> None:
    empty, box = np.zeros((0, 4)), np.array([[0, 0, 1, 1]])
    assert all_rates(froc_events([empty], [np.zeros(0)], [box]))[0].tolist() == [0.0] * 7
    assert np.isnan(all_rates(froc_events([box], [np.ones(1)], [empty]))).all()
    nobody = FrocEvents(np.zeros(0), np.zeros(0, int), np.zeros(0, bool), np.zeros(0, int))
    assert np.isnan(froc_sensitivity(nobody, once(nobody))).all()


def test_froc_of_nan_and_missing_scores_are_refused() -> None:
    box = np.array([[0, 0, 1, 1]])
    with pytest.raises(ValueError, match=r"scores of image 0 .* nan"):
        froc_events([box], [np.array([np.nan])], [box])
    with pytest.raises(ValueError, match="1 boxes and 2 scores"):
        froc_events([box], [np.ones(2)], [box])
    with pytest.raises(ValueError, match="expected one each an image"):
        froc_events([box], [np.ones(1)], [])
