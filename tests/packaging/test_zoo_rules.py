from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from monai_tbkd.packaging import zoo_rules
from monai_tbkd.packaging.zoo_rules import check_folder, check_metadata, faults
from tests.conftest import REPOSITORY

GOOD = json.loads((REPOSITORY / "bundle" / "configs" / "metadata.json").read_text())

# what is done to good metadata, and whether the published schema sees it as well
FAULTS: list[tuple[str, Any, str, bool]] = [
    ("monai_version", None, "monai_version is missing", True),
    ("schema", None, "schema is missing", True),
    ("required_packages_version", ["a"], "required_packages_version is list", True),
    ("supported_apps", ["monailabel"], "supported_apps is list", True),
    ("references", [1], "references 0 is int", True),
    ("network_data_format::outputs", None, "network_data_format::outputs is missing", True),
    ("network_data_format::inputs::image::num_channels", "3", "num_channels is str", True),
    ("network_data_format::inputs::image::value_range", None, "image::value_range is missing", True),
    ("network_data_format::inputs::image::spatial_shape", [1.5], "spatial_shape has 1.5", True),
    ("network_data_format::outputs::pred::value_range", ["0"], "value_range has '0'", True),
    ("teacher_data_format", {"inputs": {}}, "teacher_data_format::outputs is missing", True),
    ("version", "first", "version is 'first'", False),
    ("changelog", {"0.0.9": ""}, "does not have version 0.1.0", False),
    ("changelog", None, "changelog is missing", False),
    ("authors", "Your Name Here", "still the template's", False),
    ("task", " ", "task is empty", False),
]


def changed(path: str, value: Any) -> dict[str, Any]:
    metadata = copy.deepcopy(GOOD)
    *above, last = path.split("::")
    node = metadata
    for key in above:
        node = node[key]
    node.pop(last, None)
    if value is not None:
        node[last] = value
    return metadata


def test_ours_has_no_fault() -> None:
    assert list(faults(GOOD)) == []


@pytest.mark.parametrize(("path", "value", "words", "in_schema"), FAULTS, ids=lambda x: x if isinstance(x, str) else "")
def test_each_fault_is_named(path: str, value: Any, words: str, in_schema: bool) -> None:
    found = [f.text for f in faults(changed(path, value)) if f.level == "error"]
    assert any(words in text for text in found), found


@pytest.mark.parametrize(("path", "value", "words", "in_schema"), FAULTS, ids=lambda x: x if isinstance(x, str) else "")
def test_the_published_schema_says_the_same(
    path: str, value: Any, words: str, in_schema: bool, real_data: Path
) -> None:
    schema = real_data.parent / "zoo" / "meta_schema_20240725.json"
    if not schema.is_file():
        pytest.skip("the published schema is not beside the real images")
    errors = list(jsonschema.Draft201909Validator(json.loads(schema.read_text())).iter_errors(changed(path, value)))
    assert bool(errors) == in_schema


def test_a_schema_that_is_not_there_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(GOOD))
    found = check_metadata(tmp_path, tmp_path / "schema.json")
    assert [f.text for f in found if f.level == "error"] == [f"there is no schema {tmp_path / 'schema.json'}."]
    assert not (tmp_path / "schema.json").exists()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "spleen_ct_segmentation"
    names = ("LICENSE", "configs/metadata.json", "configs/inference.json", "models/model.pt", "docs/README.md")
    for name in (*names, "docs/data_license.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")
    return root


def said(root: Path, level: str) -> str:
    return "\n".join(f"{f.check}: {f.text}" for f in check_folder(root) if f.level == level)


def test_a_whole_folder_has_no_fault(bundle: Path) -> None:
    assert said(bundle, "error") == said(bundle, "warning") == ""


@pytest.mark.parametrize("name", ["LICENSE", "configs/metadata.json"])
def test_required_files(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    assert f"{name} is missing" in said(bundle, "error")


def test_preferred_files_and_the_name_are_warnings(bundle: Path) -> None:
    (bundle / "models" / "model.pt").unlink()
    (bundle / "docs" / "data_license.txt").unlink()
    other = bundle.rename(bundle.with_name("MyBundle"))
    text = said(other, "warning")
    for word in ("models/model.pt", "data_license.txt", "MyBundle"):
        assert word in text


def test_a_large_file_has_to_be_listed_and_to_be_the_one_that_is_listed(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo_rules, "LARGEST_MEGABYTES", 0.001)
    (bundle / "models" / "model.pt").write_bytes(b"0" * 5000)
    assert "models/model.pt has 0.0 MB" in said(bundle, "error")
    entry = "large_files:\n- path: models/model.pt\n  url: https://example.org/model.pt\n  hash_type: md5\n  hash_val: "
    (bundle / "large_files.yml").write_text(entry + hashlib.md5(b"0" * 5000).hexdigest() + "\n")
    assert said(bundle, "error") == ""
    (bundle / "large_files.yml").write_text(entry + "f" * 32 + "\n")
    assert "its entry says fff" in said(bundle, "error")
    (bundle / "large_files.yml").write_text("large_files:\n- path: models/model.pt\n  hash_type: crc\n")
    assert "url, hash_val is missing" in said(bundle, "error")


def test_personal_paths(bundle: Path) -> None:
    (bundle / "configs" / "inference.json").write_text('{"dataset_dir": "/home/jane/images"}')
    assert "personal path (/home/jane)" in said(bundle, "error")
