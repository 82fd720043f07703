from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monai_tbkd.data import DatalistError, check_datalist, datalist_item
from tests.data.conftest import refused
from tests.data.images_by_hand import cut, noise_png


def image(tmp_path: Path, name: str = "tb.png", class_name: str = "tb", **fields: Any) -> dict[str, Any]:
    path = tmp_path / name
    if not path.exists():
        noise_png(path)
    fields.setdefault("boxes", [[1.0, 2.0, 10.0, 12.0]])
    return datalist_item(path, name, class_name, "train", **fields)


def well(tmp_path: Path) -> dict[str, Any]:
    return image(tmp_path, "h.png", "health")


def test_a_good_set_comes_back_unchanged(tmp_path: Path) -> None:
    splits = {"train": [image(tmp_path), well(tmp_path)]}
    assert check_datalist(splits) == splits


def test_a_box_one_pixel_over_the_edge_is_clipped_in_a_copy(tmp_path: Path) -> None:
    item = image(tmp_path, boxes=[[-1.0, 0.0, 32.5, 33.0]])
    checked = check_datalist({"train": [item, well(tmp_path)]})
    assert checked["train"][0]["boxes"] == [[0.0, 0.0, 32.0, 32.0]]
    assert item["boxes"] == [[-1.0, 0.0, 32.5, 33.0]]


@pytest.mark.parametrize(
    "box",
    [
        [0, 0, 34, 10], [0, 0, 10, 33.5], [-1.5, 0, 10, 10], [5, 5, 5, 10], [10, 5, 4, 10], [0, 10, 9, 2],
        [float("nan"), 0, 9, 9], [32.2, 0, 33, 9],
    ],
)  # fmt: skip
def test_a_box_outside_or_without_area_names_image_box_and_size(tmp_path: Path, box: list[float]) -> None:
    with pytest.raises(DatalistError, match=r"1: tb\.png has \[.*\] on 32 x 32 pixels"):
        check_datalist({"train": [image(tmp_path, boxes=[box]), well(tmp_path)]})


def test_missing_and_damaged_images_are_named(tmp_path: Path) -> None:
    cut(noise_png(tmp_path / "cut.png"), 0.01)
    items = [image(tmp_path), well(tmp_path), image(tmp_path, "cut.png")]
    items.append(datalist_item(tmp_path / "gone.png", "gone.png", "tb", "train"))
    refused(r"do not exist \(1: gone\.png\).*cannot be read \(1: .*cut\.png", check_datalist, {"train": items})


def test_many_faults_are_counted_and_three_named(tmp_path: Path) -> None:
    gone = [datalist_item(tmp_path / f"{i}.png", f"{i}.png", "tb", "train") for i in range(5)]
    with pytest.raises(DatalistError, match=r"\(5: 0\.png, 1\.png, 2\.png, \.\.\.\)"):
        check_datalist({"train": [image(tmp_path), well(tmp_path), *gone]})


def test_one_label_only_in_train(tmp_path: Path) -> None:
    refused(r"one label only \(tb\)", check_datalist, {"train": [image(tmp_path)], "test": [well(tmp_path)]})
    # Healthy and sick are one label of two classes.
    with pytest.raises(DatalistError, match=r"one label only \(health, sick\)"):
        check_datalist({"train": [well(tmp_path), image(tmp_path, "s.png", "sick")]})


def test_the_same_image_in_two_splits_even_through_a_link(tmp_path: Path) -> None:
    one = image(tmp_path)
    (tmp_path / "link.png").symlink_to(tmp_path / "tb.png")
    other = image(tmp_path, "link.png")
    with pytest.raises(DatalistError, match=r"two splits \(1: tb\.png in test and train\)"):
        check_datalist({"train": [one, well(tmp_path)], "test": [other]})
    refused(r"listed twice \(1: tb\.png\)", check_datalist, {"train": [one, other, well(tmp_path)]})


