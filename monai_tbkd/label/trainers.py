"""Training from the annotators' work, in the server's training process."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from monai.bundle import run
from monailabel.interfaces.tasks.train import TrainTask

from monai_tbkd.bundle import literal
from monai_tbkd.data import Correction, write_corrections
from monai_tbkd.label.app_folder import AppFolder
from monai_tbkd.label.request_models import ClientParams, TrainParams, picked
from monai_tbkd.networks.checkpoint import read_record

_OPTIONS = [name for name in TrainParams.model_fields if name not in ClientParams.model_fields]


class StudentTraining(TrainTask):
    """Fine-tune the served student on finished labels, by ``label_finetune.yaml`` through ``monai.bundle``.

    A run that fails leaves the served model as it is; one that succeeds replaces it by one rename, and the server reads
    it anew. The run's tables and candidate are in the app's ``training/``.
    """

    def __init__(self, folder: AppFolder) -> None:
        super().__init__("Fine-tune the student from finished labels, distilled from itself (research use only)")
        self.folder = folder

    def config(self) -> dict[str, Any]:
        """Options of a request with their defaults."""
        parser = self.folder.parser("train", "label_finetune")
        return {name: parser[name] for name in _OPTIONS if name != "device"} | {"device": ["cpu", "cuda"]}

    def stats(self) -> dict[str, Any]:
        """Of the last training that the served model comes from."""
        history = (read_record(self.folder.student) or {}).get("fine_tuning") or []
        return {"trainings": len(history), **history[-1]} if history else {}

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Train, and return the content of ``fine_tuning.json`` with ``seconds``."""
        started, numbers = time.monotonic(), read_options(request)
        work = self.folder.root / "training"
        labels = [
            Correction(str(label.image), label.is_tb, tuple((a, b, c, d) for a, b, c, d in label.upright_boxes))
            for label in datastore.finished_labels()
        ]
        table = write_corrections(work / "manifest.csv", labels)
        most = int(numbers.get("most_unlabeled", self.config()["most_unlabeled"]))
        # As a file: a config would interpret signs in an image's name.
        listing = work / "unlabeled.txt"
        listing.write_text("\n".join(datastore.unlabeled_paths(most)), encoding="utf-8")
        paths = {
            "bundle_root": self.folder.bundle, "ckpt_dir": self.folder.models, "dataset_dir": table,
            "unlabeled": listing, "output_dir": work,
        }  # fmt: skip
        own: dict[str, Any] = {key: literal(str(path)) for key, path in paths.items()}
        own |= {"layout": "manifest", "num_workers": 0, "progress_bar": False}
        candidate = work / "candidate"
        for left in candidate.glob("*"):
            left.unlink()
        run(
            run_id="run_finetune",
            init_id="initialize",
            final_id="finalize",
            config_file=[str(path) for path in self.folder.config_files("train", "label_finetune")],
            meta_file=str(self.folder.bundle / "configs" / "metadata.json"),
            logging_file=False,
            **{**self.folder.overrides, **own, **numbers},
        )
        record: dict[str, Any] = json.loads((candidate / "fine_tuning.json").read_text(encoding="utf-8"))
        return {**record, "seconds": round(time.monotonic() - started, 1)}


def read_options(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a request as values for the config; nothing else gets there, since a config evaluates text.

    Raises:
        ValueError: a number that is none or out of range, or an unknown device.

    Example:
        >>> read_options({"finetune_epochs": "5", "model": "tb_student"})
        {'finetune_epochs': 5}
    """
    options = picked(TrainParams, request, _OPTIONS)
    if "device" in options:
        options["device"] = f"$torch.device('{options['device']}')"
    return options
