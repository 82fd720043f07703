from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_tbkd.data.lists.saved_boxes import SavedBox, SavedBoxes, check_boxes, read_saved_boxes

SIZES = {f"tb/{n}.png": (200, 100) for n in range(12)}  # height, width


def read(folder: Path, entries: Any, **more: Any) -> SavedBoxes:
    path = folder / "results.json"
    path.write_text(json.dumps(entries))
    return read_saved_boxes(path, SIZES, **more)


def results(category: Any = 1, **change: Any) -> list[dict[str, Any]]:
    """One box an image: 20 wide, 30 high, of scores 0.2, 0.25, ..."""
    return [
        {"file_name": name, "bbox": [60, 90, 20, 30], "score": 0.2 + 0.05 * n, "category_id": category, **change}
        for n, name in enumerate(SIZES)
    ]


def test_boxes_are_read_with_their_scores_the_highest_first(tmp_path: Path) -> None:
    more = {"file_name": "tb/0.png", "bbox": [10, 20, 30.5, 40], "score": 0.9, "category_id": 1}
    read_boxes = read(tmp_path, [*results(), more], category_ids=[1])
    np.testing.assert_array_equal(read_boxes.boxes["tb/0.png"], [[10, 20, 40.5, 60], [60, 90, 80, 120]])
    np.testing.assert_array_equal(read_boxes.scores["tb/0.png"], [0.9, 0.2])
    assert read_boxes.warnings == []
    assert read_boxes.counts == {
        "boxes_in_file": 13,
        "boxes_of_other_categories": 0,
        "boxes_of_other_images": 0,
        "boxes_clipped_by_over_a_pixel": 0,
    }


@pytest.mark.parametrize(
    ("category", "asked", "found"),
    [("1", [1], "'1'"), (0, [1], "0"), (3, [1, 2], "3"), (None, [1], "None"), ("TB", [1], "'TB'")],
)
def test_a_category_that_no_box_has_is_refused_with_those_that_are_there(
    category: Any, asked: list[int], found: str, tmp_path: Path
) -> None:
    wanted = " or ".join(map(str, asked))
    with pytest.raises(ValueError, match=rf"no box has category {wanted}; found {found} \(12 boxes\)\. Give ids"):
        read(tmp_path, results(category), category_ids=asked)


def test_ids_as_text_among_numbers_are_not_left_out_unseen(tmp_path: Path) -> None:
    entries = results()
    entries[3]["category_id"] = "1"
    with pytest.raises(ValueError, match=r"not all boxes have category 1; found '1' \(1 boxes\)"):
        read(tmp_path, entries, category_ids=[1])


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    entries = results()
    entries[0]["category_id"] = 2
    entries[1]["file_name"] = entries[2]["file_name"] = "other.png"
    found = read(tmp_path, entries, category_ids=[1])
    assert found.unknown == ["other.png"]
    assert found.counts["boxes_of_other_categories"] == 1
    assert found.counts["boxes_of_other_images"] == 2
    assert found.warnings == [
        "1 of 12 boxes are of other categories and are left out: 2 (1 boxes).",
        "2 of 12 boxes are of images that are not in the data set and are left out.",
    ]
    assert len(found.boxes) == 9


def test_a_file_of_other_images_alone_is_refused(tmp_path: Path) -> None:
    entries = [{**entry, "file_name": entry["file_name"].replace(".png", ".jpg")} for entry in results()]
    message = r"no box is of an image of the data set; found 12: tb/0\.jpg.*expected names such as tb/0\.png"
    with pytest.raises(ValueError, match=message):
        read(tmp_path, entries)


def test_a_file_without_a_box_may_be_right_and_is_warned_of(tmp_path: Path) -> None:
    for asked in (None, [1]):
        found = read(tmp_path, [], category_ids=asked)
        assert found.boxes == {}
        assert found.warnings == ["it holds no box, so that nothing is found on any image."]


@pytest.mark.parametrize(
    ("score", "message"),
    [(83, "Divide percent by 100"), (-1.5, "expected 0 to 1"), ("high", "four numbers and one"), (1e9, "0 to 1")],
)
def test_scores_that_are_none(score: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, results(score=score))


