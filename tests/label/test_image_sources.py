"""Images that come by request into a folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.label.image_sources import FolderSource


def test_one_of_several_uploads_of_a_name_is_kept(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(files):
        Image.fromarray(np.full((20, 20), number, dtype=np.uint8)).save(path)
    source = FolderSource(tmp_path / "images", tmp_path / "images" / "labels")

    def add(path: Path) -> str:
        try:
            return source.add("new", path)
        except (ValueError, OSError) as error:
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(add, files))
    assert sorted(found) == ["ValueError"] * 3 + ["new.png"]
    kept = files[found.index("new.png")].read_bytes()
    assert (tmp_path / "images" / "new.png").read_bytes() == kept


def test_nothing_is_left_of_an_upload_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fills_the_disk(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError("no space")

    Image.fromarray(np.zeros((20, 20), dtype=np.uint8)).save(tmp_path / "a.png")
    source = FolderSource(tmp_path / "images", tmp_path / "images" / "labels")
    monkeypatch.setattr("shutil.copyfile", fills_the_disk)
    with pytest.raises(OSError, match="no space"):
        source.add("new", tmp_path / "a.png")
    assert [path.name for path in (tmp_path / "images").iterdir()] == [".lock"]
