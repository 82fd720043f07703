from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_tbkd.data import Correction, DatalistError, load_manifest, load_source, write_corrections
from tests.data.conftest import refused
from tests.data.images_by_hand import noise_png

Tree = Callable[..., Path]


def table(root: Path, *lines: str) -> Path:
    path = root / "manifest.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_all_columns(tree: Tree, tmp_path: Path) -> None:
    root = tree("a.png", "deep/b.png", "c.png")
    far = noise_png(tmp_path / "far" / "d.png")
    path = table(
        root,
        "image,label,split,boxes,patient_id",
        'a.png,tb,train,"[[1, 2, 3.5, 4]]",7',
        "deep/b.png,No Finding,val,,8",
        "c.png,tuberculosis,,[],",
        f"{far},pneumonia,test,,",
    )
    first, second, third, fourth = load_source(path, 3)
    assert (first["name"], first["label"], first["split"]) == ("a.png", 2, "train")
    assert (first["boxes"], first["box_types"], first["patient_id"]) == ([[1, 2, 3.5, 4]], ["unspecified"], "7")
    assert (second["name"], second["label"], second["split"], second["boxes"]) == ("deep/b.png", 0, "val", [])
    assert (third["split"], third["boxes"], "patient_id" in third) == ("train", None, False)
    assert (fourth["image"], fourth["name"], fourth["label"]) == (str(far), "d.png", 1)


def test_a_byte_order_mark_and_unknown_columns_do_no_harm(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    root = tree("a.png")
    path = table(root, "\ufeffimage,label,view", "a.png,tb,PA")
    with caplog.at_level(logging.DEBUG, "monai_tbkd"):
        assert len(load_manifest(path)) == 1
    assert "columns ignored: view" in caplog.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../outside.png,tb,,", r"row 2 leads out of the table's folder \(\.\./outside\.png"),
        ("a.png,cat,,", r"row 2 has the label 'cat' \(expected one of health"),
        ("a.png,tb,dev,", r"row 2 has the split 'dev'"),
        ('a.png,tb,,"[[1, 2]]"', r"row 2 has boxes .*four finite numbers"),
        ("a.png,tb,,nonsense", r"row 2 has boxes 'nonsense'"),
        ("a.png,tb,,7", r"row 2 has boxes '7'"),
        (",tb,,", r"row 2 names no image"),
    ],
)
def test_rows_that_cannot_be_understood_are_numbered(tree: Tree, row: str, message: str) -> None:
    refused(message, load_manifest, table(tree("a.png"), "image,label,split,boxes", row))


def test_missing_columns_and_tables_are_named(tree: Tree, tmp_path: Path) -> None:
    refused(r"no column label \(found file, image\)", load_manifest, table(tree("a.png"), "image,file", "a.png,b"))
    refused(r"none\.csv: cannot be read", load_manifest, tmp_path / "none.csv")


def test_boxes_on_images_without_tb_are_dropped_and_said(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    path = table(tree("a.png"), "image,label,boxes", 'a.png,pneumonia,"[[1, 2, 3, 4]]"')
    assert load_manifest(path)[0]["boxes"] == []
    assert "without TB are ignored (1: a.png)" in caplog.text


def test_the_real_table(real_data: Path) -> None:
    items = load_source(real_data / "nih" / "manifest.csv", 3)
    assert Counter(item["label"] for item in items) == {0: 260, 1: 140}
    assert all(item["size"] == [512, 512] and item["boxes"] == [] and item["patient_id"] for item in items)


def test_a_folder_of_a_longer_name_is_outside_too(tmp_path: Path) -> None:
    noise_png(tmp_path / "set_secret" / "a.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "manifest.csv").write_text("image,label\n../set_secret/a.png,tb\n")
    refused("leads out of the table's folder", load_manifest, tmp_path / "set" / "manifest.csv")


def test_names_of_columns_as_in_a_spreadsheet(tree: Tree) -> None:
    path = table(tree("a.png"), "Image ,LABEL, Split,Patient ID", "a.png,tb,val,7")
    (item,) = load_manifest(path)
    assert (item["split"], item["patient_id"]) == ("val", "7")


@pytest.mark.parametrize(("name", "words"), [("subset", ("train", "val")), ("Set", ("train2017", "dev"))])
def test_splits_under_another_name_are_not_ignored(tree: Tree, name: str, words: tuple[str, str]) -> None:
    lines = (f"image,label,{name},view", f"a.png,tb,{words[0]},PA", f"b.png,health,{words[1]},AP")
    with pytest.raises(DatalistError, match=rf"the column {name.lower()} holds splits \(2: .*name it split"):
        load_manifest(table(tree("a.png", "b.png"), *lines))
    lines = (f"image,label,{name},split", f"a.png,tb,{words[0]},train", f"b.png,health,{words[1]},val")
    assert [item["split"] for item in load_manifest(table(tree("a.png", "b.png"), *lines))] == ["train", "val"]


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("label,set", ("train_set", "test_set", "")),
        ("label,Dataset", ("Training set", "Test set", "NA")),
        ("label,partition", ("trn", "vld", "nan")),
        ("label,subset", ("train", "n/a", "None")),
        ("label,split,subset", (",train", ",val", ",")),  # split is blank
    ],
)
def test_splits_with_blanks_or_other_words_are_not_ignored(
    tree: Tree, columns: str, cells: tuple[str, str, str]
) -> None:
    lines = [f"{name}.png,tb,{cell}" for name, cell in zip("abc", cells, strict=True)]
    with pytest.raises(DatalistError, match=rf"the column {columns.rpartition(',')[2].lower()} holds splits \(\d: "):
        load_manifest(table(tree("a.png", "b.png", "c.png"), f"image,{columns}", *lines))


