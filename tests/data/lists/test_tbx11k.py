from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_tbkd.data import DatalistError, load_source, load_tbx11k
from tests.data.conftest import refused

Tree = Callable[..., Path]


def write_xml(root: Path, stem: str, *boxes: tuple[int, int, int, int], size: tuple[int, int] = (64, 128)) -> Path:
    """Boxes on an original of `size` (height, width); the images on disk are 32 x 32."""
    objects = "".join(
        "<object><name>ActiveTuberculosis</name><bndbox>"
        f"<xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for a, b, c, d in boxes
    )
    path = root / "annotations" / "xml" / f"{stem}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>"
    path.write_text(f"<annotation>{head}{objects}</annotation>")
    return path


def write_json(root: Path, split: str, names: list[str], boxes: dict[str, list[float]]) -> None:
    path = root / "annotations" / "json" / f"TBX11K_{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": i, "file_name": name, "height": 64, "width": 64} for i, name in enumerate(names)]
    annotations = [
        {"id": i, "image_id": names.index(name) if name in names else 99, "category_id": 2, "bbox": box}
        for i, (name, box) in enumerate(boxes.items())
    ]
    categories = [{"id": 1, "name": "ActiveTuberculosis"}, {"id": 2, "name": "ObsoletePulmonaryTuberculosis"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def write_list(root: Path, split: str, *names: str) -> None:
    path = root / "lists" / f"TBX11K_{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(names) + "\n")


def by_name(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in items}


def test_xml_boxes_are_scaled_from_the_original_to_the_file(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/health/h1.png")
    write_xml(root, "tb1", (8, 8, 64, 32))
    write_list(root, "train", "tb/tb1.png", "health/h1.png")
    items = by_name(load_tbx11k(root))
    # 32 / 128 across and 32 / 64 down.
    assert items["tb/tb1.png"]["boxes"] == [[2.0, 4.0, 16.0, 16.0]]
    assert items["tb/tb1.png"]["box_types"] == ["active"]
    assert items["health/h1.png"]["boxes"] == []
    assert [item["label"] for item in items.values()] == [0, 1]


def test_json_alone_gives_splits_and_boxes(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/sick/s1.png", "imgs/tb/tb2.png")
    write_json(root, "train", ["tb/tb1.png", "sick/s1.png"], {"tb/tb1.png": [10.0, 20.0, 30.0, 40.0]})
    write_json(root, "val", ["tb/tb2.png"], {})
    items = by_name(load_source(root, 3))
    assert items["tb/tb1.png"]["boxes"] == [[5.0, 10.0, 20.0, 30.0]]
    assert items["tb/tb1.png"]["box_types"] == ["latent"]
    assert items["tb/tb2.png"]["split"] == "val"
    assert items["tb/tb2.png"]["boxes"] is None
    assert items["sick/s1.png"]["label"] == 1


def test_json_fills_in_what_xml_lacks(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/tb/tb2.png")
    write_xml(root, "tb1", (8, 8, 64, 32))
    write_xml(root, "tb2")
    boxes = {name: [0.0, 0.0, 2.0, 2.0] for name in ("tb/tb1.png", "tb/tb2.png")}
    write_json(root, "train", ["tb/tb1.png", "tb/tb2.png"], boxes)
    items = by_name(load_tbx11k(root))
    assert items["tb/tb1.png"]["boxes"] == [[2.0, 4.0, 16.0, 16.0]]
    assert items["tb/tb2.png"]["boxes"] == [[0.0, 0.0, 1.0, 1.0]]


def test_an_empty_xml_is_a_missing_annotation_and_lists_rule(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/tb/tb2.png", "imgs/test/x.png", "imgs/extra/y.png")
    write_xml(root, "tb1")
    write_list(root, "train", "tb/tb1.png")
    assert [(item["name"], item["boxes"]) for item in load_tbx11k(root)] == [("tb/tb1.png", None)]


def test_without_lists_and_json_all_images_are_train_in_natural_order(tree: Tree) -> None:
    root = tree("imgs/tb/tb10.png", "imgs/tb/tb2.png", "imgs/test/x.png")
    assert [(item["name"], item["split"]) for item in load_tbx11k(root)] == [
        ("tb/tb2.png", "train"),
        ("tb/tb10.png", "train"),
    ]


@pytest.mark.parametrize(
    "bomb",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation>&x;</annotation>',
        '<!doctype a [<!entity x "y">]><annotation/>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_parsing(tree: Tree, bomb: str, encoding: str) -> None:
    root = tree("imgs/tb/tb1.png")
    write_xml(root, "tb1").write_bytes(bomb.encode(encoding))
    refused(r"tb1\.xml: not an annotation .*a document type or entity declaration", load_tbx11k, root)


@pytest.mark.parametrize("text", ["<annotation>", "<annotation/>", "not xml"])
def test_damaged_xml_is_named(tree: Tree, text: str) -> None:
    root = tree("imgs/tb/tb1.png")
    write_xml(root, "tb1").write_text(text)
    refused(r"tb1\.xml: not an annotation", load_tbx11k, root)


def test_annotations_without_an_image_are_counted_and_named(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png")
    for number in range(2, 7):
        write_xml(root, f"tb{number}", (0, 0, 9, 9))
    refused(r"5: tb/tb2\.png, tb/tb3\.png, tb/tb4\.png, \.\.\.", load_tbx11k, root)


def test_a_json_annotation_of_an_unlisted_image_is_an_error(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png")
    write_json(root, "train", ["tb/tb1.png"], {"tb/other.png": [0, 0, 1, 1]})
    refused(r"TBX11K_train\.json.*image 99", load_tbx11k, root)


def test_results_beside_the_class_folders_are_no_class(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/results/overlays/tb1.png")
    (root / "imgs" / "results" / "predictions.csv").touch()
    assert [item["name"] for item in load_tbx11k(root)] == ["tb/tb1.png"]


def test_lists_and_annotations_are_read_where_results_lie_beside_them(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/tb/tb2.png", "imgs/health/h1.png")
    write_xml(root, "tb1", (8, 8, 64, 32))
    write_list(root, "train", "tb/tb1.png", "health/h1.png")
    write_list(root, "val", "tb/tb2.png")
    expected = load_tbx11k(root)
    for folder in ("annotations", "annotations/xml", "lists"):
        (root / folder / "metrics.json").touch()
    assert load_tbx11k(root) == expected


def test_unknown_folders_and_names_are_refused(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/cats/c.png")
    refused(r"1: cats\); expected health, sick, tb", load_tbx11k, root)
    (root / "imgs" / "cats" / "c.png").unlink()
    (root / "imgs" / "cats").rmdir()
    write_list(root, "train", "tb/tb1.png", "../secret.png")
    refused(r"1: \.\./secret\.png", load_tbx11k, root)


def test_the_real_train_images(real_data: Path) -> None:
    items = load_tbx11k(real_data / "TBX11K")
    assert len(items) == 600
    assert sum(len(item["boxes"] or []) for item in items) == 902
    assert [item["name"] for item in items if item["boxes"] is None] == ["tb/tb1199.png"]
    # The release counts tb1199, which has no box to tell its type by, as latent: 104.
    kinds = Counter(tuple(sorted(set(item["box_types"]))) for item in items)
    assert kinds == {("active",): 473, ("latent",): 103, ("active", "latent"): 23, (): 1}
    first = by_name(items)["tb/tb0005.png"]
    assert first["boxes"][0] == pytest.approx(
        [1313 * 512 / 1756, 505 * 512 / 2022, 1451 * 512 / 1756, 681 * 512 / 2022]
    )


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".dcm", ""])
def test_images_of_another_format_keep_their_annotations(tree: Tree, suffix: str) -> None:
    root = tree(f"imgs/tb/tb1{suffix}", f"imgs/health/h1{suffix}", f"imgs/tb/1.2.3{suffix}")
    write_xml(root, "tb1", (8, 8, 64, 32)).rename(root / "annotations" / "xml" / "tb1.XML")
    write_xml(root, "1.2.3", (8, 8, 64, 32))
    for listed in (".png", suffix):
        write_list(root, "train", f"tb/tb1{listed}", f"health/h1{listed}", f"tb/1.2.3{listed}")
        items = by_name(load_tbx11k(root))
        assert items[f"tb/tb1{suffix}"]["boxes"] == items[f"tb/1.2.3{suffix}"]["boxes"] == [[2.0, 4.0, 16.0, 16.0]]
        assert items[f"health/h1{suffix}"]["size"] == [32, 32]
    (root / "lists" / "TBX11K_train.txt").unlink()
    write_json(root, "train", ["tb/tb1.png", "tb/1.2.3.png"], {"tb/1.2.3.png": [10.0, 20.0, 30.0, 40.0]})
    (root / "annotations" / "xml" / "1.2.3.xml").unlink()
    assert by_name(load_tbx11k(root))[f"tb/1.2.3{suffix}"]["boxes"] == [[5.0, 10.0, 20.0, 30.0]]


def test_two_images_of_one_name_are_named(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.jpg", "imgs/tb/tb1.dcm")
    write_xml(root, "tb1", (8, 8, 64, 32))
    refused(r"one name \(1: tb1\.xml is of tb/tb1\.dcm and tb/tb1\.jpg\)", load_tbx11k, root)
    (root / "annotations" / "xml" / "tb1.xml").unlink()
    write_list(root, "train", "tb/tb1.png")
    refused(r"one name \(1: tb/tb1\.png is tb/tb1\.dcm and tb/tb1\.jpg\)", load_tbx11k, root)
    write_list(root, "train", "tb/tb1.jpg")
    assert [item["name"] for item in load_tbx11k(root)] == ["tb/tb1.jpg"]


def test_lists_and_json_of_other_names_are_no_silent_train_split(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/health/h1.png")
    write_list(root, "dev", "tb/tb1.png")
    refused(r"lists: neither TBX11K_train\.txt .*\(found 1: TBX11K_dev\.txt\)", load_tbx11k, root)
    (root / "lists" / "TBX11K_dev.txt").unlink()
    write_json(root, "holdout", ["tb/tb1.png"], {})
    refused(r"json: neither .*TBX11K_holdout\.json", load_tbx11k, root)
    write_list(root, "train", "tb/tb1.png")
    assert len(load_tbx11k(root)) == 1, "the lists have the splits"


def test_folders_within_a_class_are_named(tree: Tree) -> None:
    with pytest.raises(DatalistError, match=r"within a class \(2: imgs/tb/train, imgs/tb/val\)"):
        load_tbx11k(tree("imgs/tb/train/tb1.png", "imgs/tb/val/tb2.png", "imgs/health/h1.png"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_no_harm(tree: Tree, encoding: str) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/health/h1.png")
    write_xml(root, "tb1", (8, 8, 64, 32))
    write_json(root, "train", ["tb/tb1.png", "health/h1.png"], {"tb/tb1.png": [10.0, 20.0, 30.0, 40.0]})
    write_list(root, "train", "tb/tb1.png", "health/h1.png")
    expected = load_tbx11k(root)
    for path in [path for path in root.rglob("*") if path.suffix in (".xml", ".json", ".txt")]:
        path.write_bytes(path.read_text(encoding="utf-8").replace("\n", " \r\n").encode(encoding))
    assert load_tbx11k(root) == expected
    (root / "annotations" / "xml" / "tb1.xml").unlink()
    assert by_name(load_tbx11k(root))["tb/tb1.png"]["boxes"] == [[5.0, 10.0, 20.0, 30.0]]


def test_boxes_of_tuberculosis_on_a_healthy_image_are_named(tree: Tree) -> None:
    root = tree("imgs/health/h1.png", "imgs/tb/tb1.png")
    write_json(root, "train", ["health/h1.png", "tb/tb1.png"], {"health/h1.png": [10.0, 20.0, 30.0, 40.0]})
    refused(r"not in imgs/tb \(1: health/h1\.png\)", load_tbx11k, root)


@pytest.mark.parametrize(
    "position",
    [
        "lists/val.txt", "lists/TBX11K_valid.txt", "lists/TBX11K_val", "lists/TBX11K_val.csv", "lists/dev.txt",
        "val_list.txt",
    ],
)  # fmt: skip
def test_a_list_that_is_not_read_beside_that_of_the_other_split_is_named(tree: Tree, position: str) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/health/h1.png")
    write_list(root, "train", "tb/tb1.png")
    for name in ("TBX11K_test.txt", "notes.txt", "TBX11K_train.csv"):
        (root / "lists" / name).write_text("health/h1.png\n")
    assert len(load_tbx11k(root)) == 1
    (root / position).write_text("health/h1.png\n")
    refused(rf"lists of splits that are not read \(1: {position}\)", load_tbx11k, root)
    write_list(root, "val", "health/h1.png")
    assert len(load_tbx11k(root)) == 2, "both are there, the rest does not count"


@pytest.mark.parametrize("position", ["TBX11K_train.txt", "train.txt", "splits/val.txt", "annotations/TBX11K_val.json"])
def test_lists_at_another_place_are_named(tree: Tree, position: str) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/health/h1.png")
    (root / position).parent.mkdir(exist_ok=True)
    (root / position).write_text("tb/tb1.png\n")
    refused(rf"lists of splits that are not read \(1: {position}\)", load_tbx11k, root)


def test_case_of_lists_and_annotations_does_not_count(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/health/h1.png")
    write_xml(root, "tb1", (8, 8, 64, 32))
    write_list(root, "train", "tb/tb1.png")
    write_list(root, "val", "health/h1.png")
    expected = load_tbx11k(root)
    (root / "annotations/xml").rename(root / "annotations/XML")
    (root / "annotations").rename(root / "Annotations")
    (root / "lists/TBX11K_val.txt").rename(root / "lists/TBX11K_Val.TXT")
    (root / "lists").rename(root / "Lists")
    assert load_tbx11k(root) == expected
    assert expected[0]["boxes"]
    (root / "Annotations").rename(root.parent / "elsewhere")
    (root / "annotations").symlink_to(root.parent / "elsewhere")
    assert load_tbx11k(root) == expected, "through a link"


@pytest.mark.parametrize("position", ["annotations", "annotation/xml", "annotations/xml/train", "imgs/tb", "xml"])
def test_boxes_at_another_place_are_named(tree: Tree, position: str) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/tb/tb2.png")
    (root / position).mkdir(parents=True, exist_ok=True)
    write_xml(root, "tb1", (8, 8, 64, 32))
    write_xml(root, "tb2", (8, 8, 64, 32))
    (root / position / "tb1.xml").write_text((root / "annotations/xml/tb1.xml").read_text())
    assert len(load_tbx11k(root)) == 2, "a copy does no harm"
    (root / "annotations/xml/tb1.xml").unlink()
    refused(rf"annotations that are not read, .* \(1: {position}/tb1\.xml\)", load_tbx11k, root)


def test_json_of_another_name_beside_lists_is_named(tree: Tree) -> None:
    root = tree("imgs/tb/tb1.png", "imgs/tb/tb2.png")
    write_list(root, "train", "tb/tb1.png")
    write_json(root, "train", ["tb/tb1.png"], {"tb/tb1.png": [10.0, 20.0, 30.0, 40.0]})
    assert load_tbx11k(root)[0]["boxes"]
    (root / "annotations/json/TBX11K_train.json").rename(root / "annotations/TBX11K_train.json")
    refused(r"annotations that are not read, .* \(1: annotations/TBX11K_train\.json\)", load_tbx11k, root)
