"""``calibrate``: a threshold from images with known labels."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_tbkd.data.files.atomic_write import atomic_write, write_json
from monai_tbkd.data.files.csv_cells import csv_line
from monai_tbkd.data.files.paths import absolute_path
from monai_tbkd.metrics.bootstrap import group_codes, kept_groups
from monai_tbkd.metrics.calibrated_threshold import CalibratedThreshold, calibration_sha256, write_threshold
from monai_tbkd.metrics.calibration import calibration_summary
from monai_tbkd.metrics.comparison_table import calibration_text
from monai_tbkd.metrics.image_level import image_level_metrics
from monai_tbkd.metrics.operating_point import choose_threshold
from monai_tbkd.metrics.screening_table import COLUMNS, Program, screening_table
from monai_tbkd.networks.checkpoint import file_sha256, read_record
from monai_tbkd.networks.training_images import images_trained_on
from monai_tbkd.report.evaluation_charts import write_calibration_picture
from monai_tbkd.results.labeled_predictions import LabeledPredictions, read_labeled_predictions
from monai_tbkd.results.prediction_table import as_written
from monai_tbkd.transforms import NOTICE

logger = logging.getLogger(__name__)

_FEW = 50  # TB images below which a sensitivity of 90 % has an interval wider than 0.17


def run(args: argparse.Namespace) -> int:
    """Read, choose, write and print."""
    if args.resamples < 100:
        raise ValueError(f"resamples is {args.resamples}; expected 100 or more, for limits of 95 %.")
    labels = absolute_path(args.labels)
    images = read_labeled_predictions(args.predictions, labels, args.input_kind, args.patient_column)
    scored = ~np.isnan(images.scores)
    scores, positive = images.scores[scored], images.positive[scored]
    patients = images.patients if any(images.patients) else None
    of_scored = kept_groups(patients, scored)
    _warn(images, positive)
    if not positive.any() or positive.all():
        raise ValueError(
            f"{int(positive.sum())} of {len(positive)} labeled images with a score have TB; a threshold needs images "
            "with TB and images without, so give both."
        )
    if args.model is not None:
        _warn_of_training_images(args.model, labels, images)
    chosen = choose_threshold(scores, positive, args.target)
    program = Program(args.prevalence, args.cost_image, args.cost_test)
    edges = np.unique([*range(101), round(chosen, 4)])
    rows = screening_table(images.scores, images.positive, edges, program, patients, args.resamples)
    chosen_row = next(row for row in rows if row["threshold"] == round(chosen, 4))
    metrics = image_level_metrics(scores / 100, positive, of_scored, args.resamples)
    names = [name for name, use in zip(images.names, scored, strict=True) if use]
    threshold = CalibratedThreshold(
        threshold_0_100=round(chosen, 4),
        chosen_by=args.target,
        model_version=images.model_version,
        input_kind=images.input_kind,
        calibration_set={
            "name": labels.stem if labels.is_file() else labels.name,
            "sha256": calibration_sha256(names, positive),
            "images": len(names),
            "tb_images": int(positive.sum()),
            "images_without_tb": int((~positive).sum()),
            "patients": None if of_scored is None else int(group_codes(of_scored, len(names)).max()) + 1,
        },
    )
    summary: dict[str, Any] = {
        "schema_version": 1,
        "notice": NOTICE,
        "model_version": images.model_version,
        "input_kind": images.input_kind,
        "calibration_set": threshold.calibration_set,
        "intervals": f"95 %, over {'images' if of_scored is None else 'patients'}, {args.resamples} resamples",
        "image_level": {name: interval.as_dict() for name, interval in metrics.items()},
        **calibration_summary(scores / 100, positive, of_scored, resamples=args.resamples),
        "program": program._asdict(),
        "chosen": {"target": args.target, **chosen_row},
        "not_scored": images.not_scored,
        "without_label": images.without_label,
        "without_prediction": len(images.without_prediction),
    }
    write_json(args.output / "calibration.json", summary)
    _write_rows(args.output / "calibration.csv", rows)
    write_calibration_picture(
        args.output / "calibration.png",
        scores,
        positive,
        chosen_row,
        summary["image_level"]["auc"],
        summary["reliability"]["equal_mass"],
        f"{images.model_version}; {images.input_kind} images of {threshold.calibration_set['name']}",
    )
    # Last, as inference reads it: where it is, all else is.
    write_threshold(args.output / "threshold.json", threshold, program=program._asdict(), at_threshold=chosen_row)
    sys.stdout.write(calibration_text(summary, rows, threshold) + f"\nWritten to {args.output} ({NOTICE}).\n")
    return 0


def _warn(images: LabeledPredictions, positive: np.ndarray) -> None:
    if images.not_scored:
        tb = sum(image["tb"] for image in images.not_scored)
        reasons = Counter(image["reason"] or image["status"] for image in images.not_scored)
        found = ", ".join(f"{reason} {number}" for reason, number in reasons.most_common())
        logger.warning(
            "%d labeled images have no score (%d of them with TB; %s): they count neither as positive nor as negative.",
            len(images.not_scored), tb, found,
        )  # fmt: skip
    if images.without_label:
        logger.warning(
            "%d images have no label and are left out (first: %s).", len(images.without_label), images.without_label[0]
        )
    if images.without_prediction:
        first = images.without_prediction[0]
        logger.warning(
            "%d labeled images were not given to the model (first: %s).", len(images.without_prediction), first
        )
    if len(set(images.splits)) > 1 and "train" in images.splits:
        logger.warning(
            "%d of %d images are of the data set's own train split: if the model was trained on them, the threshold is "
            "too hopeful.", images.splits.count("train"), len(images.splits),
        )  # fmt: skip
    scores = images.scores[~np.isnan(images.scores)]
    if np.ptp(scores) == 0:
        logger.warning(
            "All %d scores are %g: they do not tell images apart, and no threshold does.", len(scores), scores[0]
        )
    elif scores.max() <= 1:
        logger.warning(
            "No score_0_100 is above 1 (highest %g): if they are of 0-1, multiply them by 100.", scores.max()
        )
    if positive.sum() < _FEW:
        logger.warning("Only %d images with TB: look at the intervals.", positive.sum())


def _warn_of_training_images(model: Path, labels: Path, images: LabeledPredictions) -> None:
    """Say whether the model was trained on the images, as far as its record and the labels can tell."""
    if file_sha256(model)[:12] not in images.model_version:
        raise ValueError(
            f"{model} is not the model of these predictions ({images.model_version}; the file's hash begins with "
            f"{file_sha256(model)[:12]}); give that one, or leave --model out."
        )
    trained_on = images_trained_on(read_record(model), labels)
    if trained_on is None:
        logger.warning(
            "It cannot be told whether the model was trained on these images: its record fits no split of the labels."
        )
        return
    seen = len({as_written(name) for name in trained_on} & set(images.names))
    if seen:
        logger.warning(
            "The model was trained on %d of these %d images: the threshold is too hopeful; calibrate on others.",
            seen, len(images.names),
        )  # fmt: skip
    else:
        logger.info("The model was trained on none of these images.")


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        file.write(csv_line(COLUMNS))
        file.writelines(csv_line(row[column] for column in COLUMNS) for row in rows)
