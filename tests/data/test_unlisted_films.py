from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_tbkd.data import load_datalist
from monai_tbkd.data.dataset_check import check_dataset

Tree = Callable[..., Path]


@pytest.mark.parametrize("layout", ["manifest", "tbx11k"])
def test_films_beside_the_listed_ones_are_named(tree: Tree, layout: str, caplog: pytest.LogCaptureFixture) -> None:
    root = tree("imgs/tb/a.png", "imgs/tb/b.png", "imgs/health/c.png", "imgs/test/d.png", "other/e.png")
    (root / "lists").mkdir()
    (root / "lists/TBX11K_train.txt").write_text("tb/a.png\nhealth/c.png\n")
    (root / "manifest.csv").write_text("image,label\nimgs/tb/a.png,tb\nimgs/health/c.png,health\n")
    (finding,) = [each for each in check_dataset([root], layout).findings if each.kind == "not_listed"]
    assert finding.severity == "note"
    assert "(1: imgs/tb/b.png)" in finding.sentence
    with caplog.at_level(logging.INFO, "monai_tbkd"):
        load_datalist(root, layout=layout, select=0)
    assert "left out (1: imgs/tb/b.png)" in caplog.text
