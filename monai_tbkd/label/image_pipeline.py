"""The served model and its teacher: one image at a time, with options of a request, reloading changed weights."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.bundle import ConfigParser
from numpy.typing import NDArray

from monai_tbkd.bundle import literal
from monai_tbkd.data import ImageTurn, ReasonCode
from monai_tbkd.engines import describe_module
from monai_tbkd.inference import LocalizationModel
from monai_tbkd.label.app_folder import AppFolder
from monai_tbkd.label.image_ids import series_files
from monai_tbkd.networks import ViewedNet, finished_network
from monai_tbkd.networks.checkpoint import read_record, refuse_other_settings
from monai_tbkd.results.prediction_table import REFUSED, TB
from monai_tbkd.transforms import MapToMask, notice_of
from monai_tbkd.transforms.map_to_boxes import large_components

logger = logging.getLogger(__name__)

LABEL = "tuberculosis"
_BOX_FORMAT = "xmin, ymin, xmax, ymax in pixels of the image as stored; x = column, edges half-open"
_FACTS = ("model_version", "source_format", "warnings", "pixel_steps", "sop_instance_uid")


@dataclass(frozen=True)
class ImageResult:
    """The model's answer for one image; a refused image has a reason and no score.

    Attributes:
        path: the file.
        row: as in ``predictions.json``, see `prediction_row`.
        score: 0-1; None where the image was refused.
        tb_map: TB probabilities ``(1, h, w)`` of 0-1, upright.
        turn: how the stored pixels were turned upright.
        thresholds: that were used, with ``smallest_area`` and ``grid``.
        series: number of images of a series and reasons of those left out.
    """

    path: Path
    row: Mapping[str, Any]
    score: float | None = None
    tb_map: torch.Tensor | None = None
    turn: ImageTurn = field(default_factory=ImageTurn)
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> ReasonCode | None:
        """Why there is no score."""
        return ReasonCode(self.row["reason"]) if self.row["reason"] else None

    @property
    def boxes(self) -> list[list[float]]:
        """``[xmin, ymin, xmax, ymax, score]`` each, in pixels of the image as stored."""
        return self.row.get("boxes") or []

    def mask(self) -> NDArray[np.uint8]:
        """Draw 1 on the parts of the map that boxes are around, ``(height, width)`` of the image as stored."""
        assert self.tb_map is not None
        grid = (self.thresholds["grid"],) * 2
        parts = np.zeros(grid, dtype=np.float32)
        if self.row["decision"] == TB:
            above = MapToMask(grid, self.thresholds["map_threshold"], self.thresholds["mode"])(self.tb_map)[0].numpy()
            parts[large_components(above, self.thresholds["smallest_area"]) > 0] = 1
        size = (self.row["height"], self.row["width"])
        size = size[::-1] if self.turn.transpose else size
        upright = F.interpolate(torch.from_numpy(parts)[None, None], size=size, mode="nearest-exact")[0, 0]
        return self.turn.as_stored(upright.to(torch.uint8).numpy())

    def as_json(self) -> dict[str, Any]:
        """Return the answer of the server, without patient data and without paths."""
        row, used = self.row, self.thresholds
        facts = {key: row[key] for key in _FACTS if row.get(key)}
        answer = {"notice": notice_of(str(row["model_version"])), "status": row["status"], **facts, **self.series}
        if self.reason is not None:
            return {**answer, "reason": self.reason.value, "meaning": self.reason.meaning, "detail": row["detail"]}
        assert self.score is not None
        return {
            **answer,
            "detail": row["detail"],
            "image_score": round(self.score, 4),
            "decision": row["decision"],
            "score_threshold": used["score_threshold"],
            "map_threshold": used["map_threshold"],
            "threshold_mode": used["mode"],
            "threshold_id": used["id"],
            "image_height": row["height"],
            "image_width": row["width"],
            "box_format": _BOX_FORMAT,
            "boxes": [
                {"label": LABEL, "score": score, "bbox": [round(edge, 2) for edge in box]} for *box, score in self.boxes
            ],
        }


class _ServedModel(LocalizationModel):
    """A model with the thresholds of a request."""

    def __init__(self, parser: ConfigParser) -> None:
        super().__init__(parser, pictures=False)
        self._grid, self._area = int(self._get("grid")), float(self._get("smallest_area"))
        own = self.thresholds
        self.defaults = {
            "score_threshold": float(own["score_threshold"]), "map_threshold": float(own["map_threshold"]),
            "threshold_mode": str(own["mode"]), "smallest_area": self._area,
        }  # fmt: skip

    def look(self, path: Path, options: Mapping[str, Any]) -> ImageResult:
        """Locate tuberculosis on one image."""
        # Viewers send back all that they show, rounded; that is no wish.
        shown = {key: shown_value(value) for key, value in self.defaults.items()}
        given = {key: value for key, value in options.items() if shown_value(value) != shown[key]}
        area = given.pop("smallest_area", self._area)
        thresholds, postprocessing = self.thresholds, self.postprocessing
        if given:
            own = {"mode" if key == "threshold_mode" else key: value for key, value in given.items()}
            thresholds = {**thresholds, **own, "id": f"request: {', '.join(sorted(own))}; {thresholds['id']}"}
        if given or area != self._area:
            self.parser["thresholds"], self.parser["smallest_area"] = thresholds, area
            postprocessing = self._get("postprocessing")
        (found,) = self._findings([path], thresholds, postprocessing)
        row = dict(found.row)
        if row["reason"]:  # an `ImageError`, whose path an answer must not tell
            row["detail"] = row["detail"].removeprefix(f"{path}: ").removesuffix(f" ({row['reason']}).")
            return ImageResult(path, row)
        thresholds = {**thresholds, "smallest_area": area, "grid": self._grid}
        return ImageResult(path, row, found.score, found.tb_map, found.turn, thresholds)


class ImagePipeline:
    """The student of an app folder, for the threads of a server.

    Weights and thresholds are read anew when their files change. Weights that cannot be loaded leave the served ones
    in place.

    Raises:
        FileNotFoundError: no weights.
        ValueError: weights of another architecture, pooling or image size than the configs.

    Example:
        >>> ImagePipeline(read_app_folder("label_app"))("image.dcm").score  # doctest: +SKIP
        0.83
    """

    _file = "model.pt"

    def __init__(self, app: AppFolder) -> None:
        self.app, self.weights = app, app.models / self._file
        self._lock = threading.Lock()
        # A server has many threads: here one image at a time is in memory, and one reader process.
        self._at_work = ThreadPoolExecutor(1, "pipeline")
        self._seen = self._signature()
        self._model = self._load()

    @property
    def defaults(self) -> dict[str, Any]:
        """``score_threshold``, ``map_threshold``, ``threshold_mode`` and ``smallest_area`` of the served model."""
        return self.model().defaults

    @property
    def model_version(self) -> str:
        """Of the weights that are served now."""
        return self.model().version

    def __call__(self, path: str | Path, options: Mapping[str, Any] | None = None) -> ImageResult:
        """Locate tuberculosis on an image, or on the one frontal image of a series.

        A series with none or several usable images is refused, since an answer has to be of one image. An image that
        cannot be used has a reason, and nothing is raised.

        Args:
            path: a file, or the folder of a DICOM series.
            options: in place of `defaults`.
        """
        path = Path(path)
        if not path.is_dir():
            return self._at_work.submit(lambda: self.model().look(path, options or {})).result()
        results = [self(each, options) for each in series_files(path)]
        if len(results) == 1:
            return results[0]
        usable = [each for each in results if each.reason is None]
        left_out = sorted(each.reason.value for each in results if each.reason is not None)
        series = {"images_in_series": len(results), "left_out": left_out}
        if len(usable) == 1 or (results and not usable):
            return replace((usable or results)[0], series=series)
        detail = (
            f"a series of {len(results)} images, {len(usable)} of them frontal; expected one frontal image a series"
        )
        reason = ReasonCode.MULTI_FRAME
        row = {"model_version": self.model_version, "status": REFUSED, "reason": reason.value, "detail": detail}
        return ImageResult(path, row, series=series)

    def model(self) -> _ServedModel:
        """Return the model of the present weights."""
        with self._lock:
            signature = self._signature()
            if signature != self._seen:
                self._seen = signature  # weights that cannot be loaded are tried again when they change again
                try:
                    self._model = self._load()
                    logger.info("Weights read anew: %s", self._model.version)
                except Exception:
                    logger.exception("%s: new weights cannot be used; those before go on being served.", self.weights)
            return self._model

    def _signature(self) -> list[tuple[str, int, int, int]]:
        found = []
        for path in (self.weights, self.weights.with_suffix(".json"), self.app.models / "operating_point.json"):
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                found.append((path.name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return found

    def _load(self) -> _ServedModel:
        if not self.weights.is_file():
            raise FileNotFoundError(f"{self.weights}: there are no weights; put the trained model there.")
        return _ServedModel(self.app.parser("inference", student_checkpoint=literal(str(self.weights))))


class TeacherPipeline(ImagePipeline):
    """The teacher, with the student's preprocessing and the view that it was trained with, as ``train.yaml`` has it."""

    _file = "teacher.pt"

    def _load(self) -> _ServedModel:
        content = self.app.parser("train", weights=None).get_parsed_content
        settings = {"image_size": content("image_size"), "pooling": describe_module(content("pooling"))}
        if (record := read_record(self.weights)) is not None:
            refuse_other_settings(record, settings, self.weights)
        network = finished_network(self.weights, content("network_def"), "teacher")
        # the operating point beside it is the student's
        here = {"student_checkpoint": literal(str(self.weights)), "operating_point": "", "load_pretrain": False}
        parser = self.app.parser("inference", **here)
        model = _ServedModel(parser)
        model.network = ViewedNet(network, content("teacher_view")).to(parser.get_parsed_content("device")).eval()
        return model


def shown_value(value: Any) -> Any:
    """Return a value as viewers show it: numbers with four decimals."""
    return round(value, 4) if isinstance(value, float) else value
