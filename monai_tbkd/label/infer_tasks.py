"""The models of the app: boxes, map and score of one image, and batches of images."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.batch_infer import BatchInferTask
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from monai_tbkd.label.image_geometry import image_geometry
from monai_tbkd.label.image_pipeline import LABEL, ImagePipeline, ImageResult, shown_value
from monai_tbkd.label.label_map import MASK_SUFFIXES, write_mask
from monai_tbkd.label.request_models import InferParams, picked
from monai_tbkd.label.slicer_markups import boxes_to_markups
from monai_tbkd.results.prediction_table import DONE, FAILED, REFUSED
from monai_tbkd.transforms.map_to_boxes import THRESHOLD_MODES

logger = logging.getLogger(__name__)

_SUFFIX_OF = {"nifti": ".nii.gz", "dicom": ".nrrd", "nrrd": ".nrrd", "metaimage": ".nrrd"}


class ImageTask(InferTask):
    """The model with one kind of answer, by which viewers choose what to do with it; all share one pipeline."""

    kind: InferType
    said: str

    def __init__(self, pipeline: ImagePipeline) -> None:
        super().__init__(self.kind, {LABEL: 1}, 2, f"{self.said} (research use only, not for diagnosis)")
        self.pipeline = pipeline

    def config(self) -> dict[str, Any]:
        """Options of a request with their defaults; viewers make a field of a number and a choice of a list."""
        shown = {key: shown_value(value) for key, value in self.pipeline.defaults.items()}
        modes = sorted(THRESHOLD_MODES, key=lambda mode: mode != shown["threshold_mode"])
        return {**shown, "threshold_mode": modes}

    def is_valid(self) -> bool:
        return True

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Return a file, or None where there is nothing to draw, and the answer for ``request["image"]``."""
        found = self.pipeline(request["image"], picked(InferParams, request, self.pipeline.defaults))
        answer = {"model": request.get("model"), **found.as_json()}
        if found.reason is not None:
            logger.info("%s: no score (%s)", request.get("model"), found.reason)
            return None, answer
        write = request.get("result_write_to_file", True)
        return (self.file(found, request) if write else None), self.more(answer)

    def file(self, found: ImageResult, request: Mapping[str, Any]) -> str | None:
        """The file that goes with the answer."""
        return None

    def more(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer with what clients of this kind of model look for."""
        return answer


class ScoreTask(ImageTask):
    """``tb_score``: classification."""

    kind, said = InferType.CLASSIFICATION, "Score of tuberculosis, 0-1"

    def more(self, answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "prediction": [{"idx": 1, "label": LABEL, "score": answer["image_score"]}]}


class BoxesTask(ImageTask):
    """``tb_boxes``: detection; the file is a markups document for 3D Slicer."""

    kind, said = InferType.DETECTION, "Boxes of tuberculosis with scores"

    def file(self, found: ImageResult, request: Mapping[str, Any]) -> str | None:
        target = _new_file(".json")
        target.write_text(json.dumps(boxes_to_markups(found.boxes, image_geometry(found.path))), encoding="utf-8")
        return str(target)

    def more(self, answer: dict[str, Any]) -> dict[str, Any]:
        """CVAT's stock function looks for polygons at ``annotations``."""
        elements = [
            {"label": LABEL, "contours": [[[xmin, ymin], [xmax, ymin], [xmax, ymax], [xmin, ymax]]]}
            for xmin, ymin, xmax, ymax in (box["bbox"] for box in answer["boxes"])
        ]
        annotation = {"location": [0, 0], "size": [0, 0], "elements": elements, "labels": {LABEL: [255, 0, 0]}}
        return {**answer, "annotations": [{"annotation": annotation}] if elements else []}


class MapTask(ImageTask):
    """``tb_map``: segmentation; the file is a mask of the parts of the map that boxes are drawn around."""

    kind, said = InferType.SEGMENTATION, "Map of tuberculosis above the threshold"

    def file(self, found: ImageResult, request: Mapping[str, Any]) -> str | None:
        suffix = request.get("result_extension") or _SUFFIX_OF.get(str(found.row["source_format"]), ".png")
        if suffix not in MASK_SUFFIXES:
            raise ValueError(f"result_extension is {suffix!r}; expected {', '.join(MASK_SUFFIXES)}.")
        target = _new_file(suffix)
        write_mask(found.mask(), target, image_geometry(found.path))
        return str(target)


class ImageBatchInfer(BatchInferTask):
    """Images through one model, one after the other; one that fails gets an answer that says why."""

    def __call__(self, request: Mapping[str, Any], datastore: Any, infer: Callable[..., Any]) -> dict[str, Any]:
        """Run `infer` on the images ``all``, ``labeled``, ``unlabeled``, or on a list of identifiers.

        Returns:
            How it ends, such as ``19 done, 5 refused``, and the reason of each image without an answer.
        """
        images = sorted(self.get_images(request, datastore))[: request.get("max_batch_size") or None]
        states, reasons = [], {}
        for number, image in enumerate(images, start=1):
            try:
                done = infer({**request, "image": image, "save_label": True}, datastore)
                if done.get("file"):
                    Path(done["file"]).unlink(missing_ok=True)
                answer = done["params"]
            except Exception as error:
                logger.exception("%s: no answer", image)
                answer = {"status": FAILED, "reason": "INTERNAL", "detail": type(error).__name__}
            states.append(answer["status"])
            if answer.get("reason"):
                reasons[image] = answer["reason"]
            logger.info("%s: %s, %d / %d", image, answer["status"], number, len(images))
        counts = [f"{states.count(state)} {state}" for state in (DONE, REFUSED, FAILED) if state in states]
        ends = ", ".join(counts) or "no images"
        logger.info("The batch ends: %s", ends)
        return {"ends": ends, "reasons": reasons}


def _new_file(suffix: str) -> Path:
    handle, name = tempfile.mkstemp(suffix=suffix)
    os.close(handle)
    return Path(name)
