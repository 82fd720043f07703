"""What benchmarks/fuzz.py has found, each as a file that made a parser fail with an error that was not its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.data import CXRReader, load_datalist
from monai_tbkd.data.lists.kaggle_csv import load_kaggle_csv
from monai_tbkd.data.lists.manifest import load_manifest
from monai_tbkd.data.lists.saved_boxes import read_saved_boxes
from monai_tbkd.data.lists.saved_maps import read_map
from monai_tbkd.data.lists.tbx11k import read_json_annotations, read_xml_annotation
from monai_tbkd.data.readers import decode_image
from monai_tbkd.data.readers.reason_codes import ReasonCode
from monai_tbkd.engines import load_operating_point
from monai_tbkd.label.cvat_labels import read_cvat_xml
from monai_tbkd.label.image_label import four_numbers
from monai_tbkd.metrics.calibrated_threshold import load_threshold
from monai_tbkd.networks.checkpoint import file_sha256
from monai_tbkd.packaging.file_hashes import differences
from monai_tbkd.transforms import MapToBoxes, ResizeImage
from tests.data.conftest import refused
from tests.data.images_by_hand import refusal


@pytest.mark.bundle  # ITK takes seconds to load
def test_an_nrrd_header_that_ended_the_process(tmp_path: Path) -> None:
    path = tmp_path / "image.nrrd"
    path.write_bytes(b"NRRD0004\ntype: MPSVY\\_behk7:=@CFILORUX[^adgjmp\xfe\x07\x93\x7f\x98" + bytes(range(64)) * 8)
    assert refusal(path) is ReasonCode.CORRUPT


@pytest.mark.parametrize("name", [None, [], {}, 1])
def test_a_coco_category_without_a_word(tmp_path: Path, name: Any) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"categories": [{"id": 1, "name": name}], "images": []}))
    refused(r"a\.json", read_json_annotations, path)


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"categories": [], "images": [{"id": 1, "file_name": "a", "height": 1' + "0" * 400 + "}]}"],
)
def test_coco_too_deep_or_too_large(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    refused(r"a\.json", read_json_annotations, path)


@pytest.mark.parametrize("read", [read_xml_annotation, lambda path: read_cvat_xml(path, ["a.png"])])
def test_xml_in_an_encoding_that_is_none(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(b"<?xml version='1.0' encoding='utn-8'?><annotations/>")
    with pytest.raises(ValueError, match="utn-8"):
        read(path)


@pytest.mark.parametrize(
    "box", ['xtl="1" ytl="2" xbr="9"', 'xtl="" ytl="2" xbr="9" ybr="9"', 'xtl="NaN9" ytl="2" xbr="9" ybr="9"']
)
def test_a_cvat_box_without_numbers(tmp_path: Path, box: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(f'<annotations><image name="a.png"><box label="tuberculosis" {box}/></image></annotations>')
    with pytest.raises(ValueError, match="points of a shape"):
        read_cvat_xml(path, ["a.png"])


def test_a_map_whose_header_is_no_python(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((4, 4), dtype=np.float32))
    path.write_bytes(path.read_bytes().replace(b"(4, 4)", b"((4, 4"))
    with pytest.raises(ValueError, match="cannot be read as a NumPy array"):
        read_map(path)


@pytest.mark.parametrize("value", [[], {}])
def test_ids_of_results_that_are_no_keys(tmp_path: Path, value: Any) -> None:
    results, coco = tmp_path / "r.json", tmp_path / "c.json"
    results.write_text(json.dumps([{"image_id": value, "bbox": [0, 0, 1, 1], "score": 1}]))
    coco.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.png"}]}))
    with pytest.raises(ValueError, match="the id"):
        read_saved_boxes(results, {"a.png": (9, 9)}, coco)
    coco.write_text(json.dumps({"images": [{"id": value, "file_name": "a.png"}]}))
    with pytest.raises(ValueError, match="the id"):
        read_saved_boxes(results, {"a.png": (9, 9)}, coco)


def test_a_threshold_beyond_all_floats(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"threshold_0_100": 1' + "0" * 400 + "}")
    with pytest.raises(ValueError, match="not a threshold"):
        load_threshold(path, "m")


@pytest.mark.parametrize(
    "content", ["{", "[]", "1", '{"model_sha256": "SHA"}', '{"model_sha256": "SHA", "map_threshold": "x"}']
)
def test_an_operating_point_that_is_none(tmp_path: Path, content: str) -> None:
    model, point = tmp_path / "model.pt", tmp_path / "point.json"
    model.write_bytes(b"weights")
    point.write_text(content.replace("SHA", file_sha256(model)))
    with pytest.raises(ValueError, match=r"point\.json.*run evaluate again"):
        load_operating_point(point, model)


@pytest.mark.parametrize("content", [b"a: \xe8", b"a: 2020-99-99", b"[" * 700 + b"]" * 700])
def test_a_config_that_is_no_text_no_date_or_too_deep(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="can't be read as a config"):
        read_config(path)


def test_a_list_of_hashes_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"\x80")
    with pytest.raises(ValueError, match="not text in UTF-8"):
        differences(tmp_path, tmp_path / "list")


ODD = ["x", None, [], {}, float("nan"), float("inf"), 10**400, True]


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize(
    "use",
    [
        lambda v: CXRReader(min_age=v),
        lambda v: CXRReader(min_side=v),
        lambda v: CXRReader(max_pixels=v),
        lambda v: MapToBoxes((8, 8), threshold=v),
        lambda v: MapToBoxes((8, 8), score_threshold=v),
        lambda v: MapToBoxes((8, 8), smallest_area=v),
        lambda v: MapToBoxes((8, 8), largest_number=v),
        lambda v: MapToBoxes((v, 8)),
        lambda v: ResizeImage((v, 8)),
    ],
)
def test_values_of_configs_that_are_no_numbers(use: Callable[[Any], object], value: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        use(value)


@pytest.mark.parametrize("value", [3, 0.5, None, [None], b"x", "a" * 300, "~nobody of this name/images"])
def test_a_data_set_that_is_no_path(value: Any) -> None:
    refused("dataset_dir", load_datalist, value)


@pytest.mark.parametrize("name", [[], {}])
def test_a_coco_image_without_a_name(tmp_path: Path, name: Any) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"categories": [], "images": [{"id": 1, "file_name": name, "height": 1, "width": 1}]}))
    refused(r"a\.json", read_json_annotations, path)


@pytest.mark.parametrize("boxes", ["[" * 100_000, "[[1" + "0" * 400 + ", 1, 2, 2]]"])
def test_boxes_of_a_manifest_too_deep_or_too_large(tmp_path: Path, boxes: str) -> None:
    table = tmp_path / "manifest.csv"
    table.write_text(f'image,label,boxes\na.png,tb,"{boxes}"\n')
    refused("has boxes", load_manifest, table)


def test_an_image_name_longer_than_file_systems_take(tmp_path: Path) -> None:
    table = tmp_path / "data.csv"
    head = "fname,image_height,image_width,source,bbox,target,tb_type,image_type"
    table.write_text(f"{head}\n{'a' * 300},9,9,train,none,no_tb,none,healthy\n")
    refused("names the image", load_kaggle_csv, table)


@pytest.mark.bundle  # ITK takes seconds to load
def test_an_image_of_signed_bytes(tmp_path: Path) -> None:
    stored = np.arange(-128, 128, dtype=np.int8).repeat(16).reshape(64, 64)
    head = "NRRD0004\ntype: int8\ndimension: 2\nsizes: 64 64\nencoding: raw\n\n"
    (tmp_path / "image.img").write_bytes(head.encode() + stored.tobytes())  # told by content
    image = decode_image(tmp_path / "image.img")
    assert sorted(image.pixels.ravel().tolist()) == sorted(stored.ravel().tolist())


@pytest.mark.parametrize("edge", [10**400, -(10**400), float("inf"), True])
def test_a_drawn_box_beyond_all_floats(edge: float) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        four_numbers([0, 0, 10, edge])


def test_names_of_yolo_classes_nested_without_end(tmp_path: Path) -> None:
    for folder in ("images/train", "labels/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("names: " + "[" * 700 + "]" * 700)
    refused("names of classes cannot be read", load_datalist, str(tmp_path), layout="yolo")
