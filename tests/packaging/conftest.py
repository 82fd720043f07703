"""The bundle's folder with a tiny model trained on phantom films."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_tbkd.packaging.bundle_package import write_package
from monai_tbkd.packaging.config_layers import read_config
from monai_tbkd.packaging.model_facts import read_facts
from tests.conftest import SMALL_RECIPE

NAME = "cxr_tuberculosis_localization"
# as a user would give them with --set; what the architecture is, the checkpoint's record knows
_TURNED = (
    "teacher_terms",
    "pasted_copies",
    "balance",
    "min_side",
    "grid",
    "num_workers",
    "bootstrap_resamples",
    "overlays",
    "select",
)
SMALLER = {key: value for key, value in read_config(SMALL_RECIPE).items() if key in _TURNED}


@pytest.fixture(scope="session")
def packaged(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder; not to be changed (copy it)."""
    models, folder = trained / "models", tmp_path_factory.mktemp("packaged") / NAME
    facts = read_facts(models / "model.pt", metrics=trained / "out" / "metrics.json")
    return write_package(folder, facts, [SMALLER], full=True)
