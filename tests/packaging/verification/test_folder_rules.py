from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from monai_tbkd.packaging.verification import folder_rules
from monai_tbkd.packaging.verification.folder_rules import check_folder


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
    monkeypatch.setattr(folder_rules, "LARGEST_MEGABYTES", 0.001)
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
    (bundle / "configs" / "inference.json").write_text('{"dataset_dir": "/home/jane/films"}')
    assert "personal path (/home/jane)" in said(bundle, "error")
