"""Shared fixtures: where real films are, where there are any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real films, named by TBKD_REAL_DATA."""
    folder = os.environ.get("TBKD_REAL_DATA")
    if not folder:
        pytest.skip("TBKD_REAL_DATA is not set: no real films to test on")
    return Path(folder)


@pytest.fixture(scope="session")
def real_weights(real_data: Path) -> Path:
    """ImageNet weights of a ResNet-50 (strides in 1x1), beside the real films."""
    path = real_data.parent / "weights" / "resnet50_imagenet_v1_fp16.pt"
    if not path.is_file():
        pytest.skip(f"there is no {path.name} beside the real films")
    return path
