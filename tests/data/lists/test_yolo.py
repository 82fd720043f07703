from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.data import DatalistError, load_datalist, load_source, load_yolo
from monai_tbkd.data.lists.datalist import find_layout
from tests.data.conftest import refused
from tests.data.images_by_hand import noise_png

Tree = Callable[..., Path]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def images(tree: Tree) -> Path:
    root = tree("images/train/a.png", "images/train/b.png", "images/val/c.png")
    write(root / "labels/train/a.txt", "0 0.5 0.25 0.5 0.25\n1 0.125 0.5 0.25 1\n")
    write(root / "labels/train/b.txt", "")
    write(root / "labels/val/c.txt", "\n")
    write(root / "data.yaml", "path: /elsewhere\ntrain: images/train\nnc: 2\nnames: [ActiveTuberculosis, latent_tb]\n")
    return root


def test_boxes_in_pixels_and_health_with_an_empty_label_file(images: Path) -> None:
    a, b, c = load_source(images, 3, "yolo")
    assert (a["name"], a["label"], a["split"]) == ("images/train/a.png", 2, "train")
    # 32 x 32 pixels: center (16, 8), 16 wide, 8 high; and the left quarter of the image.
    assert a["boxes"] == [[8, 4, 24, 12], [0, 0, 8, 32]]
    assert a["box_types"] == ["active", "latent"]
    assert [(item["label"], item["boxes"]) for item in (b, c)] == [(0, []), (0, [])]
    assert c["split"] == "val"


def test_names_as_a_mapping_and_as_lines(images: Path) -> None:
    expected = load_yolo(images)
    write(images / "data.yaml", "names:\n  0: active_tb\n  1: Latent-TB\n")
    assert load_yolo(images) == expected
    (images / "data.yaml").unlink()
    write(images / "labels/classes.txt", "active\nlatent\n")
    assert load_yolo(images) == expected


def test_folders_of_classes_win_over_missing_labels(tree: Tree) -> None:
    root = tree("images/train/tb/a.png", "images/train/sick/b.png", "images/train/tb/c.png")
    write(root / "labels/train/tb/a.txt", "0 0.5 0.5 0.5 0.5")
    write(root / "classes.txt", "tb\n")
    b, a, c = load_source(root, 3, "yolo")
    assert [(item["label"], item["boxes"]) for item in (a, b, c)] == [(2, [[8, 8, 24, 24]]), (1, []), (2, None)]
    assert a["box_types"] == ["unspecified"]
    write(root / "labels/train/sick/b.txt", "0 0.5 0.5 0.5 0.5")
    refused(r"sick/b\.txt says tb and the image is in a folder of sick images", load_yolo, root)


def test_boxes_of_other_classes_say_what_the_image_is(images: Path) -> None:
    write(images / "data.yaml", "names: [active_tb, healthy, sick_but_no_tb]")
    write(images / "labels/train/a.txt", "1 0.5 0.5 1 1\n0 0.5 0.5 0.5 0.5")
    write(images / "labels/train/b.txt", "2 0.5 0.5 1 1")
    a, b, _ = load_source(images, 3, "yolo")
    assert (a["class_name"], a["boxes"]) == ("tb", [[8, 8, 24, 24]])
    assert (b["class_name"], b["boxes"]) == ("sick", [])


def test_a_polygon_becomes_its_box_and_rounding_is_clipped(images: Path) -> None:
    write(images / "labels/train/a.txt", "0 0.25 0.5 0.5 0.75 0.75 0.5\n0 0.5 0.5 1.0001 1")
    assert load_yolo(images)[0]["boxes"] == [[8, 16, 24, 24], [0, 0, 32, 32]]


@pytest.mark.parametrize(
    ("polygon", "box"),
    [
        ("0 0 1 0 1 1 0 1 0 0", [0, 0, 32, 32]),  # closed, along the edges
        ("0.25 0.25 0.5 0.25 0.5 0.5 0.25 0.5", [8, 8, 16, 16]),
        ("0.5 0.5 0.5 0.75 0.75 0.75 0.75 0.5 0.5 0.5", [16, 16, 24, 24]),
    ],
)
def test_polygons_are_not_taken_for_keypoints(images: Path, polygon: str, box: list[int]) -> None:
    write(images / "labels/train/a.txt", f"0 {polygon}")
    assert load_yolo(images)[0]["boxes"] == [box]


