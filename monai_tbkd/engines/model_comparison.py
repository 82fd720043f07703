"""Evaluate teacher, control and student beside blind baselines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from torch import nn

from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.data.files.processes import go_on_alone, rank
from monai_tbkd.data.lists.datalist_item import evaluation_items
from monai_tbkd.engines.evaluation_board import write_evaluation_board
from monai_tbkd.engines.evaluation_result import evaluation_result
from monai_tbkd.engines.stages import finished_part, finished_records, has_other_features
from monai_tbkd.engines.training_images import features_of
from monai_tbkd.handlers.map_recorder import MapRecorder
from monai_tbkd.metrics import Comparison, Predictions, table
from monai_tbkd.metrics.blind_baselines import LUNG_PRIOR
from monai_tbkd.networks.symmetric_map_net import SymmetricMapNet, whole_network
from monai_tbkd.report.evaluation_images import write_image_overlays
from monai_tbkd.report.evaluation_page import read_robustness, write_evaluation_page
from monai_tbkd.report.image_table import FILE as IMAGE_TABLE
from monai_tbkd.report.image_table import write_image_table
from monai_tbkd.transforms.frozen_features import LUNG_FIELD
from monai_tbkd.transforms.student_target import AddLungPriord

logger = logging.getLogger(__name__)


@dataclass
class ModelComparison:
    """Run each finished network over the selection and the reported split, and write ``metrics.json`` and reports.

    A network whose training has not finished is left out with a warning; the student has to be there.
    """

    evaluator: SupervisedEvaluator  # leaves tb_map and score; its network and data are set here
    recorder: MapRecorder  # among the evaluator's handlers
    loaders: Mapping[str, DataLoader]  # of the splits select and test
    networks: Mapping[str, Mapping[str, Any]]  # student, control, teacher: checkpoint and, if it has one, view
    comparison: Comparison
    output_dir: str | Path  # gets metrics.json, report.html and comparison/, pictures of reported images
    operating_point: str | Path  # file for the student's thresholds, read by inference
    student: nn.Module  # what is trained, see `trained_part`
    postprocessing: Callable[[dict[str, Any]], dict[str, Any]]  # of the evaluator, for the lungs' prior
    overlays: int  # reported images to draw
    settings: Mapping[str, Any]  # a network trained with others is refused, see `comparable_settings`
    facts: Mapping[str, Any]  # kept in metrics.json
    report: bool  # write report.html
    preprocessing: Callable[[Any], Any]  # of train.yaml, for a network with another backbone
    board_dir: str | Path | None = None  # for TensorBoard's runs of the evaluation
    kept_dir: str | Path | None = None  # of kept features

    def run(self) -> dict[str, Any]:
        """Evaluate, compare, write; returns the content of ``metrics.json`` (of several processes the first one).

        Raises:
            FileNotFoundError: the student has not finished.
        """
        folder = Path(self.output_dir)
        records: dict[str, Any] = {}
        predictions: dict[str, dict[str, Predictions]] = {}
        for name, _, record in finished_records(self.networks, self.settings):
            records[name] = record
            predictions[name] = self._predict(name)
        self._add_lung_prior()
        if not go_on_alone():  # the first process has all predictions
            return {}
        self._check_teacher(records)
        if self.comparison.resamples:
            result = evaluation_result(self.comparison, predictions, self.facts, self.settings, records)
            write_json(folder / "metrics.json", result)
        else:
            result = self.comparison.run(predictions)
        write_image_table(folder / IMAGE_TABLE, self.comparison.truth["test"], self.comparison.measured)
        if not self.comparison.resamples:
            return result
        point = result["predictors"]["student"]["operating_point"]
        write_json(self.operating_point, {**point, "model_sha256": records["student"]["sha256"]})
        drawn = write_image_overlays(folder / "comparison", self.comparison, predictions, result, self.overlays)
        if self.report:
            write_evaluation_page(folder, result, self.comparison, predictions, read_robustness(folder, result))
        if self.board_dir is not None:
            write_evaluation_board(self.board_dir, result, self.comparison.items["test"], predictions, drawn)
        logger.info("\n%s", table(result))
        return result

    def _check_teacher(self, records: Mapping[str, Any]) -> None:
        taught_by = (records.get("student") or {}).get("settings", {}).get("teacher_sha256")
        teacher = (records.get("teacher") or {}).get("sha256")
        if taught_by and teacher and taught_by != teacher:
            logger.warning("The student was distilled from another teacher than the one that is compared here.")

    def _predict(self, name: str) -> dict[str, Predictions]:
        spec = self.networks[name]
        network = finished_part(spec["checkpoint"], self.student, name, spec.get("view"))
        self.evaluator.network = network
        out = {}
        for split, loader in self.loaders.items():
            if has_other_features(self.student, network):
                loader = self._own_loader(split, loader, network)
            logger.info("Evaluating the %s on the %s split (%d images).", name, split, len(loader.dataset))
            self.evaluator.data_loader = loader
            self.evaluator.state.epoch_length = len(loader)
            self.evaluator.run()
            if rank() == 0:
                out[split] = self.recorder.predictions([i["name"] for i in self.comparison.items[split]])
        return out

    def _own_loader(self, split: str, loader: DataLoader, network: nn.Module) -> DataLoader:
        """Load a split with the features of a network with another backbone."""
        items, whole = evaluation_items(self.comparison.items[split]), cast(SymmetricMapNet, whole_network(network))
        images = features_of(items, whole, self.preprocessing, self.kept_dir)
        dataset = Dataset(images, loader.dataset.transform)
        return DataLoader(dataset, batch_size=loader.batch_size, num_workers=loader.num_workers)

    def _add_lung_prior(self) -> None:
        """Add the target's location prior, which depends on the lung field alone, as a blind predictor."""
        images = {split: loader.dataset for split, loader in self.loaders.items()}
        if any(LUNG_FIELD not in each[0] for each in images.values()):
            return
        prior = AddLungPriord()
        cells = images["select"][0]["image"].shape[-2:]
        self.comparison.blind[LUNG_PRIOR] = {
            split: np.stack([
                self.postprocessing({**item, "pred": prior.prior(item[LUNG_FIELD][None], cells)[0]})["tb_map"][0]
                for item in map(own.__getitem__, range(len(own)))
            ])
            for split, own in images.items()
        }  # fmt: skip
