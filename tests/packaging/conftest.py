"""The bundle's folder with a tiny model trained on phantom films."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_tbkd.packaging.bundle_package import write_package
from monai_tbkd.packaging.model_facts import read_facts
from tests.conftest import SMALL

NAME = "cxr_tuberculosis_localization"
# as a user would give them with --set; what the architecture is, the checkpoint's record knows
SMALLER = {key: SMALL[key] for key in ("min_side", "grid", "num_workers", "bootstrap_resamples", "overlays", "select")}


@pytest.fixture(scope="session")
def packaged(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder; not to be changed (copy it)."""
    models, folder = trained / "models", tmp_path_factory.mktemp("packaged") / NAME
    facts = read_facts(models / "model.pt", metrics=trained / "out" / "metrics.json")
    return write_package(folder, facts, [SMALLER])
