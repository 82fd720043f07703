"""The MONAI Label app: wires films, models, labels and training to MONAI Label's interfaces."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monailabel.interfaces.app import MONAILabelApp

from monai_tbkd import __version__
from monai_tbkd.label.app_folder import read_app_folder
from monai_tbkd.label.film_pipeline import FilmPipeline
from monai_tbkd.label.film_result import LABEL
from monai_tbkd.label.film_sources import FolderSource
from monai_tbkd.label.film_store import FilmStore
from monai_tbkd.label.infer_tasks import BoxesTask, FilmTask, MapTask, ScoreTask
from monai_tbkd.label.label_folder import LabelFolder
from monai_tbkd.transforms import NOTICE

logger = logging.getLogger(__name__)


class TuberculosisApp(MONAILabelApp):
    """What ``monailabel start_server`` finds through the folder's ``main.py``.

    Attributes:
        folder: configs, recipes and weights.
        pipeline: films through the bundle's inference config.

    Args:
        app_dir: the folder that ``label_app`` wrote.
        studies: a folder of films, or the address of a DICOMweb server.
        conf: from ``--conf key value``.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.folder = read_app_folder(app_dir)
        self.pipeline = FilmPipeline(self.folder)
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name="Tuberculosis on chest X-rays",
            description=f"Boxes, map and score of tuberculosis ({NOTICE})",
            version=__version__,
            labels=[LABEL],
        )

    def init_datastore(self) -> FilmStore:
        root = Path(self.studies)
        labels = LabelFolder(root / "tbkd_labels")
        return FilmStore(FolderSource(root, leave_out=labels.root), labels, root.name)

    def init_infers(self) -> dict[str, FilmTask]:
        return {
            "tb_boxes": BoxesTask(self.pipeline),
            "tb_map": MapTask(self.pipeline),
            "tb_score": ScoreTask(self.pipeline),
        }

    def init_trainers(self) -> dict[str, Any]:
        return _made_by("trainers", "make_trainers")(self)

    def init_strategies(self) -> dict[str, Any]:
        return {**super().init_strategies(), **_made_by("strategies", "make_strategies")(self)}

    def init_scoring_methods(self) -> dict[str, Any]:
        return _made_by("scoring", "make_scoring_methods")(self)


def _made_by(module: str, function: str) -> Callable[[TuberculosisApp], dict[str, Any]]:
    try:
        return getattr(importlib.import_module(f"monai_tbkd.label.{module}"), function)
    except ModuleNotFoundError as error:
        if error.name != f"monai_tbkd.label.{module}":
            raise
        return lambda app: {}
