"""The stock ``monaibundle`` app of MONAI Label with the packaged folder: local, without a network."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from monai_tbkd.packaging.bundle_package import write_package
from monai_tbkd.packaging.model_facts import read_facts
from tests.label_server.servers import label_server

NAME = "cxr_tuberculosis_localization"


def stock_app() -> Path:
    return Path(sys.prefix) / "monailabel" / "sample-apps" / "monaibundle"


def without_torchvision(folder: Path) -> str:
    """PYTHONPATH with the two functions of torchvision that the stock app imports and does not call for an image."""
    if importlib.util.find_spec("torchvision") is None:
        (folder / "torchvision").mkdir(parents=True)
        (folder / "torchvision" / "__init__.py").touch()
        (folder / "torchvision" / "utils.py").write_text("make_grid = save_image = None\n")
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


def test_the_stock_app_loads_the_folder(weights: Path, tmp_path: Path) -> None:
    app = Path(shutil.copytree(stock_app(), tmp_path / "app"))
    values = {"grid": 128, "check_frontal": "off", "num_workers": 0, "min_side": 16}
    write_package(app / "model" / NAME, read_facts(weights / "model.pt", phantom=True), [values])
    (tmp_path / "images").mkdir()
    path = without_torchvision(tmp_path / "stubs")
    conf = {"models": NAME, "zoo_source": "local", "sam2": "false", "skip_trainers": "true"}
    with label_server(app, tmp_path / "images", tmp_path, conf, PYTHONPATH=path) as server:
        model = server.info()["models"][NAME]
        assert model["dimension"] == 2
        assert model["labels"] == {"tuberculosis": 0}
        assert "knows no real image" in model["description"]
