"""Data sets on disk, made for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.films_by_hand import noise_png


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Make small films: ``tree("imgs/tb/a.png", ...)`` under a fresh folder."""

    def make(*names: str) -> Path:
        root = tmp_path / "set"
        for number, name in enumerate(names):
            noise_png(root / name, seed=number)
        return root

    return make
