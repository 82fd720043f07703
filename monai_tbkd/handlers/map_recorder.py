"""Maps, scores and localization metrics of an evaluation."""

from __future__ import annotations

import numpy as np
from ignite.engine import Engine, Events
from monai.handlers import IgniteMetricHandler, from_engine

from monai_tbkd.data.files.processes import gather_to_first
from monai_tbkd.metrics import PointingGame, Predictions, UnionMaskIoU


class MapRecorder:
    """Collect ``tb_map`` and ``score`` of every image that an evaluator sees, by name.

    Maps keep the grid and the precision of post-processing: 64 kilobytes an image for 128 x 128 cells.
    """

    def __init__(self) -> None:
        self.maps: dict[str, np.ndarray] = {}
        self.scores: dict[str, float] = {}

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.gather)

    def reset(self) -> None:
        """Start anew, at the start of each run."""
        self.maps, self.scores = {}, {}

    def gather(self) -> None:
        """Bring what other processes have seen to the first one."""
        parts = gather_to_first((self.maps, self.scores))
        for maps, scores in parts or []:
            self.maps |= maps
            self.scores |= scores

    def __call__(self, engine: Engine) -> None:
        """Keep the images of one batch."""
        for batch, output in zip(engine.state.batch, engine.state.output):
            self.maps[batch["name"]] = output["tb_map"][0].cpu().numpy()
            self.scores[batch["name"]] = float(output["score"])

    def predictions(self, names: list[str]) -> Predictions:
        """Maps and scores of the named images, in that order; ValueError for one that was not seen."""
        missing = [n for n in names if n not in self.maps]
        if missing:
            raise ValueError(f"{len(missing)} images were not evaluated (first: {missing[0]}).")
        maps = np.stack([self.maps[n] for n in names]).astype(np.float32)
        return Predictions(maps, np.array([self.scores[n] for n in names]))


def localization_metrics() -> dict[str, IgniteMetricHandler]:
    """Union-mask mIoU and pointing game, for ``additional_metrics`` of an evaluator.

    Post-processing has to leave ``tb_mask``, ``tb_map`` and ``true_mask`` in the output.
    """
    metrics = {"val/union_mask_miou": (UnionMaskIoU(), "tb_mask"), "val/pointing_game": (PointingGame(), "tb_map")}
    return {
        name: IgniteMetricHandler(metric_fn=metric, output_transform=from_engine([found, "true_mask"]))
        for name, (metric, found) in metrics.items()
    }
