"""A prediction table that several processes fill together."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.processes import rank, wait_for_all, world_size
from monai_tbkd.data.lists.image_shards import image_shard
from monai_tbkd.results.prediction_table import FAILED, PredictionTable, as_written

logger = logging.getLogger(__name__)


class SharedPredictionTable(PredictionTable):
    """A `PredictionTable` for several processes: each writes its rows below ``parts/``, rank 0 joins them.

    Images go to processes by the hash of their names; the final table is that of a single process. The parts of a
    killed run are taken up by the next one, with any number of processes. Arguments as of `PredictionTable`.
    """

    @property
    def _parts(self) -> Path:
        return self.folder / "parts"

    @cached_property
    def _part(self) -> PredictionTable:
        return PredictionTable(self._parts / str(rank()), self.settings)

    def start(self, images: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Take up earlier rows and return the images left for this process.

        Args:
            images: all images of the job, in the order of the final rows.
        """
        if rank() == 0:
            if not self.resume:
                shutil.rmtree(self._parts, ignore_errors=True)
            super().start(images)
            self._join()
        wait_for_all()
        self._order = {as_written(image["name"]): number for number, image in enumerate(images)}
        self.rows = [row for row in self.earlier_rows() if row["status"] != FAILED]
        done = {row["name"] for row in self.rows}
        left = [dict(image) for image in images if as_written(image["name"]) not in done]
        mine = [image for image in left if image_shard(image["name"], world_size(), "process") == rank()]
        self._part.start(mine)
        logger.info(
            "Process %d of %d has %d of the %d images that are left.", rank() + 1, world_size(), len(mine), len(left)
        )
        return mine

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row to this process's part."""
        self._part.append(row)
        self.rows.append(dict(row))

    def finish(self) -> None:
        """Wait for the other processes and join the parts."""
        wait_for_all()
        if rank() == 0:
            self._join()
            super().finish()
        wait_for_all()
        self.rows = self.earlier_rows()

    def _join(self) -> None:
        rows = {row["name"]: row for row in self.earlier_rows()}
        for folder in sorted(self._parts.glob("*")):
            part = PredictionTable(folder, self.settings, resume=True)
            found = part.earlier_rows()
            part.check_settings(found)
            rows |= {row["name"]: row for row in found}
        self.replace_rows([row for row in rows.values() if not (self.resume and row["name"] not in self._order)])
        shutil.rmtree(self._parts, ignore_errors=True)
