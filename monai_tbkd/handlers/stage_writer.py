"""What a stage writes for TensorBoard: curves, and some images with their maps and boxes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from PIL import Image
from torch.optim import Optimizer
from torch.utils.tensorboard import SummaryWriter

from monai_tbkd.data.files.atomic_write import faults_of
from monai_tbkd.data.files.processes import gather_to_first, rank
from monai_tbkd.transforms import Panel, draw_panels, image_for_display, rescale_boxes
from monai_tbkd.transforms.frozen_features import PICTURE

_EVENTS = "events.out.tfevents.*"


class StageWriter:
    """A ``SummaryWriter`` that opens at the first thing written, and replaces the events of an earlier run.

    A config builds the writers of all its stages; only a stage that is run leaves an event file. Of several processes
    the first writes.

    Raises:
        OSError: when something can't be written; with the folder.
    """

    def __init__(self, log_dir: str | Path) -> None:
        self.log_dir = Path(log_dir)
        self._writer: SummaryWriter | None = None
        self._kept: dict[str, int] = {}

    def written(self) -> dict[str, int]:
        """The event files of this run, by name, with their sizes in bytes up to now."""
        self.flush()
        opened = self._writer is not None  # then all that is there
        paths = self.log_dir.glob(_EVENTS) if opened else (self.log_dir / name for name in self._kept)
        return {path.name: path.stat().st_size for path in paths}

    def go_on(self, written: Mapping[str, int]) -> None:
        """Continue the curves of an interrupted run: what it wrote later is cut off, so that no step is twice.

        Args:
            written: what `written` gave then; files that are gone are left out.

        Raises:
            RuntimeError: something has been written already.
        """
        if self._writer is not None:
            raise RuntimeError("The events of this run are open already; go on before anything is written.")
        self._kept = {name: size for name, size in written.items() if (self.log_dir / name).is_file()}
        for name, size in self._kept.items():
            if rank() == 0 and (self.log_dir / name).stat().st_size > size:
                os.truncate(self.log_dir / name, size)

    @property
    def writer(self) -> SummaryWriter:
        """The open writer."""
        if self._writer is None:
            for old in self.log_dir.glob(_EVENTS):
                if old.name not in self._kept:
                    old.unlink()
            self._writer = SummaryWriter(str(self.log_dir))
        return self._writer

    def _add(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Call a method of ``SummaryWriter``, in the first process."""
        if rank() == 0:
            with faults_of(self.log_dir):
                getattr(self.writer, method)(*args, **kwargs)

    add_scalar = partialmethod(_add, "add_scalar")
    add_image = partialmethod(_add, "add_image")
    add_text = partialmethod(_add, "add_text")

    def flush(self) -> None:
        """Write out what is pending, if anything was written."""
        if self._writer is not None:
            with faults_of(self.log_dir):
                self._writer.flush()

    def close(self) -> None:
        """Close, if it was opened."""
        if self._writer is not None:
            with faults_of(self.log_dir):
                self._writer.close()


class TrainingScalars:
    """Write ``train/loss/<term>``, ``train/loss/total`` and ``train/lr`` at every iteration.

    Args:
        summary_writer: the run's shared writer.
        optimizer: its first parameter group has the learning rate.
    """

    def __init__(self, summary_writer: StageWriter, optimizer: Optimizer) -> None:
        self.writer, self.optimizer = summary_writer, optimizer

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: self.writer.flush())

    def __call__(self, engine: Engine) -> None:
        """Write the iteration's numbers."""
        step, output = engine.state.iteration, engine.state.output
        # MONAI's engines decollate their output: one dictionary an image, with the batch's losses in each
        for key, value in loss_summary(output if isinstance(output, list) else [output]).items():
            self.writer.add_scalar(f"train/loss/{key}", value, step)
        self.writer.add_scalar("train/lr", self.optimizer.param_groups[0]["lr"], step)


def loss_summary(output: list[dict[str, Any]]) -> dict[str, float]:
    """The loss terms of a decollated output, ``total`` and each ``loss_<term>``, as for ``StatsHandler``."""
    first = output[0]
    return {"total": float(first["loss"]), **{k[5:]: float(v) for k, v in first.items() if k.startswith("loss_")}}


class OverlayPanel:
    """Draw the same images at every validation, one below the other.

    Post-processing has to leave ``tb_map``, ``score``, ``pred_boxes`` and ``pred_box_scores`` in the output. The first
    four datalist items with boxes and the first two of other classes are drawn; predicted boxes are on a square grid.
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
