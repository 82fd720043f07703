"""Data sets on disk, made for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_tbkd.data.lists.datalist_error import DatalistError
from tests.data.images_by_hand import noise_png


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Make small images: ``tree("imgs/tb/a.png", ...)`` under a fresh folder."""

    def make(*names: str) -> Path:
        root = tmp_path / "set"
        for number, name in enumerate(names):
            noise_png(root / name, seed=number)
        return root

    return make


def refused(match: str, load: Callable[..., object], *source: Any, **options: Any) -> None:
    """A call has to refuse a data set."""
    with pytest.raises(DatalistError, match=match):
        load(*source, **options)
