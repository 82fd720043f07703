"""Training from the annotators' work, in the server's training process."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from monai.bundle import run
from monailabel.interfaces.tasks.train import TrainTask
from pydantic import ValidationError

from monai_tbkd.bundle import literal
from monai_tbkd.data import write_corrections
from monai_tbkd.label.annotator_work import as_correction, finished_labels, unlabeled_paths
from monai_tbkd.label.app_folder import AppFolder
from monai_tbkd.label.request_models import ClientParams, TrainParams, sentence
from monai_tbkd.networks.checkpoint import read_record

if TYPE_CHECKING:
    from monai_tbkd.label.app import TuberculosisApp

logger = logging.getLogger(__name__)

_WORK = "training"
_OPTIONS = [name for name in TrainParams.model_fields if name not in ClientParams.model_fields]


def make_trainers(app: TuberculosisApp) -> dict[str, TrainTask]:
    """The app's trainers by name."""
    return {"tb_student": StudentTraining(app.folder)}


class StudentTraining(TrainTask):
    """Fine-tune the served student on finished labels, by ``label_finetune.yaml`` through ``monai.bundle``.

    The label of a film is TB or not; a film with boxes has TB. Boxes choose the map's threshold and, with
    ``box_weight`` above 0, supervise the map. A run that fails leaves the served model as it is; one that
    succeeds replaces it by one rename, and the server reads it anew.

    Args:
        folder: of the app; gets ``training/`` with the run's tables and candidate.
    """

    def __init__(self, folder: AppFolder) -> None:
        super().__init__("Fine-tune the student from finished labels, distilled from itself (research use only)")
        self.folder = folder

    def is_valid(self) -> bool:
        """Always, as there is a model wherever the app starts."""
        return True

    def config(self) -> dict[str, Any]:
        """Options that a request may turn, with the values that hold if it does not."""
        parser = self.folder.parser("train", "label_finetune")
        return {name: parser[name] for name in _OPTIONS if name != "device"} | {"device": ["cpu", "cuda"]}

    def stats(self) -> dict[str, Any]:
        """Of the last training that the served model comes from."""
        record = read_record(self.folder.student) or {}
        history = record.get("fine_tuning") or []
        if not history:
            return {}
        return {"trainings": len(history), **history[-1]}

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Train.

        Args:
            request: options of `config`.
            datastore: with finished labels.

        Returns:
            What ``fine_tuning.json`` holds, with ``seconds``.

        Raises:
            ValueError: no label to learn from, an option that cannot be, or a model that must not be served.
        """
        started = time.monotonic()
        numbers = read_options(request)
        work = self.folder.root / _WORK
        table = write_corrections(
            work / "manifest.csv", [as_correction(label) for _, label in finished_labels(datastore)]
        )
        most = int(numbers.get("most_unlabeled", self.config()["most_unlabeled"]))
        # As a file: a config would take signs in a film's name for its own.
        listing = work / "unlabeled.txt"
        listing.write_text("\n".join(unlabeled_paths(datastore, most)), encoding="utf-8")
        places = {
            "bundle_root": literal(str(self.folder.bundle)),
            "ckpt_dir": literal(str(self.folder.models)),
            "dataset_dir": literal(str(table)),
            "unlabeled": literal(str(listing)),
            "output_dir": literal(str(work)),
            "layout": "manifest",
            "num_workers": 0,
            "progress_bar": False,
        }
        candidate = work / "candidate"
        for left in candidate.glob("*") if candidate.is_dir() else ():
            left.unlink()
        run(
            run_id="run_finetune",
            init_id="initialize",
            final_id="finalize",
            config_file=[str(path) for path in self.folder.config_files("train", "label_finetune")],
            meta_file=str(self.folder.bundle / "configs" / "metadata.json"),
            logging_file=False,
            **{**dict(self.folder.overrides), **places, **numbers},
        )
        told: dict[str, Any] = json.loads((candidate / "fine_tuning.json").read_text(encoding="utf-8"))
        return {**told, "seconds": round(time.monotonic() - started, 1)}


def read_options(request: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a request as values for the config; nothing else of it gets there, since a config evaluates text.

    Args:
        request: of the training.

    Raises:
        ValueError: a number that is none or out of range, or an unknown device.

    Example:
        >>> read_options({"finetune_epochs": "5", "model": "tb_student"})
        {'finetune_epochs': 5}
    """
    try:
        options = TrainParams(**{name: request[name] for name in _OPTIONS if name in request}).given()
    except ValidationError as error:
        raise ValueError(sentence(error.errors())) from error
    if "device" in options:
        options["device"] = f"$torch.device('{options['device']}')"
    return options
