from __future__ import annotations

import numpy as np

from monai_tbkd.engines.half_labels import asymmetry_labels, confident_half_labels, side_labels


def test_side_labels_by_hand() -> None:
    boxes = [
        [[0, 0, 40, 10]], [[60, 0, 90, 10]], [[0, 0, 40, 10], [60, 0, 90, 10]], [[10, 0, 52, 10]], [[30, 0, 70, 10]],
        [],
    ]  # fmt: skip
    # the fourth reaches over the middle by 2 of its 42
    labels = side_labels([{"boxes": b, "size": [200, 100]} for b in boxes])
    assert labels.tolist() == [[1, 0], [0, 1], [1, 1], [1, 0], [1, 1], [0, 0]]


def test_asymmetry_labels_by_hand() -> None:
    asymmetry = np.array([[0.4, 0.2], [-0.2, -0.1], [0.02, 0.01], [-0.8, -0.4], [9.0, 9.0]])
    labels, kept = asymmetry_labels(asymmetry, np.array([0, 1, 2, 3]), share=0.5)
    assert labels[:4].tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]  # the denser half, with less air, is diseased
    assert kept.tolist() == [0, 3]
    assert asymmetry_labels(asymmetry, np.array([1, 2]), share=0.1)[1].tolist() == [1]  # at least one


def test_confident_half_labels_by_hand() -> None:
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.3], [0.8, 0.7], [-5.0, -6.0]])
    labels, known = confident_half_labels(scores, np.array([0, 1, 2, 3]), positive_share=0.5, negative_share=0.25)
    assert labels[:4].tolist() == [[1, 0], [0, 1], [0, 1], [1, 1]]
    # 0.4 is neither high nor low; 0.3 is low, but the better half of its film
    assert known[:4].tolist() == [[True, True], [False, True], [True, True], [True, True]]
    assert labels[4].tolist() == [1, 0] and known[4].all()  # films that are not ranked are labeled alike