def test_a_patient_in_two_splits_is_refused_without_naming_anyone(tmp_path: Path) -> None:
    items = [image(tmp_path, patient_id="secret"), well(tmp_path)]
    with pytest.raises(DatalistError, match=r"two splits \(1\)") as caught:
        check_datalist({"train": items, "test": [image(tmp_path, "b.png", patient_id="secret")]})
    assert "secret" not in str(caught.value)


def test_a_tb_image_without_boxes_is_a_warning_or_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    splits = {"train": [image(tmp_path, boxes=None), well(tmp_path)]}
    assert check_datalist(splits) == splits
    assert "(1: tb.png): they train by their image label" in caplog.text
    refused(r"without an annotation \(1: tb\.png\)", check_datalist, splits, missing_annotation="error")
    with pytest.raises(ValueError, match="'ignore'"):
        check_datalist(splits, missing_annotation="ignore")


def test_an_empty_set_is_refused() -> None:
    refused("no image", check_datalist, {"train": []})


FRACTIONS = [0.25, 0.3, 0.5, 0.8]


@pytest.mark.parametrize("box", [FRACTIONS, [0.0, 0.0, 1.0, 1.0]])
def test_boxes_in_fractions_are_refused_and_counted(tmp_path: Path, box: list[float]) -> None:
    boxes = [box, [1.0, 2.0, 10.0, 12.0]]
    with pytest.raises(DatalistError, match=r"fractions are \(1: tb\.png has .* 32 x 32 .*; 2 boxes in all\)"):
        check_datalist({"train": [image(tmp_path, boxes=boxes), well(tmp_path)]})


def test_fractions_that_were_scaled_with_their_image_are_refused(tmp_path: Path) -> None:
    # Drawn on 256 pixels, listed for an image of 1024.
    item = {**image(tmp_path, boxes=[[4 * edge for edge in FRACTIONS]]), "size": [1024, 1024]}
    refused("upper left corner", check_datalist, {"train": [item, well(tmp_path)]})


def test_boxes_below_a_pixel_are_a_warning_and_if_all_are_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    thin, wide = [5.0, 5.0, 5.5, 9.0], [1.0, 2.0, 10.0, 12.0]
    check_datalist({"train": [image(tmp_path, boxes=[thin, wide]), well(tmp_path)]})
    assert "less than one pixel wide or high (1: tb.png" in caplog.text
    with pytest.raises(DatalistError, match=r"less than one pixel wide or high \(1: .*; 1 boxes in all\)"):
        check_datalist({"train": [image(tmp_path, boxes=[thin]), well(tmp_path)]})


def test_boxes_outside_are_counted_among_all(tmp_path: Path) -> None:
    boxes = [[1.0, 2.0, 10.0, 12.0], [100.0, 200.0, 300.0, 400.0]]
    with pytest.raises(DatalistError, match=r"outside their image .*\(1: tb\.png has .*; 2 boxes in all\)"):
        check_datalist({"train": [image(tmp_path, boxes=boxes), well(tmp_path)]})


def test_boxes_of_a_smaller_copy_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    boxes = [[1.0, 2.0, 10.0, 9.0]] * 5
    check_datalist({"train": [image(tmp_path, boxes=boxes), well(tmp_path)]})
    assert "All boxes lie in the upper left third of their image (5: tb.png" in caplog.text
    caplog.clear()
    check_datalist({"train": [image(tmp_path, boxes=[*boxes, [20.0, 2.0, 30.0, 9.0]]), well(tmp_path)]})
    assert "upper left" not in caplog.text


def test_an_image_of_two_hospitals_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, other = image(tmp_path), image(tmp_path, "other.png")  # the same pixels
    one["source"], other["source"] = "here", "there"
    noise_png(tmp_path / "h.png", seed=1)
    with pytest.raises(DatalistError, match=r"sources and two splits \(1: tb.png of here and other.png of there"):
        check_datalist({"train": [one, well(tmp_path)], "test": [other]})
    check_datalist({"train": [one, well(tmp_path), other]})
    assert "The same image in two sources (1: " in caplog.text
