from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_tbkd.data import load_da_db, load_datalist, load_nlm
from monai_tbkd.data.lists.datalist import find_layout
from tests.data.conftest import refused

Tree = Callable[..., Path]
SHENZHEN = ("ChinaSet_AllFiles/CXR_png/CHNCXR_0001_0.png", "ChinaSet_AllFiles/CXR_png/CHNCXR_0327_1.png")
MONTGOMERY = ("MontgomerySet/CXR_png/MCUCXR_0001_0.png", "MontgomerySet/CXR_png/MCUCXR_0162_1.png")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_nlm_as_downloaded(tree: Tree) -> None:
    masks = [f"MontgomerySet/ManualMask/{side}Mask/MCUCXR_0001_0.png" for side in ("left", "right")]
    yang = "ChinaSet_AllFiles/Annotations/masks/CHNCXR_0327_1_Cavity_1.png"
    root = tree(*SHENZHEN, *MONTGOMERY, "MontgomerySet/CXR_png/MCUCXR_0166_1.png", *masks, yang)
    write(root / "ChinaSet_AllFiles/ClinicalReadings/CHNCXR_0001_0.txt", "female24yrs\n\nnormal\n")
    write(root / "MontgomerySet/ClinicalReadings/MCUCXR_0001_0.txt", "Patient's Sex: M\nPatient's Age: 027Y\nnormal \n")
    write(root / "MontgomerySet/ClinicalReadings/MCUCXR_0166_1.txt", "Sex: F\n18 months\nTB (same pt as MCUCXR_0162_1)")
    assert find_layout(root) == "nlm"
    items = {Path(item["name"]).stem: item for item in load_nlm(root)}
    assert {stem: (item["source"], item["class_name"]) for stem, item in items.items()} == {
        "CHNCXR_0001_0": ("shenzhen", "health"),
        "CHNCXR_0327_1": ("shenzhen", "tb"),
        "MCUCXR_0001_0": ("montgomery", "health"),
        "MCUCXR_0162_1": ("montgomery", "tb"),
        "MCUCXR_0166_1": ("montgomery", "tb"),
    }
    facts = [{k: item.get(k) for k in ("age", "sex", "finding")} for item in items.values()]
    assert facts[0] == {"age": 24.0, "sex": "F", "finding": "normal"}
    assert facts[1] == {"age": None, "sex": None, "finding": None}
    assert facts[2] == {"age": 27.0, "sex": "M", "finding": "normal"}
    assert (facts[4]["age"], facts[4]["sex"]) == (1.5, "F")
    assert items["MCUCXR_0166_1"]["patient_id"] == items["MCUCXR_0162_1"]["patient_id"] == "MCUCXR_0162_1"
    assert items["MCUCXR_0001_0"]["patient_id"] != items["CHNCXR_0001_0"]["patient_id"]
    assert items["MCUCXR_0001_0"]["lung_masks"] == [str(root / mask) for mask in masks]
    assert all("lung_masks" not in item for stem, item in items.items() if stem != "MCUCXR_0001_0")
    assert items["CHNCXR_0327_1"]["boxes"] is None
    assert len(load_nlm(root / "ChinaSet_AllFiles/CXR_png")) == 2


def test_findings_of_a_table_of_metadata(tree: Tree) -> None:
    root = tree("images/MCUCXR_0001_0.png")
    write(root / "montgomery_metadata.csv", "study_id,age,gender,findings\nMCUCXR_0001_0.png,27,M,normal\n")
    assert {k: load_nlm(root)[0][k] for k in ("age", "sex", "finding")} == {
        "age": 27.0,
        "sex": "M",
        "finding": "normal",
    }


def test_outlines_are_in_pixels_of_the_image(tree: Tree) -> None:
    root = tree(*SHENZHEN)
    shape = {"name": "polygon", "all_points_x": [1, 9, 5], "all_points_y": [2, 2, 8]}
    region = {"shape_attributes": shape, "region_attributes": {"Cavity": "good"}}
    images = {"CHNCXR_0327_1.png123": {"filename": "CHNCXR_0327_1.png", "size": 123, "regions": [region]}}
    folder = root / "ChinaSet_AllFiles/Annotations/Annotations_json"
    write(folder / "Annotations_AllinOne_json.json", json.dumps(images))
    write(folder / "SeparateFiles/CHNCXR_0327_1.json", "not read")
    write(root / "ChinaSet_AllFiles/Annotations-2/Annotations_json/Annotations_AllinOne_json.json", "not read")
    healthy, sick = load_nlm(root)
    assert sick["polygons"] == [[[1, 2], [9, 2], [5, 8]]]
    assert (sick["boxes"], sick["box_types"]) == ([[1, 2, 9, 8]], ["Cavity"])
    assert healthy["boxes"] == [] and "polygons" not in healthy


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("ChinaSet_AllFiles/CXR_png/other.png", r"not called like CHNCXR_0001_0.png or MCUCXR_0001_0.png \(1: China"),
        ("copy/CHNCXR_0001_0.png", r"there twice \(1: CHNCXR_0001_0\)"),
    ],
)
def test_images_that_cannot_be_told_are_named(tree: Tree, more: str, message: str) -> None:
    refused(message, load_nlm, tree(*SHENZHEN, more))


def test_da_as_released_and_db(tree: Tree) -> None:
    root = tree("DatasetA/Training/px1.jpg", "DatasetA/Testing/nx1.jpg", "DatasetB/Testing/p1.png", "da_train_nx3.png")
    assert find_layout(root) == "da_db"
    found = {item["name"]: (item["source"], item["class_name"], item["split"]) for item in load_da_db(root)}
    assert found == {
        "DatasetA/Training/px1.jpg": ("da", "tb", "train"),
        "DatasetA/Testing/nx1.jpg": ("da", "health", "test"),
        "DatasetB/Testing/p1.png": ("db", "tb", "test"),
        "da_train_nx3.png": ("da", "health", "train"),
    }


def test_folders_of_classes_go_before_names(tree: Tree) -> None:
    assert find_layout(tree("tb/p1.png", "normal/n1.png")) == "class_folders"


def test_real_hospitals(real_data: Path) -> None:
    shenzhen, da = real_data / "shenzhen", real_data / "da"
    splits = load_datalist(shenzhen, 1, test_dir=da)
    assert {name: len(part) for name, part in splits.items()} == {"train": 394, "select": 69, "test": 156}
    assert Counter(item["source"] for item in splits["test"]) == {"da": 156}
    items = [item for part in splits.values() for item in part if item["source"] == "shenzhen"]
    assert sum("polygons" in item for item in items) == 231
    assert sum(item["boxes"] is None for item in items) == 4
    assert max(max(max(point) for point in shape) for item in items for shape in item.get("polygons", ())) < 512
    by_name = load_da_db(da)
    assert Counter((item["split"], item["class_name"]) for item in by_name) == {
        ("train", "tb"): 52, ("train", "health"): 52, ("test", "tb"): 26, ("test", "health"): 26,
    }  # fmt: skip
    assert Counter(item["class_name"] for item in load_nlm(shenzhen)) == {"tb": 235, "health": 228}
