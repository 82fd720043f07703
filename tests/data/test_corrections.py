from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.data import Correction, load_source, unlabeled_films, write_corrections


def film(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)
    return str(path)


def test_what_was_said_of_films_comes_back(tmp_path: Path) -> None:
    box = (1.0, 2.0, 3.5, 8.0)
    said = [
        Correction(film(tmp_path / "a" / "x.png"), True, (box,)),
        Correction(film(tmp_path / "b" / "x.png"), False),
        Correction(film(tmp_path / "b" / "y.png"), True),
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


def test_unlabeled_films(tmp_path: Path) -> None:
    path = film(tmp_path / "x.png")
    assert unlabeled_films(None) == []
    (tmp_path / "films.txt").write_text(f"{path}\n\n")
    assert unlabeled_films(tmp_path / "films.txt") == [{"image": path, "name": "x.png"}]
    assert unlabeled_films([path]) == unlabeled_films(tmp_path) == [{"image": path, "name": "x.png"}]