def test_a_box_goes_by_the_name_of_its_image_or_by_that_in_a_table(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    names = ("=1.png", "'=1.png")
    path.write_text(json.dumps([{"file_name": name, "bbox": [9, 9, 5, 4], "score": 0.5} for name in names]))
    assert len(read_saved_boxes(path, {"=1.png": (30, 30)}).boxes["=1.png"]) == 2


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("0 0.5 0.5 0.1 0.2\n")
    with pytest.raises(ValueError, match=r"labels\.txt: cannot be read as JSON .*expected a file in COCO's format"):
        read_saved_boxes(path, SIZES)


def test_an_image_under_two_ids_is_said(tmp_path: Path) -> None:
    coco = tmp_path / "coco.json"
    coco.write_text(json.dumps({"images": [{"id": n, "file_name": "tb/0.png"} for n in (7, 8)]}))
    entries = [{"image_id": n, "bbox": [10 * n, 90, 20, 30], "score": 0.5} for n in (7, 8)]
    found = read(tmp_path, entries, coco=coco)
    assert len(found.boxes["tb/0.png"]) == 2
    assert found.warnings == [
        f"1 images stand in {coco} more than once; the boxes of all their ids are taken together."
    ]


def test_image_ids_as_text_are_named(tmp_path: Path) -> None:
    coco = tmp_path / "coco.json"
    coco.write_text(json.dumps({"images": [{"id": 7, "file_name": "tb/0.png"}]}))
    with pytest.raises(ValueError, match="image_id '7' is not among the images"):
        read(tmp_path, [{"image_id": "7", "bbox": [1, 1, 5, 5], "score": 0.5}], coco=coco)


def test_boxes_are_cut_at_the_edge(tmp_path: Path) -> None:
    entry = {"file_name": "tb/0.png", "score": 0.5}
    found = read(tmp_path, [{**entry, "bbox": [-5, 190, 20, 30]}])
    assert found.boxes["tb/0.png"].tolist() == [[0, 190, 15, 200]]
    with pytest.raises(ValueError, match=r"results\.json, entry 0 .* lies outside tb/0\.png \(200 x 100 pixels\)"):
        read(tmp_path, [{**entry, "bbox": [100, 0, 20, 30]}])


HEIGHT, WIDTH = 400, 300
ONE = {"a.png": (HEIGHT, WIDTH)}


def saved(boxes: Sequence[Sequence[float]] | np.ndarray) -> list[SavedBox]:
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
    assert check_boxes(saved(right_boxes()), ONE) == (0, [])
    assert check_boxes([], ONE) == (0, [])
    whole = [[0, 0, WIDTH, HEIGHT]] * 3 + [[1, 1, WIDTH - 1, HEIGHT - 1]] * 9
    assert check_boxes(saved(whole), ONE) == (0, [])


def as_fractions(boxes: np.ndarray) -> np.ndarray:
    return boxes / [WIDTH, HEIGHT, WIDTH, HEIGHT]


def as_corners(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def as_thousandths(boxes: np.ndarray) -> np.ndarray:
    return 1000 * as_fractions(boxes)


@pytest.mark.parametrize("number", [1, 2, 30])
def test_fractions_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=rf"entry 0: .*{number} of {number} boxes are smaller than a pixel.*Multiply"):
        check_boxes(saved(as_fractions(right_boxes(number))), ONE)


def test_corners_are_refused() -> None:
    with pytest.raises(ValueError, match=r"of 30 boxes reach far beyond .*right as corners.*Write xmax - xmin"):
        check_boxes(saved(as_corners(right_boxes())), ONE)
    rows_first = as_corners(right_boxes())[:, [1, 0, 3, 2]]
    with pytest.raises(ValueError, match=r"reach far beyond"):
        check_boxes(saved(rows_first), {"a.png": (400, 400)})


def test_pixels_of_a_larger_copy_and_thousandths_are_refused() -> None:
    with pytest.raises(ValueError, match="reach far beyond their image"):
        check_boxes(saved(as_thousandths(right_boxes())), ONE)
    with pytest.raises(ValueError, match="reach far beyond their image"):
        check_boxes(saved(3 * right_boxes()), ONE)


def test_one_fraction_among_pixels_is_counted() -> None:
    boxes = right_boxes()
    boxes[4] = as_fractions(boxes)[4]
    number, said = check_boxes(saved(boxes), ONE)
    assert number == 0
    assert said == ["1 of 30 boxes are narrower or lower than a pixel; boxes are in pixels, not fractions."]


def test_boxes_beyond_the_edge_are_counted() -> None:
    boxes = right_boxes()
    boxes[:2] = [[-4, 10, 50, 50], [200, 300, 90.0, 103]]
    boxes[2] = [200, 300, 100.5, 50]  # less than a pixel
    number, said = check_boxes(saved(boxes), ONE)
    assert number == 2
    assert len(said) == 1 and said[0].startswith("2 of 30 boxes reach more than a pixel beyond their image and are cut")
    # as detectors draw it that do not cut, however many
    loose = right_boxes(12)
    loose[:, 0] = WIDTH + 6 - loose[:, 2]
    assert check_boxes(saved(loose), ONE)[0] == 12


def test_what_may_be_another_unit_is_said() -> None:
    quarter = right_boxes() / [2.5, 2.5, 2.5, 2.5]
    assert "pixels of a smaller copy" in check_boxes(saved(quarter), ONE)[1][0]
    assert check_boxes(saved(quarter[:9]), ONE) == (0, [])  # so few may lie there
    near = np.array([[20, 30, 60, 80]] * 12) + np.arange(12)[:, None]
    assert "can be corners" in check_boxes(saved(near), ONE)[1][0]


def test_repeated_boxes_and_scores_are_said() -> None:
    twice = [*saved(right_boxes()), *saved(right_boxes())]
    assert check_boxes(twice, ONE)[1] == [
        "30 of 60 boxes repeat another one, score included, and count as false boxes."
    ]
    same = [each._replace(score=1.0) for each in saved(right_boxes())]
    assert check_boxes(same, ONE)[1] == ["all 30 boxes have the score 1, so that nothing ranks them."]
