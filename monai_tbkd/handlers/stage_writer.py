"""One TensorBoard writer a stage, opened when the stage begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from monai_tbkd.data.processes import rank


class StageWriter:
    """A ``SummaryWriter`` that opens at the first thing written, and then takes the place of an earlier run's events.

    A config builds the writers of all its stages; only one that is run leaves an event file, and its curves are not
    mixed with those of a run before. Of several processes the first writes.

    Args:
        log_dir: folder of the stage.
    """

    def __init__(self, log_dir: str | Path) -> None:
        self.log_dir = Path(log_dir)
        self._writer: SummaryWriter | None = None

    @property
    def writer(self) -> SummaryWriter:
        """The open writer."""
        if self._writer is None:
            for old in self.log_dir.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer = SummaryWriter(str(self.log_dir))
        return self._writer

    def add_scalar(self, *args: Any, **kwargs: Any) -> None:
        """As of ``SummaryWriter``."""
        if rank() == 0:
            self.writer.add_scalar(*args, **kwargs)

    def add_image(self, *args: Any, **kwargs: Any) -> None:
        """As of ``SummaryWriter``."""
        if rank() == 0:
            self.writer.add_image(*args, **kwargs)

    def add_text(self, *args: Any, **kwargs: Any) -> None:
        """As of ``SummaryWriter``."""
        if rank() == 0:
            self.writer.add_text(*args, **kwargs)

    def flush(self) -> None:
        """Write out what is pending, if anything was written."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Close, if it was opened."""
        if self._writer is not None:
            self._writer.close()
