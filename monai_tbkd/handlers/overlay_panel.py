"""A fixed set of films with their maps and boxes in TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from PIL import Image

from monai_tbkd.data.processes import gather_to_first
from monai_tbkd.handlers.stage_writer import StageWriter
from monai_tbkd.transforms import Panel, draw_panels, film_for_display, rescale_boxes
from monai_tbkd.transforms.frozen_features import PICTURE


class OverlayPanel:
    """Draw the same films at every validation, one below the other, so that one sees the map move.

    Attach it to an evaluator whose post-processing leaves ``tb_map``, ``score``, ``pred_boxes`` and
    ``pred_box_scores`` in its output, on data with ``name``.

    Args:
        summary_writer: the run's shared writer.
        items: datalist items, with ``name``, ``class_name``, ``boxes`` and ``size``; the first four with boxes and the
            first two of the other classes are drawn.
        grid: cells along each side of the grid that predicted boxes refer to.
        tag: name of the picture in TensorBoard.
    """

    def __init__(
        self,
        summary_writer: StageWriter,
        items: Sequence[dict[str, Any]],
        grid: int,
        tag: str = "val/overlays",
    ) -> None:
        self.writer, self.tag, self.grid_size = summary_writer, tag, (grid, grid)
        self.items = {item["name"]: item for item in panel_items(items)}
        self.pictures: dict[str, Image.Image] = {}

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)

    def collect(self, engine: Engine) -> None:
        """Draw those films of the batch that are in the panel."""
        for batch, output in zip(engine.state.batch, engine.state.output):
            item = self.items.get(batch["name"])
            if item is not None:
                self.pictures[item["name"]] = self._draw(item, batch.get(PICTURE, batch["image"]), output)

    def write(self, engine: Engine) -> None:
        """Write the panel, with the films that other processes have seen."""
        for part in gather_to_first(self.pictures) or []:
            self.pictures |= part
        pictures = [self.pictures[name] for name in self.items if name in self.pictures]
        if pictures:
            width = max(p.width for p in pictures)
            sheet = np.concatenate([np.pad(np.asarray(p), ((0, 0), (0, width - p.width), (0, 0))) for p in pictures])
            # ValidationHandler gives the evaluator the trainer's epoch
            self.writer.add_image(self.tag, sheet, engine.state.epoch, dataformats="HWC")
            self.writer.flush()
        self.pictures = {}

    def _draw(self, item: dict[str, Any], image: torch.Tensor, output: dict[str, Any]) -> Image.Image:
        film = film_for_display(image)
        true = rescale_boxes(torch.tensor(item["boxes"] or []), item["size"], film.shape)
        boxes = rescale_boxes(output["pred_boxes"], self.grid_size, film.shape)
        score = 100 * float(output["score"])
        panels = [
            Panel("film, true boxes", true_boxes=true),
            Panel("map, predicted boxes", output["tb_map"], boxes=boxes, box_scores=output["pred_box_scores"]),
        ]
        return draw_panels(film, panels, f"{item['name']} ({item['class_name']})   score {score:.0f}", panel_size=256)


def panel_items(items: Sequence[dict[str, Any]], tb: int = 4, other: int = 2) -> list[dict[str, Any]]:
    """The first films with boxes and the first of the other classes, a fixed choice.

    Args:
        items: datalist items.
        tb: films with tuberculosis.
        other: films without.
    """
    positive = [i for i in items if i["class_name"] == "tb" and i["boxes"]][:tb]
    return positive + [i for i in items if i["class_name"] != "tb"][:other]
