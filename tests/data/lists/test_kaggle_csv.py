from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_tbkd.data import DatalistError, load_datalist, load_kaggle_csv, load_source, load_tbx11k
from tests.data.conftest import refused
from tests.data.images_by_hand import noise_png

HEADER = ["fname", "image_height", "image_width", "source", "bbox", "target", "tb_type", "image_type"]
Tree = Callable[..., Path]


def table(root: Path, *rows: tuple[str, ...]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    path = root / "data.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


def bbox(x: float, y: float, width: float, height: float) -> str:
    return str({"xmin": x, "ymin": y, "width": width, "height": height})


def tb(name: str = "tb1.png", box: str = "none", kind: str = "active_tb", side: str = "64") -> tuple[str, ...]:
    return (name, side, side, "train", box, "tb", kind, "tb")


def test_rows_are_merged_and_boxes_scaled_to_the_image(tree: Tree) -> None:
    root = tree("images/tb1.png", "images/h1.png", "images/s1.png", "images/s2.png")
    path = table(
        root,
        tb(box=bbox(8, 16, 20, 30)),
        ("h1.png", "64", "64", "train", "none", "no_tb", "none", "healthy"),
        tb(box=bbox(0, 2.5, 10, 4), kind="latent_tb"),
        ("s1.png", "64", "64", "val", "none", "no_tb", "none", "sick_but_no_tb"),
        ("s2.png", "64", "64", "val", "none", "no_tb", "none", "sick_but_non-tb"),
    )
    for given in (root, path):
        items = {item["name"]: item for item in load_source(given, 3)}
        assert {name: (item["label"], item["split"]) for name, item in items.items()} == {
            "images/tb1.png": (2, "train"),
            "images/h1.png": (0, "train"),
            "images/s1.png": (1, "val"),
            "images/s2.png": (1, "val"),
        }
        # The images are 32 pixels wide: half of what the table says.
        assert items["images/tb1.png"]["boxes"] == [[4, 8, 14, 23], [0, 1.25, 5, 3.25]]
        assert items["images/tb1.png"]["box_types"] == ["active", "latent"]
        assert items["images/h1.png"]["boxes"] == []


def test_a_tb_image_without_a_box_is_not_annotated(tree: Tree) -> None:
    root = tree("images/tb1.png")
    assert load_kaggle_csv(table(root, tb()))[0]["boxes"] is None


def test_images_are_found_below_the_folder(tree: Tree) -> None:
    root = tree("deep/down/tb1.png")
    item = load_kaggle_csv(table(root, tb()))[0]
    assert (item["name"], item["size"]) == ("deep/down/tb1.png", [32, 32])
    noise_png(root / "other" / "tb1.png")
    refused(r"several \(1: tb1\.png is deep/down/tb1\.png and other/tb1\.png\)", load_kaggle_csv, root)


def test_an_image_of_another_format_is_that_of_its_name(tree: Tree) -> None:
    root = tree("images/tb1.jpg", "images/tb10.jpg")
    assert load_kaggle_csv(table(root, tb()))[0]["name"] == "images/tb1.jpg"
    noise_png(root / "images" / "tb1.dcm")
    refused(r"several \(1: tb1\.png is images/tb1\.dcm and images/tb1\.jpg\)", load_kaggle_csv, root)


def test_boxes_in_fractions_are_refused(tree: Tree) -> None:
    root = tree("images/tb1.png", "images/h1.png")
    table(root, tb(box=bbox(0.2, 0.3, 0.5, 0.4)), ("h1.png", "64", "64", "train", "none", "no_tb", "none", "healthy"))
    refused("as fractions are", load_datalist, root, select=0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_no_harm(tree: Tree, encoding: str) -> None:
    path = table(tree("images/tb1.png"), tb(box=bbox(8, 16, 20, 30)))
    expected = load_source(path.parent)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    assert load_source(path.parent) == expected


def test_an_image_that_is_not_there_is_left_to_the_check(tree: Tree) -> None:
    root = tree("images/h1.png")
    table(root, tb(box=bbox(1, 1, 5, 5)), ("h1.png", "64", "64", "train", "none", "no_tb", "none", "healthy"))
    refused(r"do not exist \(1: images/tb1\.png\)", load_datalist, root, select=0)


def test_images_without_a_label_are_left_out_with_a_word(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    root = tree("images/tb1.png", "test/t1.png")
    table(
        root, tb(), ("t1.png", "64", "64", "test", "", "", "", ""), ("t2.png", "64", "64", "train", "none", "", "", "")
    )
    with caplog.at_level(logging.INFO, "monai_tbkd"):
        assert len(load_kaggle_csv(root)) == 1
    assert "without a label are left out (2: t1.png, t2.png)" in caplog.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (tb(box="[1, 2, 3, 4]"), r"row 2 has the bbox '\[1, 2, 3, 4\]'"),
        (tb(box="__import__('os').getcwd()"), "row 2 has the bbox"),
        (tb(box="{'xmin': 1e999, 'ymin': 0, 'width': 1, 'height': 1}"), "finite"),
        (tb(box=f"{{'xmin': 1{'0' * 400}, 'ymin': 0, 'width': 1, 'height': 1}}"), "row 2 has the bbox"),
        (tb(side="0"), "image_height '0'"),
        (("", *tb()[1:]), "names the image ''"),
        (tb("../tb1.png"), "names the image"),
        (("a.png", "64", "64", "abroad", "none", "tb", "none", "tb"), "source 'abroad'"),
        (("a.png", "64", "64", "train", "none", "no_tb", "none", "cat"), "image_type 'cat'"),
        (("a.png", "64", "64", "train", "none", "no_tb", "none", "tb"), "target 'no_tb' and the image_type 'tb'"),
        (("a.png", "64", "64", "train", bbox(0, 0, 1, 1), "no_tb", "none", "healthy"), "only TB images"),
    ],
)
def test_a_row_that_cannot_be_understood_is_named(tmp_path: Path, row: tuple[str, ...], message: str) -> None:
    refused(message, load_kaggle_csv, table(tmp_path, row))


def test_rows_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    rows = [tb(box=bbox(0, 0, 9, 9)), tb(box=bbox(0, 0, 9, 9), side="128")]
    with pytest.raises(DatalistError, match=r"tb1\.png has \(128\.0, 128\.0\) and \(64\.0, 64\.0\) in rows 2, 3"):
        load_kaggle_csv(table(tmp_path, *rows))
    refused("a box and none in rows 2, 3", load_kaggle_csv, table(tmp_path, rows[0], tb()))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("fname,bbox,target\n")
    refused("no column image_height and image_width", load_kaggle_csv, tmp_path)
    (tmp_path / "data.csv").write_text("image\n")
    refused("0 tables", load_kaggle_csv, tmp_path)


def test_the_same_images_as_in_the_official_layout(phantom_copy: Path) -> None:
    official = load_tbx11k(phantom_copy)
    rows = []
    for item in official:
        words = {"health": "healthy", "sick": "sick_but_no_tb", "tb": "tb"}
        target = "tb" if item["class_name"] == "tb" else "no_tb"
        for box, kind in zip(item["boxes"] or [None], [f"{t}_tb" for t in item["box_types"]] or ["none"]):
            text = "none" if box is None else bbox(*(4 * e for e in (box[0], box[1], box[2] - box[0], box[3] - box[1])))
            name = Path(item["image"]).name
            rows.append((name, "512", "512", item["split"], text, target, kind, words[item["class_name"]]))
    (phantom_copy / "imgs").rename(phantom_copy / "images")
    for image in (phantom_copy / "images").glob("*/*.png"):
        image.rename(phantom_copy / "images" / image.name)
    table(phantom_copy, *rows)
    by_name = {Path(item["name"]).name: item for item in load_kaggle_csv(phantom_copy)}
    assert len(by_name) == len(official)
    for item in official:
        twin = by_name[Path(item["name"]).name]
        assert (twin["label"], twin["split"], twin["box_types"]) == (item["label"], item["split"], item["box_types"])
        assert twin["boxes"] == [pytest.approx(box) for box in item["boxes"]]
    splits = load_datalist(phantom_copy)
    assert Counter(item["class_name"] for item in splits["test"]) == {"health": 3, "sick": 2, "tb": 5}, (
        "found by itself"
    )


def test_a_column_that_is_there_twice_is_named(tree: Tree) -> None:
    path = table(tree("images/tb1.png"), (*tb(), "no_tb"))
    path.write_text(path.read_text().replace("image_type", "image_type,target", 1))
    refused(r"several columns of one name \(1: target\)", load_kaggle_csv, path)
