"""The folder of a MONAI Label app: the bundle that it serves, its recipes, and the weights that training replaces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_tbkd import __version__
from monai_tbkd.bundle import literal, model_settings
from monai_tbkd.bundle.config_files import find_config
from monai_tbkd.bundle.recorded_settings import LUNG_FIELD
from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.data.files.outside_text import read_text

_SETTINGS_FILE = "label_app.json"
# what a model consists of; the teacher is for training and for the disagreement of teacher and student
_MODEL_FILES = ("model.pt", "model.json", "operating_point.json", LUNG_FIELD, "teacher.pt", "teacher.json")
_MAIN = '''"""Started by monailabel; everything is in the package monai_tbkd. Research use only, not for diagnosis."""

from monai_tbkd.label.stand_ins import stand_in_for_pydicom_seg

stand_in_for_pydicom_seg()

from monai_tbkd.label.app import TuberculosisApp  # noqa: E402, F401
'''


@dataclass(frozen=True)
class AppFolder:
    """A folder that ``python -m monai_tbkd label_app`` has written; training writes in it.

    Attributes:
        root: given to ``monailabel`` as ``--app``.
        recipes: names of config files under ``recipes/`` that lie over the bundle's configs, in order.
        overrides: values of the configs by key, over the recipes.
    """

    root: Path
    recipes: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bundle(self) -> Path:
        """Folder of ``configs/`` and ``models/``."""
        return self.root / "bundle"

    @property
    def models(self) -> Path:
        """Folder of the weights, which training replaces by renaming."""
        return self.bundle / "models"

    @property
    def student(self) -> Path:
        """The served weights."""
        return self.models / "model.pt"

    @property
    def teacher(self) -> Path:
        """The teacher's weights, which may be missing."""
        return self.models / "teacher.pt"

    def config_files(self, *names: str) -> list[Path]:
        """Files of the bundle's configs by name, such as ``"inference"``, and the recipes over them."""
        bundle = [find_config(self.bundle / "configs", name) for name in names]
        return [*bundle, *(self.root / "recipes" / name for name in self.recipes)]

    def parser(self, *names: str, **overrides: Any) -> ConfigParser:
        """Read configs of the bundle by name, with values by key over everything else."""
        parser = ConfigParser()
        parser.read_config([str(path) for path in self.config_files(*names)])
        positions = {"bundle_root": literal(str(self.bundle)), "ckpt_dir": literal(str(self.models))}
        parser.update({**positions, **self.overrides, **overrides})
        return parser


def read_app_folder(root: str | Path) -> AppFolder:
    """Open an app folder; a ValueError where it was not written by ``label_app``."""
    root = Path(root)
    try:
        content = json.loads(read_text(root / _SETTINGS_FILE))
        return AppFolder(root, tuple(content["recipes"]), dict(content["overrides"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{root / _SETTINGS_FILE}: cannot be read ({error}); write the folder with python -m monai_tbkd label_app."
        ) from error


def write_app_folder(
    root: str | Path,
    bundle: str | Path,
    models: str | Path,
    recipes: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
) -> AppFolder:
    """Write a folder that ``monailabel start_server --app`` takes, with copies of configs, recipes and weights.

    `recipes` are config files that lie over the bundle's, in order, and `overrides` values by key over these.

    Raises:
        FileNotFoundError: no config, recipe or weights.
        FileExistsError: the folder is there already and not empty.
        ValueError: two recipes of one name, or a backend that training cannot replace.
    """
    root, bundle, models, overrides = Path(root), Path(bundle), Path(models), dict(overrides or {})
    if overrides.get("backend", "torch") != "torch":
        raise ValueError("backend is another than torch; an app serves PyTorch weights, since training replaces them.")
    find_config(bundle / "configs", "inference")
    if not (models / "model.pt").is_file():
        raise FileNotFoundError(f"{models}: no model.pt; name the folder of the trained model with --ckpt_dir.")
    if missing := [recipe for recipe in recipes if not Path(recipe).is_file()]:
        raise FileNotFoundError(f"{missing[0]}: there is no such recipe.")
    if root.exists() and any(root.iterdir()):
        raise FileExistsError(f"{root} is there already; give a new folder, or remove it.")
    app = AppFolder(root, tuple(Path(recipe).name for recipe in recipes), overrides)
    if len(set(app.recipes)) < len(app.recipes):
        raise ValueError(f"Two recipes have the same name ({', '.join(app.recipes)}); rename one.")
    app.models.mkdir(parents=True)
    shutil.copytree(bundle / "configs", app.bundle / "configs", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "recipes").mkdir()
    for recipe in recipes:
        shutil.copy(recipe, root / "recipes")
    for name in _MODEL_FILES:
        if (models / name).is_file():
            shutil.copy(models / name, app.models)
    own = model_settings(app.parser("inference").get(), app.student)
    app = replace(app, overrides={**own, **app.overrides})
    (root / "main.py").write_text(_MAIN, encoding="utf-8")
    settings = {"monai_tbkd": __version__, "recipes": list(app.recipes), "overrides": app.overrides}
    write_json(root / _SETTINGS_FILE, settings)
    return app
