"""Serve a new model in place of another."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from monai_tbkd.data.whole_file import read_json_object, whole_file, write_json
from monai_tbkd.engines.fine_tuning import MODEL, POINT
from monai_tbkd.engines.inference_thresholds import KEPT_POINT
from monai_tbkd.networks.checkpoint import read_record, record_path

logger = logging.getLogger(__name__)

PREVIOUS = "previous"


def release_model(candidate_dir: str | Path, served_dir: str | Path) -> str:
    """Serve a candidate: one rename of its weights makes it the model; returns its SHA-256.

    Before it, the candidate's thresholds are put beside those of the served model; a server finds those of its weights
    by their hash. After it, the record follows. A run that is killed in between leaves the old or the new model, each
    with its thresholds, at worst without a record. The model before is in ``previous/``.

    Args:
        candidate_dir: with ``model.pt``, its record and its operating point.
        served_dir: with ``model.pt``.

    Raises:
        ValueError: a candidate without a record, or with the operating point of another model.
    """
    candidate, served = Path(candidate_dir), Path(served_dir)
    record = read_record(candidate / MODEL)
    point = read_json_object(candidate / POINT)
    if record is None or point.get("model_sha256") != record["sha256"]:
        raise ValueError(f"{candidate}: no finished model with its operating point; the served model stays.")
    _keep_previous(served)
    old = read_json_object(served / POINT)
    old.pop(KEPT_POINT, None)
    write_json(served / POINT, {**point, **({KEPT_POINT: old} if old else {})})
    with whole_file(served / MODEL) as part:
        shutil.copyfile(candidate / MODEL, part)
    write_json(record_path(served / MODEL), record)
    logger.info("Served from now on: model %s", record["sha256"][:12])
    return str(record["sha256"])


def _keep_previous(served: Path) -> None:
    previous = served / PREVIOUS
    previous.mkdir(parents=True, exist_ok=True)
    for path in (served / MODEL, record_path(served / MODEL), served / POINT):
        target = previous / path.name
        if path.is_file():
            with whole_file(target) as part:
                shutil.copyfile(path, part)
        else:
            target.unlink(missing_ok=True)
