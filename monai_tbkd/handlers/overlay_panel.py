"""A fixed set of images with their maps and boxes in TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from PIL import Image

from monai_tbkd.data.files.processes import gather_to_first
from monai_tbkd.handlers.stage_writer import StageWriter
from monai_tbkd.transforms import Panel, draw_panels, image_for_display, rescale_boxes
from monai_tbkd.transforms.frozen_features import PICTURE


class OverlayPanel:
    """Draw the same images at every validation, one below the other.

    Post-processing has to leave ``tb_map``, ``score``, ``pred_boxes`` and ``pred_box_scores`` in the output, on data
    with ``name``.

    Args:
        summary_writer: the run's shared writer.
        items: datalist items, with ``name``, ``class_name``, ``boxes`` and ``size``; the first four with boxes and the
            first two of the other classes are drawn.
        grid: cells along each side of the grid that predicted boxes refer to.
    """

    def __init__(self, summary_writer: StageWriter, items: Sequence[dict[str, Any]], grid: int) -> None:
        self.writer, self.grid_size = summary_writer, (grid, grid)
        with_boxes = [item for item in items if item["class_name"] == "tb" and item["boxes"]][:4]
        others = [item for item in items if item["class_name"] != "tb"][:2]
        self.items = {item["name"]: item for item in (*with_boxes, *others)}
        self.pictures: dict[str, Image.Image] = {}

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)

    def collect(self, engine: Engine) -> None:
        """Draw those images of the batch that are in the panel."""
        for batch, output in zip(engine.state.batch, engine.state.output):
            item = self.items.get(batch["name"])
            if item is not None:
                self.pictures[item["name"]] = self._draw(item, batch.get(PICTURE, batch["image"]), output)

    def write(self, engine: Engine) -> None:
        """Write the panel, with the images that other processes have seen."""
        for part in gather_to_first(self.pictures) or []:
            self.pictures |= part
        pictures = [self.pictures[name] for name in self.items if name in self.pictures]
        if pictures:
            width = max(p.width for p in pictures)
            sheet = np.concatenate([np.pad(np.asarray(p), ((0, 0), (0, width - p.width), (0, 0))) for p in pictures])
            # ValidationHandler gives the evaluator the trainer's epoch
            self.writer.add_image("val/overlays", sheet, engine.state.epoch, dataformats="HWC")
            self.writer.flush()
        self.pictures = {}

    def _draw(self, item: dict[str, Any], image: torch.Tensor, output: dict[str, Any]) -> Image.Image:
        gray = image_for_display(image)
        true = rescale_boxes(torch.tensor(item["boxes"] or []), item["size"], gray.shape)
        boxes = rescale_boxes(output["pred_boxes"], self.grid_size, gray.shape)
        score = 100 * float(output["score"])
        panels = [
            Panel("image, true boxes", true_boxes=true),
            Panel("map, predicted boxes", output["tb_map"], boxes=boxes, box_scores=output["pred_box_scores"]),
        ]
        return draw_panels(gray, panels, f"{item['name']} ({item['class_name']})   score {score:.0f}", panel_size=256)
