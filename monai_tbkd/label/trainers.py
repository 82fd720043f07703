"""Training from the annotators' work, in the server's training process."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from monai.bundle import run
from monailabel.interfaces.tasks.train import TrainTask

from monai_tbkd.data import write_corrections
from monai_tbkd.label.annotator_work import as_correction, finished_labels, unlabeled_paths
from monai_tbkd.label.app_folder import AppFolder
from monai_tbkd.networks.checkpoint import read_record
from monai_tbkd.packaging import literal

if TYPE_CHECKING:
    from monai_tbkd.label.app import TuberculosisApp

logger = logging.getLogger(__name__)

_WORK = "training"
_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
_WHOLE = ("finetune_epochs", "finetune_batch_size", "most_unlabeled", "fewest_boxed", "seed")
_NUMBERS = ("finetune_learning_rate", "box_weight", "largest_drop")


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
        return {name: parser[name] for name in (*_WHOLE, *_NUMBERS)} | {"device": ["cpu", "cuda"]}

    def stats(self) -> dict[str, Any]:
        """Of the last training that the served model comes from."""
        record = read_record(self.folder.student) or {}
        history = record.get("fine_tuning") or []
        if not history:
            return {}
        last = history[-1]
        return {"best_metric": last["miou_after"], "trainings": len(history), **last}

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
    options: dict[str, Any] = {}
    for name in (*_WHOLE, *_NUMBERS):
        if request.get(name) in (None, ""):
            continue
        try:
            value = float(request[name])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} is {request[name]!r}; expected a number.") from error
        smallest = 1 if name in ("finetune_epochs", "finetune_batch_size") else 0
        if not smallest <= value < 1e6 or (name in _WHOLE and value != int(value)):
            raise ValueError(
                f"{name} is {request[name]!r}; expected a {'whole ' * (name in _WHOLE)}number from {smallest}."
            )
        options[name] = int(value) if name in _WHOLE else value
    device = request.get("device")
    device = device[0] if isinstance(device, list) and device else device
    if device not in (None, ""):
        if not isinstance(device, str) or not _DEVICE.fullmatch(device):
            raise ValueError(f"device is {device!r}; expected cpu, cuda or cuda:0.")
        options["device"] = f"$torch.device('{device}')"
    return options