def test_a_data_set_of_keypoints_is_refused(images: Path) -> None:
    write(images / "data.yaml", "names: [tb, latent_tb]\nkpt_shape: [2, 3]\n")
    refused(r"data\.yaml: kpt_shape, so the labels hold keypoints", load_yolo, images)


def test_a_class_within_another_is_refused(tree: Tree) -> None:
    root = tree("images/train/tb/active_tb/a.png", "images/train/tb/normal/b.png")
    write(root / "labels/train/tb/active_tb/a.txt", BOX)
    write(root / "data.yaml", "names: [tb]")
    refused(r"1: images/train/tb/normal/b\.png is in folders of tb and health", load_yolo, root)


def test_splits_above_the_images(tree: Tree) -> None:
    root = tree("train/images/a.png", "valid/images/b.png")
    write(root / "train/labels/a.txt", "0 0.5 0.5 0.5 0.5")
    write(root / "valid/labels/b.txt", "")
    write(root / "data.yaml", "names: [tb]")
    assert [(item["class_name"], item["split"]) for item in load_yolo(root)] == [("tb", "train"), ("health", "val")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.5 0.5", r"class 2 \(expected 0 to 1\)"),
        ("-1 0.5 0.5 0.5 0.5", "class -1"),
        ("0.5 0.5 0.5 0.5 0.5", "class 0.5"),
        ("0 16 8 16 8", "fractions of the image"),
        ("0 nan 0.5 0.5 0.5", "fractions of the image"),
        ("0 0.9 0.5 0.5 0.5", "outside the image"),
        ("0 0.5 0.5 0 0.5", "without area"),
        ("0 0.5 0.5 0.5", "has 4 numbers"),
        ("0 0.5 0.5 0.5 0.5 0.9", "has 6 numbers"),
        ("tb 0.5 0.5 0.5 0.5", "expected numbers"),
        ("0 0.5 0.5 0.4 0.2 0.3 0.4 0.7 0.6", "a box and keypoints"),  # the points are corners of the box
        ("0 0.5 0.5 0.2 0.2 0.45 0.5 1 0.5 0.55 0", "a box and keypoints"),  # x, y, whether it is seen
    ],
)
def test_a_line_that_cannot_be_understood_is_named(images: Path, line: str, message: str) -> None:
    write(images / "labels/train/b.txt", f"\n{line}\n")
    refused(rf"1: labels/train/b\.txt line 2 .*{message}", load_yolo, images)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [tb, cat]", r"unknown names of classes \(1: cat\)"),
        ("names: {0: tb, 2: sick}", "mapping of 0, 1, 2"),
        ("names: {0: tb, x: sick}", "mapping of 0, 1, 2"),
        ("nc: 2", "no names"),
        ("names: []", "no names"),
        ("names: !!python/object/apply:os.getcwd []", "cannot be read"),
    ],
)
def test_names_that_say_nothing_are_refused(images: Path, text: str, message: str) -> None:
    write(images / "data.yaml", text)
    refused(message, load_yolo, images)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("data.yaml", "names: ['', tb, healthy]"),
        ("data.yaml", "names: [~, tb, healthy, ' ']"),
        ("data.yaml", "names: {0: '', 1: tb, 2: healthy}"),
        ("labels/classes.txt", "\ntb\nhealthy\n\n"),
    ],
)
def test_a_blank_name_keeps_its_number(images: Path, file: str, text: str) -> None:
    (images / "data.yaml").unlink()
    write(images / file, text)
    write(images / "labels/train/a.txt", "1 0.5 0.5 0.5 0.5")
    write(images / "labels/train/b.txt", "2 0.5 0.5 0.5 0.5")
    assert [item["class_name"] for item in load_yolo(images)] == ["tb", "health", "health"]
    write(images / "labels/train/b.txt", BOX)
    refused(r"labels/train/b\.txt line 1 has the class 0, whose name is blank", load_yolo, images)


@pytest.mark.parametrize(
    ("file", "text", "agrees"),
    [
        ("classes.txt", "TB\nLatent tb\n\n", True),
        ("classes.txt", "\n", True),
        ("data.yml", "nc: 2", True),  # no names
        ("classes.txt", "latent_tb\nactive_tb\n", False),
        ("labels/classes.txt", "healthy\nactive_tb\n", False),
        ("labels/train/classes.txt", "active_tb\n", False),
        ("dataset.yaml", "names: [cat, dog]", False),
    ],
)
def test_names_that_contradict_are_refused(images: Path, file: str, text: str, agrees: bool) -> None:
    write(images / file, text)
    if agrees:
        assert len(load_yolo(images)) == 3
    else:
        refused(rf"{re.escape(file)}: other names of classes than in .*data\.yaml", load_yolo, images)


