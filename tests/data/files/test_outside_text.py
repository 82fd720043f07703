from __future__ import annotations

import json
from pathlib import Path

import pytest

import monai_tbkd
from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.data import unlabeled_images
from monai_tbkd.data.files.outside_text import csv_columns, decode_text, read_csv, read_text, read_xml
from monai_tbkd.engines import load_operating_point
from monai_tbkd.label.cvat_labels import read_cvat_xml
from monai_tbkd.metrics.calibrated_threshold import INPUT_KINDS, SCHEMA_VERSION, load_threshold
from monai_tbkd.networks.checkpoint import file_sha256, read_record
from monai_tbkd.packaging.file_hashes import differences


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_of_every_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("ä\r\nb".encode(encoding))
    assert read_text(path) == "ä\r\nb"
    path.write_bytes(" image,label\r\nä,tb\r\nb\r\n".encode(encoding))
    assert read_csv(path) == (["image", "label"], [{"image": "ä", "label": "tb"}, {"image": "b", "label": ""}])
    assert csv_columns(path) == ["image", "label"]


@pytest.mark.parametrize("content", ["ä".encode("cp1252"), "a,b".encode("utf-16-le"), b"\xff\xfea"])
def test_another_encoding_is_named_with_the_mend(content: bytes) -> None:
    with pytest.raises(UnicodeDecodeError, match="save the file as UTF-8"):
        decode_text(content)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("<a>ä</a>", "utf-8"),
        ("<a>ä</a>", "utf-8-sig"),
        ('<?xml version="1.0" encoding="utf-16"?><a>ä</a>', "utf-16"),
        ('<?xml version="1.0" encoding="utf-8"?><a>ä</a>', "utf-16"),
        ('<?xml version="1.0" encoding="iso-8859-1"?><a>ä</a>', "latin-1"),
    ],
)
def test_xml_in_its_own_encoding(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode(encoding))
    assert read_xml(path).text == "ä"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_entities_are_refused_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode(encoding))
    with pytest.raises(ValueError, match=r"entity declaration|without a byte-order mark"):
        read_xml(path)


# Files of the package itself, and what a run has just written and no one else reads.
OWN = {
    "data/phantom/dataset.py", "label/trainers.py", "pacs/archive_session.py",
    "packaging/bundle_package.py", "packaging/bundle_runs.py", "packaging/bundle_verification.py",
    "packaging/config_checks.py", "packaging/launcher.py", "packaging/model_documents.py", "packaging/vendored_code.py",
    "packaging/zoo_rules.py", "report/evaluation_page.py", "report/html_page.py", "results/prediction_table.py",
}  # fmt: skip


def test_all_text_from_outside_is_read_by_this_function() -> None:
    package = Path(monai_tbkd.__file__).parent
    found = {
        path.relative_to(package).as_posix() for path in package.rglob("*.py") if ".read_text(" in path.read_text()
    }
    assert found == OWN


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_configs_records_and_labels_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    def write(name: str, content: object) -> Path:
        path = tmp_path / name
        path.write_bytes((content if isinstance(content, str) else json.dumps(content)).encode(encoding))
        return path

    assert read_config(write("a.json", {"x": 1})) == read_config(write("a.yaml", "x: 1\r\n")) == {"x": 1}
    model = tmp_path / "model.pt"
    model.write_bytes(b"weights")
    sha256 = file_sha256(model)
    write("model.json", {"finished": True, "sha256": sha256})
    assert (read_record(model) or {})["finished"] is True
    point = {"map_threshold": 0.3, "score_threshold": 0.4, "mode": "absolute", "chosen_on": "select"}
    assert load_operating_point(write("p.json", {"model_sha256": sha256, **point}), model)["map_threshold"] == 0.3
    told = differences(tmp_path, write("hashes", f"{sha256}  model.pt\r\n"))
    assert not [line for line in told if "model.pt" in line]
    threshold = {
        "schema_version": SCHEMA_VERSION, "threshold_0_100": 40, "chosen_by": "x", "model_version": "m",
        "input_kind": INPUT_KINDS[0], "calibration_set": {"name": "a", "sha256": "b", "images": 9},
    }  # fmt: skip
    assert load_threshold(write("t.json", threshold), "m").threshold_0_100 == 40
    cvat = '<annotations><image name="a.png"><box label="tb" xtl="1" ytl="2" xbr="9" ybr="8"/></image></annotations>'
    assert read_cvat_xml(write("c.xml", cvat), ["a.png"]).shapes == [("tb", [1, 2, 9, 8])]
    assert [image["name"] for image in unlabeled_images(write("images.txt", "b.png \r\nc.png\r\n"))] == [
        "b.png",
        "c.png",
    ]
