"""A trained model with the preprocessing and the post-processing of inference.yaml."""

from __future__ import annotations

import difflib
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from numpy.typing import NDArray

from monai_tbkd.bundle import bundle_files, literal, model_settings, released_model
from monai_tbkd.bundle.config_files import find_config, read_config
from monai_tbkd.bundle.plain_errors import parsed_content
from monai_tbkd.data import image_meta
from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.data.readers import ImageLimits
from monai_tbkd.data.readers.reason_codes import named_errors
from monai_tbkd.inference.finding import Finding
from monai_tbkd.metrics.calibrated_threshold import MIXED
from monai_tbkd.results.prediction_row import prediction_row

ImageLike = str | os.PathLike[str] | NDArray[Any] | torch.Tensor
"""A file, or gray values ``(H, W)`` or ``(1, H, W)``, upright, larger is brighter."""


class LocalizationModel:
    """A model that finds where tuberculosis is on chest X-rays; :func:`load_model` makes it.

    Research use only, not for diagnosis. Preprocessing and post-processing are those of inference.yaml.

    Args:
        parser: inference.yaml with what lies over it; weights are loaded here.
        pictures: keep of each image what an overlay is drawn on.

    Attributes:
        network: from normalized images ``(B, 3, H, W)`` to maps in logits ``(B, 1, h, w)``; an ordinary module.
        preprocessing: from a file to the network's input.
        version: the program's version, the model's name and the hash of its weights.
        parser: the config; ``parser.get_parsed_content("pooling")`` and so on.
    """

    def __init__(self, parser: ConfigParser, pictures: bool = True) -> None:
        self.parser = parser
        parser["images_to_do"] = ()
        parser["keep_whole_image"] = pictures
        self._get("loaded")
        self.network: torch.nn.Module = self._get("network").eval()
        self.thresholds: dict[str, Any] = dict(self._get("thresholds"))
        self.preprocessing, self.postprocessing = self._get("preprocessing").flatten(), self._get("postprocessing")
        self._dataset, self._batch_size = self._get("dataset"), int(self._get("batch_size"))
        self._dataset.transform = self._prepare
        self._device = torch.device(self._get("device"))
        self.version = str(self._get("model_version"))

    @overload
    def locate(self, images: ImageLike, score_threshold: float | None = None) -> Finding: ...

    @overload
    def locate(self, images: list[ImageLike], score_threshold: float | None = None) -> list[Finding]: ...

    def locate(
        self, images: ImageLike | list[ImageLike], score_threshold: float | None = None
    ) -> Finding | list[Finding]:
        """Find tuberculosis on one image, or on several in batches.

        Args:
            images: a file (PNG, JPEG, TIFF, BMP, DICOM, NIfTI, MetaImage, NRRD); an array or a tensor ``(H, W)`` or
                ``(1, H, W)``, upright, rows first, larger is brighter; or a list of these.
            score_threshold: 0-1, at or above which an image is called TB suggestive and has boxes; None takes that of
                `thresholds`.

        Returns:
            A finding, or a list of them. A file that cannot be used has a reason, and nothing is raised.

        Raises:
            TypeError: an image that is none of these.
            ValueError: an array of one value, or with values that are not finite.
        """
        if isinstance(images, list):
            batches = [images[first : first + self._batch_size] for first in range(0, len(images), self._batch_size)]
            given = self._thresholds(score_threshold)
            return [finding for batch in batches for finding in self._findings(batch, *given)]
        return next(self._findings([images], *self._thresholds(score_threshold)))

    def _findings(self, images: Sequence[Any], found: Mapping[str, Any], postprocessing: Any) -> Iterator[Finding]:
        self._dataset.data = [_item(each, number) for number, each in enumerate(images)]
        items = [self._dataset[number] for number in range(len(images))]
        usable = [item["image"].as_tensor() for item in items if not item["reason"]]
        with torch.no_grad():
            maps = iter(self.network(torch.stack(usable).to(self._device)).float() if usable else ())
        for item in items:
            more = {key: value for key, value in item.items() if key not in ("image", "whole_image")}
            output = {} if item["reason"] else postprocessing({**more, "pred": next(maps)})
            row = prediction_row(item, output, found["score_threshold"], found["id"], found["input_kind"], self.version)
            yield Finding(row, float(output["score"]) if output else None, item, output)

    def _thresholds(self, score_threshold: float | None) -> tuple[dict[str, Any], Any]:
        if score_threshold in (None, self.thresholds["score_threshold"]):
            return self.thresholds, self.postprocessing
        if not is_number(score_threshold, 0, 1):
            raise ValueError(f"score_threshold is {score_threshold!r}; expected 0 to 1.")
        given = {"score_threshold": score_threshold, "id": f"given; {self.thresholds['id']}", "input_kind": MIXED}
        self.parser["thresholds"] = {**self.thresholds, **given}
        return self._get("thresholds"), self._get("postprocessing")

    def _prepare(self, item: Mapping[Hashable, Any]) -> Any:
        if isinstance(item["image"], str):
            return self.preprocessing(item)
        limits = ImageLimits(self._get("min_side"), self._get("max_pixels"))
        with named_errors(str(item["name"])):
            limits.check(*item["image"].shape[1:])
        return self.preprocessing(item, start=1)  # the reader comes first

    def _get(self, key: str) -> Any:
        return parsed_content(self.parser, key)