def test_no_names_no_folder_and_labels_without_an_image(images: Path) -> None:
    write(images / "labels/val/z.txt", "0 0.5 0.5 0.5 0.5")
    refused(r"belong to no image \(1: labels/val/z\.txt\)", load_yolo, images)
    (images / "data.yaml").unlink()
    refused(r"no data\.yaml", load_yolo, images)
    refused("no folder images", load_yolo, images / "images")


def test_the_layout_is_found(images: Path) -> None:
    splits = load_datalist(images, select=0)
    assert {name: len(part) for name, part in splits.items()} == {"train": 2, "select": 0, "test": 1}


def test_boxes_of_an_image_that_is_not_square(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 100), dtype=np.uint8)).save(
        tmp_path / "images/a.png"
    )
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (tmp_path / "data.yaml").write_text("names: [tb]\n")
    (item,) = load_yolo(tmp_path)
    assert item["boxes"][0] == pytest.approx([40, 15, 60, 35])


def split_names(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in load_yolo(root):
        found.setdefault(item["split"], []).append(item["name"])
    return found


BOX = "0 0.5 0.5 0.5 0.5"


@pytest.mark.parametrize(
    ("position", "named"),
    [
        ("images/train/b.txt", True),  # beside its image
        ("labels/b.txt", True),  # at another place below labels
        ("labels/dev/b.txt", True),
        ("labels/train/b.label", True),
        ("meta/b.json", False),  # of another kind, and nothing takes the image for healthy
        (None, False),
    ],
)
def test_an_image_whose_label_file_is_not_found_is_never_healthy(
    images: Path, position: str | None, named: bool
) -> None:
    (images / "labels/train/b.txt").unlink()
    if position:
        write(images / position, BOX)
    with pytest.raises(DatalistError, match=r"images without a label file \(1: images/train/b\.png\)") as raised:
        load_yolo(images)
    assert (f"belong to no image (1: {position})" in str(raised.value)) is named


def test_labels_of_another_content_beside_an_image_are_named(images: Path) -> None:
    write(images / "images/train/b.txt", "")
    assert len(load_yolo(images)) == 3, "a copy says nothing else"
    write(images / "images/train/b.txt", BOX)
    refused(r"belong to no image \(1: images/train/b\.txt\)", load_yolo, images)


def test_a_data_set_may_say_that_images_without_a_label_file_are_healthy(images: Path) -> None:
    (images / "labels/train/b.txt").unlink()
    write(images / "data.yaml", "names: [tb, latent_tb]\nbackground: sick\n")
    assert [item["class_name"] for item in load_yolo(images)] == ["tb", "sick", "health"]
    (images / "labels/val/c.txt").unlink()
    with pytest.raises(DatalistError, match=r"without a label file \(1: images/val/c\.png\)"):
        load_yolo(images)  # no image of this split has one
    write(images / "data.yaml", "names: [tb, latent_tb]\nbackground: tb\n")
    refused(r"background is 'tb'; expected health or sick", load_yolo, images)


@pytest.mark.parametrize(
    "position",
    [
        "labels/train/b.xml", "labels/train/b.json", "labels/train/B.txt.bak", "labels/train/b.png.json",
        "labels/train/b.png", "label/train/b.txt", "labels_new/b.txt", "annotations/b.xml", "images/train/b.xml",
        "b.txt",
    ],
)  # fmt: skip
def test_an_unread_file_of_an_image_that_background_would_make_healthy_is_named(images: Path, position: str) -> None:
    (images / "labels/train/b.txt").unlink()
    write(images / "data.yaml", "names: [tb, latent_tb]\nbackground: health\n")
    for harmless in ("labels/train.cache", "labels/train/a.xml", "previews/b.jpg", "notes/bb.json", ".cache/b.json"):
        write(images / harmless, "x")
    assert [item["class_name"] for item in load_yolo(images)] == ["tb", "health", "health"]
    write(images / position, BOX)
    refused(rf"belong to no image \(1: {re.escape(position)}\)", load_yolo, images)


def test_a_box_in_another_folder_of_labels_where_the_label_read_is_empty_is_named(images: Path) -> None:
    write(images / "labels_polygons/train/a.txt", BOX)  # its image has boxes
    write(images / "labels_polygons/train/b.txt", "")
    assert len(load_yolo(images)) == 3
    write(images / "labels_polygons/train/b.txt", BOX)
    refused(r"belong to no image \(1: labels_polygons/train/b\.txt\)", load_yolo, images)
    write(images / "labels_polygons/metrics.json", "{}")  # as if a run had written its results there
    refused(r"belong to no image \(1: labels_polygons/train/b\.txt\)", load_yolo, images)


@pytest.mark.parametrize("missing", ["labels", "labels/train"])
def test_a_split_without_a_folder_of_labels_is_named(images: Path, missing: str) -> None:
    write(images / "data.yaml", "names: [tb, latent_tb]\nbackground: health\n")
    (images / missing).rename(images / "elsewhere")
    refused(r"without a label file \(\d: images/train/a\.png", load_datalist, images)


def test_case_of_folders_and_label_files_does_not_count(images: Path) -> None:
    expected = [(item["label"], item["boxes"]) for item in load_yolo(images)]
    (images / "labels/train/a.txt").rename(images / "labels/train/A.TXT")
    (images / "labels").rename(images / "Labels")
    (images / "images/train/a.png").rename(images / "images/train/a.JPEG")
    (images / "images").rename(images / "IMAGES")
    (images / "Labels/val").rename(images / "Labels/Val")
    assert [(item["label"], item["boxes"]) for item in load_yolo(images)] == expected


def test_names_with_dots_keep_their_parts(tree: Tree) -> None:
    root = tree("images/1.2.840.3", "images/1.2.840.4", "images/x.1.png", "images/y.2.PNG")
    for name, text in {"1.2.840.3": BOX, "1.2.840.4": "", "x.1": BOX, "y.2.PNG": ""}.items():
        write(root / f"labels/{name}.txt", text)
    write(root / "data.yaml", "names: [tb]")
    assert [item["class_name"] for item in load_yolo(root)] == ["tb", "health", "tb", "health"]
    (root / "labels/1.2.840.3.txt").rename(root / "labels/1.2.840.txt")
    with pytest.raises(
        DatalistError, match=r"without a label file \(1: images/1\.2\.840\.3\).*\(1: labels/1\.2\.840\.txt"
    ):
        load_yolo(root)


def test_one_label_file_for_two_images_is_refused(images: Path) -> None:
    noise_png(images / "images/train/a.jpg", seed=9)
    refused(r"labels/train/a\.txt of images/train/a\.jpg and images/train/a\.png", load_yolo, images)


def test_splits_of_years(images: Path) -> None:
    for folder in ("images", "labels"):
        for split in ("train", "val"):
            (images / folder / split).rename(images / folder / f"{split}2017")
    assert split_names(images) == {
        "train": ["images/train2017/a.png", "images/train2017/b.png"], "val": ["images/val2017/c.png"],
    }  # fmt: skip


def rename_split(images: Path, name: str) -> None:
    for folder in ("images", "labels"):
        (images / folder / "val").rename(images / folder / name)


@pytest.mark.parametrize("name", ["dev", "holdout", "site_b"])
def test_a_folder_that_is_no_split_is_named_or_taken_from_the_yaml(images: Path, name: str) -> None:
    rename_split(images, name)
    refused(rf"in no split \(1: images/{name}\)", load_yolo, images)
    names = "names: [tb, latent_tb]\n"
    for path, entry in [("", f"images/{name}"), (".", f"./images/{name}/"), ("/content/set", f"images/{name}")]:
        write(images / "data.yaml", f"{names}path: {path}\ntrain: images/train\nval: {entry}\n")
        assert split_names(images)["val"] == [f"images/{name}/c.png"]
    write(images / "data.yaml", f"{names}train: [images/train, images/{name}]\n")
    assert len(split_names(images)["train"]) == 3


def test_splits_above_the_images_that_are_no_splits(tree: Tree) -> None:
    root = tree("train/images/a.png", "docs/images/overview.png")
    for name in ("holdout/images/b.png", "dev/images/c.png"):
        noise_png(root / name)
    write(root / "train/labels/a.txt", BOX)
    write(root / "holdout/labels/b.txt", "")
    write(root / "data.yaml", "names: [tb]")
    refused(r"in no split \(1: (dev|holdout)/images\)", load_yolo, root)
    write(root / "data.yaml", "names: [tb]\ntrain: ../train/images\ntest: ../holdout/images\n")
    refused(r"in no split \(1: dev/images\)", load_yolo, root)
    (root / "dev/images/c.png").unlink()
    assert split_names(root) == {"train": ["train/images/a.png"], "test": ["holdout/images/b.png"]}


def test_a_split_without_a_folder_images_is_named(images: Path) -> None:
    noise_png(images / "holdout/d.png", seed=9)
    refused(r"without a folder images \(1: holdout\)", load_yolo, images)


@pytest.mark.parametrize("entries", ["train: images\nval: images", "train: ./", "val: /content/set/images"])
def test_a_folder_whose_name_is_a_split_is_nearer_than_one_above(images: Path, entries: str) -> None:
    expected = split_names(images)
    write(images / "data.yaml", f"names: [tb, latent_tb]\n{entries}\n")
    assert split_names(images) == expected


def test_classes_with_images_and_labels_are_no_yolo_set(tree: Tree) -> None:
    root = tree("tb/images/a.png", "normal/images/b.png", "tb/labels/c.png")
    assert find_layout(root) == "class_folders"


def test_lists_of_images_are_splits(images: Path) -> None:
    write(images / "data.yaml", "names: [tb, latent_tb]\ntrain: train.txt\nval: val.txt\n")
    write(images / "train.txt", "./images/train/a.png\n")
    write(images / "val.txt", "images/train/b.png\r\n/content/set/images/val/c.png\r\n")
    assert split_names(images) == {
        "train": ["images/train/a.png"], "val": ["images/train/b.png", "images/val/c.png"],
    }  # fmt: skip
    write(images / "val.txt", "images/val/c.png\n")
    refused(r"in no split \(1: images/train/b\.png\)", load_yolo, images)
    write(images / "val.txt", "images/train/gone.png\n")
    refused(r"do not exist \(1: val\.txt: images/train/gone\.png\)", load_yolo, images)
    write(images / "val.txt", f"{'a' * 300}.png\n")
    refused(r"do not exist \(1: val\.txt: aaa", load_yolo, images)
    write(images / "val.txt", "images/train/a.png\n")
    refused(r"images/train/a\.png is in train and in val", load_yolo, images)


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ("train: train.txt\nval: val.txt", "2: train: train.txt, val: val.txt"),
        ("train: images\nval: splits/val.txt", "1: val: splits/val.txt"),
        ("train: images/a\nval: images/b", "2: train: images/a, val: images/b"),
        ("train: [images]\nval: [images/b]", "1: val: images/b"),
        ("train: images\ntest: images/c", "1: test: images/c"),
        ("train: images\nval: data.yaml", "1: val: data.yaml"),
        ("train: images\nval: 7", "1: val: 7"),
    ],
)
def test_entries_that_lead_nowhere_are_named(tree: Tree, entries: str, named: str) -> None:
    root = tree("images/a.png", "images/b.png")
    write(root / "labels/a.txt", BOX)
    write(root / "labels/b.txt", "")
    write(root / "data.yaml", f"names: [tb]\n{entries}\n")
    refused(rf"data\.yaml that lead nowhere \({re.escape(named)}\)", load_yolo, root)


