"""Films through the teacher, for what it sees otherwise than its student."""

from __future__ import annotations

import torch
from monai.bundle import ConfigParser

from monai_tbkd.bundle import literal
from monai_tbkd.engines import describe_module
from monai_tbkd.label.app_folder import AppFolder
from monai_tbkd.label.film_pipeline import FilmPipeline
from monai_tbkd.networks import ViewedNet, finished_network
from monai_tbkd.networks.checkpoint import read_record, refuse_other_settings


class TeacherPipeline(FilmPipeline):
    """A film prepared as for the student, and the teacher's map of it through the view that it was trained with.

    Network and view are those of ``train.yaml``; the backbone's own weights need not be there, since the checkpoint has
    all of them.

    Args:
        app: with ``teacher.pt``.

    Raises:
        FileNotFoundError: no teacher.
        ValueError: a teacher of another architecture, pooling or film size than the configs.
    """

    def __init__(self, app: AppFolder) -> None:
        super().__init__(app, app.teacher)

    def _parser(self) -> ConfigParser:
        # the operating point beside it is the student's
        return self.app.parser("inference", student_checkpoint=literal(str(self.weights)), operating_point="")

    def _network(self, parser: ConfigParser) -> torch.nn.Module:
        content = self.app.parser("train", weights=None).get_parsed_content
        pooling, size = content("pooling"), content("image_size")
        record = read_record(self.weights)
        if record is not None:
            refuse_other_settings(record, {"image_size": size, "pooling": describe_module(pooling)}, self.weights)
        network = finished_network(self.weights, content("network_def"), "teacher")
        return ViewedNet(network, content("teacher_view")).to(parser.get_parsed_content("device"))
