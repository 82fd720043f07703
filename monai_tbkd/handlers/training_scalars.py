"""Loss terms and learning rate for TensorBoard."""

from __future__ import annotations

from ignite.engine import Engine, Events
from torch.optim import Optimizer

from monai_tbkd.handlers.stage_writer import StageWriter


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
        # MONAI's engines decollate their output: one dictionary a film, with the batch's losses in each.
        first = engine.state.output[0] if isinstance(engine.state.output, list) else engine.state.output
        step = engine.state.iteration
        for key, value in loss_terms(first).items():
            self.writer.add_scalar(f"train/loss/{key}", value, step)
        self.writer.add_scalar("train/lr", self.optimizer.param_groups[0]["lr"], step)


def loss_terms(output: dict[str, object]) -> dict[str, float]:
    """The loss terms of one film's output: ``total`` and those that the trainer put there as ``loss_<term>``."""
    named = {"total": output["loss"], **{k[5:]: v for k, v in output.items() if k.startswith("loss_")}}
    return {k: float(v) for k, v in named.items()}  # type: ignore[arg-type]


def loss_summary(output: list[dict[str, object]]) -> dict[str, float]:
    """For ``StatsHandler(output_transform=...)``: the loss terms of a decollated output."""
    return loss_terms(output[0])
