"""Films through a bundle's inference config, as a server needs it: one at a time, with options, reloading weights."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from monai_tbkd.bundle import literal
from monai_tbkd.data import FilmTurn, ReasonCode
from monai_tbkd.data.film_dataset import film_error_in
from monai_tbkd.engines import load_trained
from monai_tbkd.label.app_folder import AppFolder
from monai_tbkd.label.film_options import FilmOptions, shown
from monai_tbkd.label.film_result import FilmResult
from monai_tbkd.metrics.calibrated_threshold import input_kind_fault
from monai_tbkd.transforms import MapToMask
from monai_tbkd.transforms.map_to_boxes import large_components

logger = logging.getLogger(__name__)

_FACTS = ("source_format", "warnings", "pixel_steps", "sop_instance_uid")


@dataclass(frozen=True)
class _Loaded:
    """Everything that belongs to one state of the weights; replaced as a whole."""

    signature: tuple[Any, ...]
    parser: ConfigParser
    network: torch.nn.Module
    preprocessing: Any
    inferer: Any
    model_version: str
    thresholds: dict[str, Any]
    smallest_area: float
    grid: int
    amp: bool


class FilmPipeline:
    """Preprocessing, network and postprocessing of ``inference.yaml``, read by MONAI's ``ConfigParser``.

    Weights and thresholds are read anew when their files change. Weights that cannot be loaded leave the ones that are
    served in place.

    Args:
        app: the folder with configs and weights.
        weights: a file to serve instead of the student, such as the teacher's for training.

    Raises:
        FileNotFoundError: no weights.
        ValueError: weights of another architecture, pooling or film size than the configs.

    Example:
        >>> FilmPipeline(read_app_folder("label_app"))("film.dcm").score  # doctest: +SKIP
        0.83
    """

    def __init__(self, app: AppFolder, weights: Path | None = None) -> None:
        self.app, self.weights = app, weights or app.student
        self._lock = threading.Lock()
        # A server has many threads: here one image at a time is in memory, and one reader process.
        self._at_work = ThreadPoolExecutor(1, "pipeline")
        self._refused: tuple[Any, ...] | None = None
        self._loaded = self._load()

    @property
    def defaults(self) -> FilmOptions:
        """Options that stand in for those that a request leaves out."""
        loaded = self._current()
        return FilmOptions(
            score_threshold=float(loaded.thresholds["score_threshold"]),
            map_threshold=float(loaded.thresholds["map_threshold"]),
            threshold_mode=str(loaded.thresholds["mode"]),
            smallest_area=loaded.smallest_area,
        )

    @property
    def model_version(self) -> str:
        """Of the weights that are served now."""
        return self._current().model_version

    def __call__(self, path: str | Path, options: FilmOptions | None = None) -> FilmResult:
        """Look at one film.

        Args:
            path: the file.
            options: thresholds; None takes the model's own.

        Returns:
            What was found; a film that cannot be used has a reason, and nothing is raised.
        """
        return self._at_work.submit(self._look, path, options).result()

    def _look(self, path: str | Path, options: FilmOptions | None) -> FilmResult:
        loaded = self._current()
        try:
            item = loaded.preprocessing({"image": str(path), "name": Path(path).name})
        except Exception as error:
            return _refused(path, error, loaded.model_version)
        image = item.pop("image")
        with torch.no_grad(), self._amp(loaded):
            device = next(loaded.network.parameters()).device
            pred = loaded.inferer(image.as_tensor()[None].to(device), loaded.network)[0].float()
        meta = dict(image.meta)
        size = torch.as_tensor(meta["original_size"], dtype=torch.int64)
        thresholds = self._thresholds(loaded, options)
        found = self._postprocessing(loaded, thresholds, options)({**item, "pred": pred, "original_size": size})
        return self._finding(path, meta, found, thresholds, loaded, options)

    def _finding(
        self,
        path: str | Path,
        meta: Mapping[str, Any],
        found: Mapping[str, Any],
        thresholds: dict[str, Any],
        loaded: _Loaded,
        options: FilmOptions | None,
    ) -> FilmResult:
        height, width = (int(v) for v in meta["original_size"])
        turn = FilmTurn.from_text(meta.get("turn", ""))
        score = float(found["score"])
        fault = input_kind_fault(thresholds["input_kind"], meta.get("source_format"))
        boxes = [
            [*box, s] for box, s in zip(found["pred_boxes"].tolist(), found["pred_box_scores"].tolist(), strict=True)
        ]
        has_boxes = not fault and score >= thresholds["score_threshold"]
        area = self._area(loaded, options)
        return FilmResult(
            path=str(path),
            size=(height, width),
            turn=turn,
            score=score,
            tb_map=found["tb_map"].detach().cpu(),
            mask=self._mask(loaded, found["tb_map"], thresholds, area if has_boxes else None),
            boxes=turn.boxes_as_stored(boxes, (height, width)) if has_boxes else [],
            thresholds=thresholds,
            decided=not fault,
            detail=fault or "",
            facts={
                "model_version": loaded.model_version,
                **{key: str(meta[key]) for key in _FACTS if meta.get(key)},
            },
        )

    def _mask(
        self, loaded: _Loaded, tb_map: torch.Tensor, thresholds: Mapping[str, Any], area: float | None
    ) -> torch.Tensor:
        """The parts of the map that boxes are drawn around; empty where `area` is None."""
        if area is None:
            return torch.zeros(loaded.grid, loaded.grid, dtype=torch.bool)
        to_mask = MapToMask((loaded.grid, loaded.grid), thresholds["map_threshold"], thresholds["mode"])
        mask = to_mask(tb_map)[0].cpu().numpy()
        return torch.from_numpy(large_components(mask, area) > 0)

    def _thresholds(self, loaded: _Loaded, options: FilmOptions | None) -> dict[str, Any]:
        if options is None:
            return dict(loaded.thresholds)
        own = {"score_threshold": "score_threshold", "map_threshold": "map_threshold", "threshold_mode": "mode"}
        given = {own[k]: v for k, v in options.given().items() if k in own}
        # Viewers send back all that they show, rounded; that is no wish.
        given = {k: v for k, v in given.items() if shown(v) != shown(loaded.thresholds[k])}
        if not given:
            return dict(loaded.thresholds)
        return {**loaded.thresholds, **given, "id": f"request: {', '.join(sorted(given))}; {loaded.thresholds['id']}"}

    def _area(self, loaded: _Loaded, options: FilmOptions | None) -> float:
        if options is not None and options.smallest_area is not None:
            return options.smallest_area
        return loaded.smallest_area

    def _postprocessing(self, loaded: _Loaded, thresholds: dict[str, Any], options: FilmOptions | None) -> Any:
        # The parser is one; two requests with different options must not meet in it.
        with self._lock:
            loaded.parser["thresholds"] = thresholds
            loaded.parser["smallest_area"] = self._area(loaded, options)
            return loaded.parser.get_parsed_content("postprocessing")

    def _amp(self, loaded: _Loaded) -> torch.autocast:
        device = next(loaded.network.parameters()).device
        return torch.autocast(device.type, enabled=loaded.amp and device.type == "cuda")

    def _current(self) -> _Loaded:
        with self._lock:
            signature = self._signature()
            if signature not in (self._loaded.signature, self._refused):
                try:
                    self._loaded = self._load()
                    logger.info("Weights read anew: %s", self._loaded.model_version)
                except Exception:
                    # Half a file, or another architecture: tried again when it changes again.
                    self._refused = signature
                    logger.exception("%s: new weights cannot be used; those before go on being served.", self.weights)
            return self._loaded

    def _signature(self) -> tuple[Any, ...]:
        files = (self.weights, self.weights.with_suffix(".json"), self.app.models / "operating_point.json")
        found = []
        for path in files:
            try:
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
            except FileNotFoundError:
                found.append((0, 0, 0))
        return tuple(found)

    def _load(self) -> _Loaded:
        signature = self._signature()
        if not self.weights.is_file():
            raise FileNotFoundError(f"{self.weights}: there are no weights; put the trained model there.")
        parser = self._parser()
        content = parser.get_parsed_content
        network = self._network(parser)
        return _Loaded(
            signature,
            parser,
            network.eval(),
            content("preprocessing"),
            content("inferer"),
            content("model_version"),
            dict(content("thresholds")),
            float(content("smallest_area")),
            int(content("grid")),
            content("amp"),
        )

    def _parser(self) -> ConfigParser:
        """The inference config, for these weights."""
        return self.app.parser("inference", student_checkpoint=literal(str(self.weights)))

    def _network(self, parser: ConfigParser) -> torch.nn.Module:
        """The network with its weights, on its device."""
        content = parser.get_parsed_content
        preprocessing = {key: content(key) for key in ("lung_crop", "film_size", "lung_weights")}
        load_trained(content("network_def"), self.weights, content("pooling"), content("image_size"), preprocessing)
        return content("network")


def _refused(path: str | Path, error: Exception, model_version: str) -> FilmResult:
    found = film_error_in(error)
    if found is None:
        logger.error("%s: %s while it was prepared", path, type(error).__name__, exc_info=error)
        reason, detail = ReasonCode.INTERNAL, f"{type(error).__name__} while it was prepared; see the log"
    else:
        reason, detail = found.reason, found.detail
    return FilmResult(str(path), reason=reason, detail=detail, facts={"model_version": model_version})
