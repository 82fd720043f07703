"""Labels of a folder as boxes in image pixels, and as a table that trains."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.__main__ import main
from monai_tbkd.data.lists.datalist import load_datalist
from monai_tbkd.data.lists.tbx11k import read_json_annotations
from monai_tbkd.data.readers.image_folder import list_images
from monai_tbkd.label.image_ids import image_id, is_safe_id
from monai_tbkd.label.image_sources import FolderSource
from monai_tbkd.label.label_folder import LABELS_FOLDER, LabelFolder
from tests.data.golden_dicom import ramp, write_image

BOX = [10.0, 4.0, 30.0, 20.0]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two PNG images, one of them nested, and a DICOM image that is stored lying on its side; all are labeled."""
    images = tmp_path / "images"
    (images / "ward 3").mkdir(parents=True)
    gray = np.arange(41 * 57, dtype=np.uint32).reshape(41, 57).astype(np.uint8)
    for name in ("a.png", "ward 3/b.png", "unlabeled.png"):
        Image.fromarray(gray).save(images / name)
    write_image(images / "c.dcm", ramp(0, 4095), 12, PatientOrientation=["F", "L"])
    labels = LabelFolder(images / LABELS_FOLDER)
    drawn = tmp_path / "drawn.json"
    drawn.write_text(json.dumps({"boxes": [{"label": "ActiveTuberculosis", "bbox": BOX}]}), encoding="utf-8")
    labels.save("a.png", drawn)
    labels.save("c.dcm", drawn)
    labels.save(image_id("ward 3/b.png"), drawn, tag="original")
    drawn.write_text(json.dumps({"boxes": []}), encoding="utf-8")
    labels.save(image_id("ward 3/b.png"), drawn, info={"image_label": "normal"})
    return images


def test_boxes_in_image_pixels(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["export_labels", str(store), "--output", str(out)]) == 0
    by_name = read_json_annotations(out / "labels.json")  # the project's own reader of TBX11K's files
    assert set(by_name) == {"a.png", "c.dcm", "ward 3/b.png"}
    assert by_name["a.png"].boxes == [BOX]
    assert by_name["a.png"].box_types == ["active"]
    assert by_name["c.dcm"].boxes == [BOX]
    assert by_name["c.dcm"].size == (41, 57)  # as stored
    assert by_name["ward 3/b.png"].boxes == []


def test_the_table_is_a_data_set(store: Path, tmp_path: Path) -> None:
    assert main(["export_labels", str(store), "--output", str(tmp_path / "out")]) == 0
    train = load_datalist([tmp_path / "out" / "manifest.csv"], select=0)["train"]
    items = {Path(str(item["image"])).name: item for item in train}
    assert {name: item["class_name"] for name, item in items.items()} == {
        "a.png": "tb", "b.png": "health", "c.dcm": "tb",
    }  # fmt: skip
    assert items["a.png"]["boxes"] == [BOX]
    # F L: the stored columns run to the feet, so columns are rows of the upright image
    assert items["c.dcm"]["boxes"] == [[BOX[1], BOX[0], BOX[3], BOX[2]]]
    assert items["c.dcm"]["size"] == [57, 41]


def test_a_label_that_cannot_be_read_is_left_out_and_named(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (store / LABELS_FOLDER / "labels" / "final" / "a.png.json").write_text("{")
    (store / "c.dcm").unlink()
    assert main(["export_labels", str(store), "--output", str(tmp_path / "out")]) == 3
    assert "a.png is left out" in caplog.text
    assert "c.dcm is left out" in caplog.text
    assert set(read_json_annotations(tmp_path / "out" / "labels.json")) == {"ward 3/b.png"}


def test_no_labels_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export_labels", str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert "no label" in capsys.readouterr().err


class TestFolderSource:
    def test_images_by_identifier_without_labels(self, store: Path) -> None:
        source = FolderSource(store, store / LABELS_FOLDER, seconds=0)
        assert source.ids() == ["a.png", "c.dcm", "unlabeled.png", image_id("ward 3/b.png")]
        assert source.path(image_id("ward 3/b.png")) == store / "ward 3" / "b.png"
        assert source.path("../images/a.png") is None
        assert source.path("no.png") is None
        (store / "new.png").write_bytes((store / "a.png").read_bytes())
        assert source.path("new.png") == store / "new.png"
        assert "new.png" in source.ids()

    def test_an_image_without_a_suffix_gets_one_for_viewers(self, store: Path) -> None:
        (store / "c.dcm").rename(store / "IM0001")
        assert FolderSource(store, store / LABELS_FOLDER).info("IM0001") == {"name": "IM0001.dcm"}

    def test_an_upload_is_an_image_or_refused(self, store: Path, tmp_path: Path) -> None:
        source = FolderSource(store, store / LABELS_FOLDER)
        upload = tmp_path / "upload"
        upload.write_bytes((store / "c.dcm").read_bytes())
        assert source.add("new", upload) == "new.dcm"
        with pytest.raises(ValueError, match="never replaced"):
            source.add("new", upload)
        upload.write_text("import os")
        for name in ("x", "x.py", "../x"):
            with pytest.raises(ValueError, match="not a PNG"):
                source.add(name, upload)
        assert {each["name"] for each in list_images(store, leave_out=store / LABELS_FOLDER)} == {
            "a.png", "c.dcm", "new.dcm", "unlabeled.png", "ward 3/b.png",
        }  # fmt: skip

    def test_an_empty_folder_has_no_images(self, tmp_path: Path) -> None:
        assert FolderSource(tmp_path / "new", tmp_path / "new" / LABELS_FOLDER).ids() == []


class TestLabelFolder:
    def test_a_label_of_another_kind_replaces_the_first(self, store: Path, tmp_path: Path) -> None:
        labels = LabelFolder(store / LABELS_FOLDER)
        Image.fromarray(np.zeros((41, 57), dtype=np.uint8)).save(tmp_path / "mask.png")
        labels.save("a.png", tmp_path / "mask.png")
        path = labels.path("a.png")
        assert path is not None
        assert path.name == "a.png.png"
        assert labels.tags() == {"final": 3, "original": 1}
        labels.remove("a.png", "final")
        assert labels.path("a.png") is None
        assert labels.info("a.png") == {}

    @pytest.mark.parametrize(("image", "tag"), [("../a", "final"), ("a.png", "../x"), ("a.png", ""), ("", "final")])
    def test_nothing_is_written_elsewhere(self, image: str, tag: str, store: Path, tmp_path: Path) -> None:
        before = set(tmp_path.rglob("*"))
        labels = LabelFolder(store / LABELS_FOLDER)
        with pytest.raises(ValueError, match="letters, digits"):
            labels.save(image, tmp_path / "drawn.json", tag)
        with pytest.raises(ValueError, match=r"letters, digits|has no label"):
            labels.update_info(image, tag, {"x": 1})
        assert labels.path(image, tag) is None
        assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    ["a.png", "ward 3/a.png", "../x", "a/../b.png", "x..y.png", "é.png", "IM1", "d/IM1", ".b.png", "w/.png", "a.",
     "a" * 300 + ".png", "q/x.nii.gz", "-rf", "日本/胸.dcm", "a\nb.png"],
)  # fmt: skip
def test_every_name_has_a_safe_identifier_of_its_own(name: str) -> None:
    identifier = image_id(name)
    assert is_safe_id(identifier)
    assert image_id(name) == identifier
    assert image_id(name + "x") != identifier
    assert image_id("x/" + name) != identifier
