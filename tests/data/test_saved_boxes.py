from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_tbkd.data.saved_boxes import SavedBoxes, read_saved_boxes

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
        "boxes_cut_by_over_a_pixel": 0,
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
    assert found.strangers == ["other.png"]
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
