"""The models of the app: boxes, map and score of one film."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from monai_tbkd.label.film_geometry import film_geometry
from monai_tbkd.label.film_options import read_options
from monai_tbkd.label.film_pipeline import FilmPipeline
from monai_tbkd.label.film_result import LABEL, FilmResult
from monai_tbkd.label.label_map import PLACED_SUFFIXES, PLAIN_SUFFIXES, film_mask, write_mask
from monai_tbkd.label.series_film import look_at
from monai_tbkd.label.slicer_markups import boxes_to_markups

logger = logging.getLogger(__name__)

Answer = tuple[str | None, dict[str, Any]]


class FilmTask(InferTask):
    """One face of the model; what differs is the file that goes with the answer.

    Args:
        pipeline: shared by all faces, so that the network is there once.
        kind: MONAI Label's type, by which viewers choose what to do with the answer.
        description: one line.
    """

    def __init__(self, pipeline: FilmPipeline, kind: InferType, description: str) -> None:
        super().__init__(kind, {LABEL: 1}, 2, f"{description} (research use only, not for diagnosis)")
        self.pipeline = pipeline

    def info(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "labels": self.labels,
            "dimension": self.dimension,
            "description": self.description,
            "config": self.config(),
        }

    def config(self) -> dict[str, Any]:
        """Options that a request may turn, with the values that hold if it does not."""
        return self.pipeline.defaults.displayable()

    def is_valid(self) -> bool:
        return True

    def get_path(self, validate: bool = True) -> str | None:
        """The weights' file."""
        path = self.pipeline.weights
        return str(path) if path.is_file() or not validate else None

    def __call__(self, request: Mapping[str, Any]) -> Answer:
        """Look at the film at ``request["image"]``.

        Returns:
            A file, or None where the film was refused or there is nothing to draw, and the answer.

        Raises:
            ValueError: an option that cannot be.
        """
        finding, facts = look_at(self.pipeline, Path(request["image"]), read_options(request))
        answer = {"model": request.get("model"), **finding.as_json(), **facts}
        if finding.reason is not None:
            logger.info("%s: no score (%s)", request.get("model"), finding.reason)
            return None, answer
        return self.file(finding, request), self.more(finding, answer)

    def file(self, finding: FilmResult, request: Mapping[str, Any]) -> str | None:
        """The file that goes with the answer."""
        return None

    def more(self, finding: FilmResult, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer with what clients of this kind of model look for."""
        return answer


class ScoreTask(FilmTask):
    """``tb_score``: classification."""

    def __init__(self, pipeline: FilmPipeline) -> None:
        super().__init__(pipeline, InferType.CLASSIFICATION, "Score of tuberculosis, 0-1")

    def more(self, finding: FilmResult, answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "prediction": [{"idx": 1, "label": LABEL, "score": answer["image_score"]}]}


class BoxesTask(FilmTask):
    """``tb_boxes``: detection; the file is a markups document for 3D Slicer."""

    def __init__(self, pipeline: FilmPipeline) -> None:
        super().__init__(pipeline, InferType.DETECTION, "Boxes of tuberculosis with scores")

    def file(self, finding: FilmResult, request: Mapping[str, Any]) -> str | None:
        if not request.get("result_write_to_file", True):
            return None
        markups = boxes_to_markups(finding.boxes, film_geometry(finding.path))
        target = _new_file(".json")
        target.write_text(json.dumps(markups), encoding="utf-8")
        return str(target)

    def more(self, finding: FilmResult, answer: dict[str, Any]) -> dict[str, Any]:
        """CVAT's stock function looks for polygons at ``annotations``."""
        elements = [
            {"label": LABEL, "contours": [[[xmin, ymin], [xmax, ymin], [xmax, ymax], [xmin, ymax]]]}
            for xmin, ymin, xmax, ymax in (box["bbox"] for box in answer["boxes"])
        ]
        annotation = {"location": [0, 0], "size": [0, 0], "elements": elements, "labels": {LABEL: [255, 0, 0]}}
        return {**answer, "annotations": [{"annotation": annotation}] if elements else []}


class MapTask(FilmTask):
    """``tb_map``: segmentation; the file is a mask of the parts of the map that boxes are drawn around."""

    def __init__(self, pipeline: FilmPipeline) -> None:
        super().__init__(pipeline, InferType.SEGMENTATION, "Map of tuberculosis above the threshold")

    def file(self, finding: FilmResult, request: Mapping[str, Any]) -> str | None:
        if not request.get("result_write_to_file", True):
            return None
        geometry = film_geometry(finding.path)
        target = _new_file(_mask_suffix(finding, request))
        write_mask(film_mask(finding), target, geometry)
        return str(target)


def _mask_suffix(finding: FilmResult, request: Mapping[str, Any]) -> str:
    asked = request.get("result_extension")
    if asked:
        if asked not in (*PLAIN_SUFFIXES, *PLACED_SUFFIXES):
            raise ValueError(
                f"result_extension is {asked!r}; expected {', '.join((*PLAIN_SUFFIXES, *PLACED_SUFFIXES))}."
            )
        return str(asked)
    return {"nifti": ".nii.gz", "dicom": ".nrrd", "nrrd": ".nrrd", "metaimage": ".nrrd"}.get(
        str(finding.facts.get("source_format")), ".png"
    )


def _new_file(suffix: str) -> Path:
    handle, name = tempfile.mkstemp(suffix=suffix)
    os.close(handle)
    return Path(name)
