from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics.box_metrics import pairwise_iou
from monai_tbkd.metrics.max_box_acc import image_box_ious, max_box_acc


def boxes_by_flood_fill(mask: np.ndarray) -> list[tuple[int, list[int]]]:
    """Size and box of each 8-connected component, the plainest way."""
    left, found = {tuple(p) for p in np.argwhere(mask).tolist()}, []
    while left:
        stack, part = [left.pop()], []
        while stack:
            y, x = stack.pop()
            part.append((y, x))
            near = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            stack += near
        ys, xs = [p[0] for p in part], [p[1] for p in part]
        found.append((len(part), [min(xs), min(ys), max(xs) + 1, max(ys) + 1]))
    return found


def image(rows: list[str]) -> np.ndarray:
    return np.array([[int(c) / 10 for c in row] for row in rows])


def test_by_hand() -> None:
    maps = image(["9900", "9900", "0000", "0055"])[None]
    true = [np.array([[2, 3, 4, 4]])]  # the weak one
    thresholds = np.array([0.1, 0.5, 0.6, 0.95])
    ious = image_box_ious(maps, true, thresholds)
    assert ious.every.tolist() == [[1.0, 1.0, 0.0, 0.0]]
    assert ious.largest.tolist() == [[0.0] * 4]


@pytest.mark.parametrize("components", ["every", "largest"])
def test_parity_with_flood_fill(components: str) -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((6, 9, 11)).round(1)  # many ties
    maps[5] = maps[4]  # the shortcut for blind predictors
    true = [np.array([[1, 1, 5, 5], [6, 2, 10, 8]])[: 1 + i % 2] for i in range(6)]
    true[2] = np.zeros((0, 4))
    thresholds = np.array([0.0, 0.25, 0.29, 0.5, 0.7, 0.9, 1.0, 1.1])
    ious = getattr(image_box_ious(maps, true, thresholds), components)
    assert np.isnan(ious[2]).all()
    for i in (0, 1, 3, 4, 5):
        for k, t in enumerate(thresholds):
            found = boxes_by_flood_fill(maps[i] >= t)
            sizes = sorted((size for size, _ in found), reverse=True)
            if components == "largest" and len(sizes) > 1 and sizes[0] == sizes[1]:
                continue  # which of two equals is taken is nobody's business
            kept = [max(found)] if components == "largest" and found else found
            boxes = np.array([box for _, box in kept], dtype=float).reshape(-1, 4)
            assert ious[i, k] == pairwise_iou(boxes, np.asarray(true[i], float)).max(initial=0.0)


def test_each_level_has_its_own_threshold() -> None:
    ious = np.array([[0.9, 0.4, 0.0], [0.0, 0.4, 0.1], [np.nan] * 3, [0.2, 0.35, 0.1]])
    assert max_box_acc(ious, np.ones((1, 4)), levels=(0.3, 0.5))[0].tolist() == pytest.approx([1.0, 1 / 3])


def test_weights_are_repeated_images() -> None:
    rng = np.random.default_rng(0)
    ious = rng.random((8, 5))
    weights = rng.integers(0, 3, (4, 8))
    weighted = max_box_acc(ious, weights)
    for row, w in zip(weighted, weights):
        np.testing.assert_allclose(row, max_box_acc(np.repeat(ious, w, axis=0), np.ones((1, w.sum())))[0])


def test_flat_map_is_one_box_or_none() -> None:
    ious = image_box_ious(np.full((1, 4, 4), 0.5), [np.array([[0, 0, 4, 2]])], np.array([0.4, 0.5, 0.6]))
    assert ious.every.tolist() == ious.largest.tolist() == [[0.5, 0.5, 0.0]]


def test_no_image_with_boxes_and_what_is_refused() -> None:
    none = image_box_ious(np.zeros((1, 2, 2)), [[]]).every
    assert np.isnan(none).all() and np.isnan(max_box_acc(none, np.ones((1, 1)))).all()
    with pytest.raises(ValueError, match=r"map of image 0 .* nan"):
        image_box_ious(np.full((1, 2, 2), np.nan), [np.array([[0, 0, 1, 1]])])
    with pytest.raises(ValueError, match="true boxes of 2 images"):
        image_box_ious(np.zeros((1, 2, 2)), [[], []])
