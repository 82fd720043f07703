"""Files that are whole or not there; on a full disk the error names what was written."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from monai_tbkd.data.files.atomic_write import atomic_write

full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def test_a_file_that_broke_off_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out" / "a.txt"
    with atomic_write(path) as part:
        part.write_text("old")
    with pytest.raises(KeyError), atomic_write(path) as part:
        part.write_text("ne")
        raise KeyError
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@full_device
def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    (tmp_path / "a.txt.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: .*a.txt'") as raised, atomic_write(path) as part:
        part.write_text("new")
    assert raised.value.errno == errno.ENOSPC
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no_such_source"), atomic_write(tmp_path / "a.txt") as part:
        part.write_bytes((tmp_path / "no_such_source").read_bytes())
