"""One TensorBoard writer a stage, opened when the stage begins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from monai_tbkd.data.processes import rank
from monai_tbkd.data.whole_file import faults_of

_EVENTS = "events.out.tfevents.*"


class StageWriter:
    """A ``SummaryWriter`` that opens at the first thing written, and then takes the place of an earlier run's events.

    A config builds the writers of all its stages; only one that is run leaves an event file, and its curves are not
    mixed with those of a run before. Of several processes the first writes.

    Args:
        log_dir: folder of the stage.

    Raises:
        OSError: when something is written, if it can't be; with the folder.
    """

    def __init__(self, log_dir: str | Path) -> None:
        self.log_dir = Path(log_dir)
        self._writer: SummaryWriter | None = None
        self._kept: dict[str, int] = {}

    def written(self) -> dict[str, int]:
        """The event files that belong to this run, by name, with their sizes in bytes up to now."""
        self.flush()
        opened = self._writer is not None  # then all that is there
        paths = self.log_dir.glob(_EVENTS) if opened else (self.log_dir / name for name in self._kept)
        return {path.name: path.stat().st_size for path in paths}

    def go_on(self, written: Mapping[str, int]) -> None:
        """Go on with the curves of a run that was broken off: what it wrote later is cut off, so that no step is twice.

        Args:
            written: what `written` has given then; files that are gone are left out.

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

    def add_scalar(self, *args: Any, **kwargs: Any) -> None:
        """As of ``SummaryWriter``."""
        self._add("add_scalar", *args, **kwargs)

    def add_image(self, *args: Any, **kwargs: Any) -> None:
        """As of ``SummaryWriter``."""
        self._add("add_image", *args, **kwargs)

    def add_text(self, *args: Any, **kwargs: Any) -> None:
        """As of ``SummaryWriter``."""
        self._add("add_text", *args, **kwargs)

    def _add(self, method: str, *args: Any, **kwargs: Any) -> None:
        if rank() == 0:
            with faults_of(self.log_dir):
                getattr(self.writer, method)(*args, **kwargs)

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