def test_a_folder_that_is_not_there_does_no_harm_where_its_split_is_found(
    images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = split_names(images)
    entries = "train: ../data/training\nval: ../data/valid\ntest: ../data/test\n"
    write(images / "data.yaml", f"names: [tb, latent_tb]\n{entries}")
    assert split_names(images) == expected
    assert "lead nowhere (3: train: ../data/training, val: ../data/valid, test: ../data/test)" in caplog.text


def test_a_split_below_a_class_is_not_merged_into_train(tree: Tree) -> None:
    root = tree("images/tb/train/a.png", "images/tb/val/b.png")
    write(root / "labels/tb/train/a.txt", BOX)
    write(root / "data.yaml", "names: [tb]")
    refused(r"images/tb/val in train", load_yolo, root)


def test_images_outside_of_the_splits_are_named(images: Path) -> None:
    noise_png(images / "images/d.png", seed=9)
    write(images / "labels/d.txt", BOX)
    refused(r"in no split \(1: images\)", load_yolo, images)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_no_harm(images: Path, encoding: str) -> None:
    expected = load_yolo(images)
    for file in ("data.yaml", "labels/train/a.txt", "labels/train/b.txt"):
        path = images / file
        path.write_bytes(path.read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding))
    assert load_yolo(images) == expected
    (images / "data.yaml").unlink()
    (images / "classes.txt").write_bytes("active\nlatent\n".encode(encoding))
    assert load_yolo(images) == expected
