from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from monai_tbkd.packaging.file_hashes import differences, write_hashes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("configs/train.json", "models/model.pt", "LICENSE", "monai_tbkd/__pycache__/a.pyc"):
        (tmp_path / "bundle" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bundle" / name).write_text(name)
    return tmp_path / "bundle"


@pytest.mark.system
def test_agrees_with_itself_and_with_sha256sum(folder: Path, tmp_path: Path) -> None:
    path = write_hashes(folder, tmp_path / "list.sha256")
    assert differences(folder, path) == []
    assert len(path.read_text().splitlines()) == 3  # byte code is none of them
    assert subprocess.run(["sha256sum", "--check", "--quiet", str(path)], cwd=folder).returncode == 0


def test_every_kind_of_change_is_named(folder: Path, tmp_path: Path) -> None:
    path = write_hashes(folder, tmp_path / "list.sha256")
    (folder / "configs" / "train.json").write_text("$import os")
    (folder / "models" / "model.pt").unlink()
    (folder / "configs" / "more.json").write_text("{}")
    (folder / "LICENSE").rename(tmp_path / "LICENSE")
    (folder / "LICENSE").symlink_to(tmp_path / "LICENSE")
    assert differences(folder, path) == [
        "LICENSE is a link; a folder that is checked has none.",
        "configs/more.json is in the folder and not in the list.",
        "configs/train.json has another hash than in the list.",
        "models/model.pt is in the list and not in the folder.",
    ]


def test_a_list_inside_of_the_folder_or_of_another_kind_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only outside"):
        write_hashes(folder, folder / "list.sha256")
    (tmp_path / "list").write_text("abc  file\n")
    with pytest.raises(ValueError, match="line 1: expected a SHA-256"):
        differences(folder, tmp_path / "list")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ValueError, match="lists no file"):
        differences(folder, tmp_path / "empty")
