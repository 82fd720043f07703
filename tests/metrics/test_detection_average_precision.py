from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from monai.apps.detection.metrics.coco import COCOMetric
from monai.apps.detection.metrics.matching import matching_batch

from monai_tbkd.metrics.box_overlap import pairwise_iou
from monai_tbkd.metrics.box_metrics import (
    COCO_LEVELS,
    DetectionAP,
    DetectionAR,
    average_precision,
    average_recall,
    match_detections,
)

Boxes = list[np.ndarray]


def films(number: int, true_boxes: int, seed: int, decimals: int = 8) -> tuple[Boxes, Boxes, Boxes]:
    """Predicted boxes, scores, true boxes; half the films without TB."""
    rng = np.random.default_rng(seed)
    truth, predicted, scores = [], [], []
    share = np.bincount(rng.integers(0, number // 2, true_boxes), minlength=number)
    for m in share:
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


def monai_numbers(predicted: Boxes, scores: Boxes, truth: Boxes, largest: Sequence[int] = (1, 10, 100)) -> dict:
    coco = COCOMetric(["tb"], iou_list=(0.5,), iou_range=(0.5, 0.95, 0.05), max_detection=largest, verbose=False)
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


def test_by_hand() -> None:
    # scores .9 true, .8 false, .7 true, of 4 true boxes: precision 1 up to recall 1/4, then 2/3 up to 1/2
    true = [np.array([[0, 0, 2, 2], [4, 4, 6, 6], [8, 8, 9, 9]]), np.array([[0, 0, 1, 1]]), np.zeros((0, 4))]
    predicted = [np.array([[0, 0, 2, 2], [4, 4, 6, 6]]), np.zeros((0, 4)), np.array([[0, 0, 5, 5]])]
    matched = match_detections(predicted, [np.array([0.9, 0.7]), np.zeros(0), np.array([0.8])], true)
    expected = (26 * 1 + 25 * 2 / 3) / 101  # recall points 0 ... 0.25 and 0.26 ... 0.50
    assert average_precision(matched)[0].tolist() == pytest.approx([expected] * 10)
    assert average_recall(matched)[0].tolist() == [0.5] * 10
    assert average_recall(matched, 1)[0].tolist() == [0.25] * 10


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decimals", [8, 1], ids=["distinct scores", "tied scores"])
def test_parity_with_monai(seed: int, decimals: int) -> None:
    predicted, scores, truth = films(60, 97, seed, decimals)  # 97 is prime: no recall lies on a recall point
    theirs = monai_numbers(predicted, scores, truth)
    matched = match_detections(predicted, scores, truth)
    ap = average_precision(matched)[0]
    assert 0.05 < ap.mean() < 0.95
    assert ap.mean() == pytest.approx(theirs["mAP_IoU_0.50_0.95_0.05_MaxDet_100"], abs=1e-6)
    assert ap[0] == pytest.approx(theirs["AP_IoU_0.50_MaxDet_100"], abs=1e-6)
    for n in (1, 10, 100):
        ar = average_recall(matched, n)[0].mean()
        assert ar == pytest.approx(theirs[f"mAR_IoU_0.50_0.95_0.05_MaxDet_{n}"], abs=1e-6)


@pytest.mark.parametrize("true_boxes", [97, 100, 200])
@pytest.mark.parametrize("decimals", [8, 1], ids=["distinct scores", "tied scores"])
def test_parity_with_pycocotools(true_boxes: int, decimals: int) -> None:
    predicted, scores, truth = films(80, true_boxes, 7, decimals)
    stats = pycocotools_numbers(predicted, scores, truth)
    matched = match_detections(predicted, scores, truth)
    ap = average_precision(matched)[0]
    ours = [ap.mean(), ap[0], ap[5], *(average_recall(matched, n)[0].mean() for n in (1, 10, 100))]
    np.testing.assert_allclose(ours, stats[[0, 1, 2, 6, 7, 8]], atol=1e-12)


def test_metric_classes_give_the_same() -> None:
    predicted, scores, truth = films(30, 41, 1)
    y_pred = [torch.from_numpy(np.column_stack([b, s])) for b, s in zip(predicted, scores)]
    y = [torch.from_numpy(t) for t in truth]
    matched = match_detections(predicted, scores, truth)
    for metric, value in (
        (DetectionAP(), average_precision(matched).mean()),
        (DetectionAP(levels=(0.5,)), average_precision(matched)[0, 0]),
        (DetectionAR(largest_number=1), average_recall(matched, 1).mean()),
    ):
        for start in (0, 10):  # in two batches
            metric(y_pred[start : start + 10 if start == 0 else None], y[start : start + 10 if start == 0 else None])
        assert metric.aggregate().item() == pytest.approx(value)


def test_weights_are_repeated_films() -> None:
    predicted, scores, truth = films(24, 37, 2)
    rng = np.random.default_rng(0)
    scores = [rng.permutation(12)[: len(s)] / 12 for s in scores]  # ties between films, none within
    matched = match_detections(predicted, scores, truth)
    weights = np.vstack([np.ones(24, int), rng.integers(0, 4, (3, 24))])
    ap, ar = average_precision(matched, weights), average_recall(matched, 2, weights)
    assert np.array_equal(ap[0], average_precision(matched)[0])
    for row, w in enumerate(weights):
        again = match_detections(
            *([x for x, n in zip(each, w) for _ in range(n)] for each in (predicted, scores, truth))
        )
        np.testing.assert_allclose(ap[row], average_precision(again)[0], atol=1e-12)
        np.testing.assert_allclose(ar[row], average_recall(again, 2)[0], atol=1e-12)


def test_ties_together_do_not_depend_on_the_order_of_films() -> None:
    box, other, empty = np.array([[0, 0, 2, 2]]), np.array([[5, 5, 6, 6]]), np.zeros((0, 4))
    films_ = [(box, box), (box, empty), (other, box), (box, empty)]  # drawn, true; all scores equal
    for order in ([0, 1, 2, 3], [1, 3, 2, 0]):
        predicted, truth = zip(*(films_[i] for i in order))
        matched = match_detections(predicted, [np.ones(1)] * 4, truth)
        # recall 1/2 at precision 1/4: recall points 0 ... 0.50
        assert average_precision(matched, ties_together=True)[0, 0] == pytest.approx(51 / 101 / 4)
        in_order = 1.0 if order[0] == 0 else 1 / 4
        assert average_precision(matched)[0, 0] == pytest.approx(51 / 101 * in_order)
    distinct = match_detections(*films(24, 37, 2))
    assert np.array_equal(average_precision(distinct), average_precision(distinct, ties_together=True))


def test_some_levels_alone() -> None:
    matched = match_detections(*films(24, 37, 2))
    assert np.array_equal(average_precision(matched, levels=[5, 0]), average_precision(matched)[:, [5, 0]])
    only = match_detections(*films(24, 37, 2), levels=(0.75,))
    np.testing.assert_allclose(average_precision(only)[:, 0], average_precision(matched)[:, 5])


def test_ignored_boxes_neither_help_nor_harm() -> None:
    true = [np.array([[0, 0, 2, 2], [4, 4, 6, 6]])]
    predicted, scores = [np.array([[4, 4, 6, 6], [0, 0, 2, 2], [9, 9, 10, 10]])], [np.array([0.9, 0.8, 0.7])]
    one = match_detections(predicted, scores, true, ignore=[np.array([False, True])])
    assert one.true_boxes.tolist() == [1]
    np.testing.assert_allclose(average_precision(one)[0], 1.0)
    np.testing.assert_allclose(average_recall(one)[0], 1.0)


def test_nothing_predicted_and_nothing_to_find() -> None:
    empty = np.zeros((0, 4))
    missed = match_detections([empty], [np.zeros(0)], [np.array([[0, 0, 1, 1]])])
    assert average_precision(missed).tolist() == [[0.0] * 10]
    assert average_recall(missed).tolist() == [[0.0] * 10]
    healthy = match_detections([np.array([[0, 0, 1, 1]]), empty], [np.ones(1), np.zeros(0)], [empty, empty])
    assert np.isnan(average_precision(healthy)).all()
    assert np.isnan(average_recall(healthy)).all()


def test_coco_s_levels_are_those_of_the_default() -> None:
    assert [f"{level:.2f}" for level in COCO_LEVELS] == [f"{0.5 + 0.05 * i:.2f}" for i in range(10)]


def test_what_cannot_be_matched_is_refused() -> None:
    box = np.array([[0, 0, 1, 1]])
    with pytest.raises(ValueError, match=r"scores of film 0 .* nan"):
        match_detections([box], [np.array([np.nan])], [box])
    with pytest.raises(ValueError, match="without a score"):
        match_detections([box], [np.zeros(0)], [box])
    with pytest.raises(ValueError, match="expected one each a film"):
        match_detections([box], [np.ones(1)], [box, box])