def test_words_of_splits_with_set(tree: Tree) -> None:
    path = table(tree("a.png", "b.png"), "image,label,split", "a.png,tb,Training set", "b.png,health,val_set")
    assert [item["split"] for item in load_manifest(path)] == ["train", "val"]


@pytest.mark.parametrize(
    "columns", ["label,split,split", "label,Label,split", "LABEL,split,Label ", "label,Image,split"]
)
def test_a_column_that_is_there_twice_is_named(tree: Tree, columns: str) -> None:
    with pytest.raises(DatalistError, match=r"several columns of one name \(2: "):
        load_manifest(table(tree("a.png"), f"image,{columns}", "a.png,tb,health,val"))
    assert len(load_manifest(table(tree("a.png"), "image,label,note,note", "a.png,tb,1,2"))) == 1


@pytest.mark.parametrize("name", ["bbox", "Bounding Boxes", "x_min"])
def test_boxes_under_another_name_are_not_ignored(tree: Tree, name: str) -> None:
    assert len(load_manifest(table(tree("a.png"), f"image,label,{name}", "a.png,tb,none"))) == 1
    path = table(tree("a.png"), f"image,label,{name}", 'a.png,tb,"[[1, 2, 3, 4]]"')
    refused(rf"the column {name.lower().replace(' ', '_')} seems to hold boxes", load_manifest, path)
    path.write_text(f'image,label,{name},boxes\na.png,tb,7,"[[1, 2, 3, 4]]"\n')
    assert load_manifest(path)[0]["boxes"] == [[1, 2, 3, 4]]


@pytest.mark.parametrize("name", ["patient", "PatientID", "subject_id"])
def test_patients_under_another_name(tree: Tree, name: str) -> None:
    assert load_manifest(table(tree("a.png"), f"image,label,{name}", "a.png,tb,7"))[0]["patient_id"] == "7"
    path = table(tree("a.png"), f"image,label,patient_id,{name}", "a.png,tb,8,7")
    assert load_manifest(path)[0]["patient_id"] == "8"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_tables_of_windows_are_read_or_named(tree: Tree, encoding: str) -> None:
    path = table(tree("a.png"))
    path.write_bytes('image,label,note\r\na.png,tb,"ä\r\nb"\r\n'.encode(encoding))
    if encoding in ("utf-8-sig", "utf-16"):
        assert len(load_manifest(path)) == 1
    else:
        refused(r"manifest\.csv: cannot be read .*save the file as UTF-8", load_manifest, path)


def test_outlines_beside_the_table_and_the_hospital(tree: Tree) -> None:
    root = tree("a.png", "b.png", "c.png")
    (root / "lesions.json").write_text(
        '{"a.png": {"regions": [{"label": "Cavity", "points": [[2, 3], [9, 3], [2, 8]]}]}, "c.png": {"regions": []}}'
    )
    path = table(root, "image,label,boxes,source", "a.png,tb,,Here", "b.png,normal,,Here", 'c.png,tb,"[[1, 2, 3, 4]]",')
    a, b, c = load_manifest(path)
    assert (a["polygons"], a["boxes"], a["box_types"]) == ([[[2, 3], [9, 3], [2, 8]]], [[2, 3, 9, 8]], ["Cavity"])
    assert (c["boxes"], "polygons" in c) == ([[1, 2, 3, 4]], False)
    assert (a["source"], b["source"], "source" in c) == ("Here", "Here", False)


def test_what_was_said_of_images_comes_back(tmp_path: Path) -> None:
    box = (1.0, 2.0, 3.5, 8.0)
    said = [
        Correction(str(noise_png(tmp_path / "a" / "x.png")), True, (box,)),
        Correction(str(noise_png(tmp_path / "b" / "x.png")), False),
        Correction(str(noise_png(tmp_path / "b" / "y.png")), True),
    ]
    items = load_source(write_corrections(tmp_path / "work" / "manifest.csv", said), num_classes=1)
    assert [(Path(item["image"]).parent.name, item["label"], item["boxes"]) for item in items] == [
        ("a", 1, [list(box)]),
        ("b", 0, []),
        ("b", 1, None),  # TB that nobody has boxed is not "no boxes"
    ]
    assert len({item["name"] for item in items}) == 3


def test_boxes_without_tb_are_refused() -> None:
    with pytest.raises(ValueError, match="without TB"):
        Correction("a.png", False, ((0, 0, 1, 1),))


def test_no_label_yet(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="save labels first"):
        write_corrections(tmp_path / "manifest.csv", [])