def load_model(
    ckpt_dir: str | os.PathLike[str] | None = None, device: str | torch.device | None = None, **settings: Any
) -> LocalizationModel:
    """Load a trained model; research use only, not for diagnosis.

    Args:
        ckpt_dir: folder of ``model.pt``, its record and its operating point; None takes the released model.
        device: where it computes; None takes CUDA where there is one.
        settings: other ids of inference.yaml, such as ``score_threshold=0.3``.

    Returns:
        The model, ready to :meth:`~LocalizationModel.locate`.

    Raises:
        FileNotFoundError: no such model.
        ValueError: an unknown setting, or one that the model was not trained with.

    Example:
        >>> import monai_tbkd
        >>> model = monai_tbkd.load_model()  # doctest: +SKIP
        >>> finding = model.locate("image.dcm")  # doctest: +SKIP
        >>> finding.score, finding.boxes  # doctest: +SKIP
        (0.83, array([[412., 310., 655., 540.]], dtype=float32))
    """
    folder = Path(ckpt_dir).absolute() if ckpt_dir is not None else released_model()
    if not (folder / "model.pt").is_file():
        raise FileNotFoundError(f"{folder}: no model.pt; expected the folder of a trained model.")
    parser = ConfigParser()
    configs = bundle_files() / "configs"
    parser.read_config(str(find_config(configs, "inference")))
    shared = read_config(find_config(configs, "preprocessing"))
    parser.update({key: shared[key] for key in ("min_side", "max_pixels") if key not in parser})
    parser["bundle_root"] = literal(str(configs.parent))
    for key, value in settings.items():
        if key not in parser and key not in shared:
            near = difflib.get_close_matches(key, {**shared, **parser.get()}, 1)
            raise ValueError(f"{key} is no setting of inference.yaml{f'; did you mean {near[0]}?' if near else '.'}")
        parser[key] = literal(os.fspath(value)) if isinstance(value, (str, os.PathLike)) else value
    parser["ckpt_dir"] = literal(str(folder))
    if device is not None:
        parser["device"] = torch.device(device)
    parser.update(model_settings(parser.get(), folder / "model.pt"))
    return LocalizationModel(parser)


def _item(image: Any, number: int) -> dict[str, Any]:
    """An image of `locate` as an item of a data set: a path, or what the reader would give of an array."""
    if isinstance(image, (str, os.PathLike)):
        return {"image": os.fspath(image), "name": Path(image).name}
    name = f"array {number}"
    if not isinstance(image, (np.ndarray, torch.Tensor)):
        raise TypeError(f"An image is {type(image).__name__}; expected a path, an array or a tensor.")
    known = image.meta if isinstance(image, MetaTensor) else {}
    array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else image
    pixels = np.asarray(array[None] if array.ndim == 2 else array).astype(np.float32)
    if pixels.ndim != 3 or pixels.shape[0] != 1:
        raise TypeError(f"An image is of shape {array.shape}; expected gray values (H, W) or (1, H, W).")
    own = image_meta((pixels.shape[1], pixels.shape[2]))
    kept = ("spacing_mm", "sop_instance_uid", "source_format", "turn", "warnings")
    of_file = {key: known[key] for key in kept if key in known}
    if not np.isfinite(pixels).all() or pixels.min() == pixels.max():
        raise ValueError("An image has values that are not finite, or all of one value.")
    meta = {**own, **of_file, "filename_or_obj": str(known.get("filename_or_obj", name))}
    return {"image": MetaTensor(torch.from_numpy(pixels), meta=meta), "name": name}
