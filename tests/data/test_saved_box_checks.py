from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from monai_tbkd.data.saved_box_checks import SavedBox, check_boxes, cut_box

HEIGHT, WIDTH = 400, 300
SIZES = {"a.png": (HEIGHT, WIDTH)}


def entries(boxes: Sequence[Sequence[float]] | np.ndarray) -> list[SavedBox]:
    return [
        SavedBox(f"r.json, entry {i}", "a.png", [float(v) for v in box], 0.1 + i / (2 * len(boxes)))
        for i, box in enumerate(boxes)
    ]


def right_boxes(number: int = 30) -> np.ndarray:
    """x, y, width, height of boxes in both lungs, all on the image."""
    rng = np.random.default_rng(0)
    corner = rng.uniform([20, 40], [200, 250], (number, 2))
    return np.concatenate([corner, rng.uniform(20, 90, (number, 2))], axis=1)


def test_right_boxes_are_not_doubted() -> None:
    assert check_boxes(entries(right_boxes()), SIZES) == (0, [])
    assert check_boxes([], SIZES) == (0, [])
    whole = [[0, 0, WIDTH, HEIGHT]] * 3 + [[1, 1, WIDTH - 1, HEIGHT - 1]] * 9
    assert check_boxes(entries(whole), SIZES) == (0, [])


def as_fractions(boxes: np.ndarray) -> np.ndarray:
    return boxes / [WIDTH, HEIGHT, WIDTH, HEIGHT]


def as_corners(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def as_thousandths(boxes: np.ndarray) -> np.ndarray:
    return 1000 * as_fractions(boxes)


@pytest.mark.parametrize("number", [1, 2, 30])
def test_fractions_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=rf"entry 0: .*{number} of {number} boxes are smaller than a pixel.*Multiply"):
        check_boxes(entries(as_fractions(right_boxes(number))), SIZES)


def test_corners_are_refused() -> None:
    with pytest.raises(ValueError, match=r"of 30 boxes reach far beyond .*right as corners.*Write xmax - xmin"):
        check_boxes(entries(as_corners(right_boxes())), SIZES)
    rows_first = as_corners(right_boxes())[:, [1, 0, 3, 2]]
    with pytest.raises(ValueError, match=r"reach far beyond"):
        check_boxes(entries(rows_first), {"a.png": (400, 400)})


def test_pixels_of_a_larger_copy_and_thousandths_are_refused() -> None:
    with pytest.raises(ValueError, match="reach far beyond their image"):
        check_boxes(entries(as_thousandths(right_boxes())), SIZES)
    with pytest.raises(ValueError, match="reach far beyond their image"):
        check_boxes(entries(3 * right_boxes()), SIZES)


def test_one_fraction_among_pixels_is_counted() -> None:
    boxes = right_boxes()
    boxes[4] = as_fractions(boxes)[4]
    number, said = check_boxes(entries(boxes), SIZES)
    assert number == 0
    assert said == ["1 of 30 boxes are narrower or lower than a pixel; boxes are in pixels, not fractions."]


def test_boxes_beyond_the_edge_are_counted() -> None:
    boxes = right_boxes()
    boxes[:2] = [[-4, 10, 50, 50], [200, 300, 90.0, 103]]
    boxes[2] = [200, 300, 100.5, 50]  # less than a pixel
    number, said = check_boxes(entries(boxes), SIZES)
    assert number == 2
    assert len(said) == 1 and said[0].startswith("2 of 30 boxes reach more than a pixel beyond their image and are cut")
    # as detectors draw it that do not cut, however many
    loose = right_boxes(12)
    loose[:, 0] = WIDTH + 6 - loose[:, 2]
    assert check_boxes(entries(loose), SIZES)[0] == 12


def test_what_may_be_another_unit_is_said() -> None:
    quarter = right_boxes() / [2.5, 2.5, 2.5, 2.5]
    assert "pixels of a smaller copy" in check_boxes(entries(quarter), SIZES)[1][0]
    assert check_boxes(entries(quarter[:9]), SIZES) == (0, [])  # so few may lie there
    near = np.array([[20, 30, 60, 80]] * 12) + np.arange(12)[:, None]
    assert "can be corners" in check_boxes(entries(near), SIZES)[1][0]


def test_repeated_boxes_and_scores_are_said() -> None:
    twice = [*entries(right_boxes()), *entries(right_boxes())]
    assert check_boxes(twice, SIZES)[1] == [
        "30 of 60 boxes repeat another one, score included, and count as false boxes."
    ]
    same = [each._replace(score=1.0) for each in entries(right_boxes())]
    assert check_boxes(same, SIZES)[1] == ["all 30 boxes have the score 1, so that nothing ranks them."]


def test_boxes_are_cut_at_the_edge() -> None:
    assert cut_box(SavedBox("r.json", "a.png", [-5, 390, 20, 30], 0.5), (HEIGHT, WIDTH)) == [0, 390, 15, 400]
    with pytest.raises(ValueError, match=r"r\.json: bbox .* lies outside a\.png \(400 x 300 pixels\)"):
        cut_box(SavedBox("r.json", "a.png", [300, 0, 20, 30], 0.5), (HEIGHT, WIDTH))
