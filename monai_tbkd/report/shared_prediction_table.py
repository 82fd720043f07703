"""The results of an inference that several processes work on together."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_tbkd.data.film_shards import film_shard
from monai_tbkd.data.processes import rank, wait_for_all, world_size
from monai_tbkd.report.prediction_table import FAILED, PredictionTable, Reports, as_written

logger = logging.getLogger(__name__)


class SharedPredictionTable(PredictionTable):
    """A `PredictionTable` for several processes: each writes its films' rows below ``parts/``, the first joins them.

    Films go to processes by the hash of their names. When all are done, the table is the one that a single process
    would have written. A run that was killed leaves its parts; the next one, of however many processes, takes them up.

    Args:
        output_dir: as of `PredictionTable`.
        settings: as of `PredictionTable`.
        resume: as of `PredictionTable`.
        reports: as of `PredictionTable`.
    """

    def __init__(
        self,
        output_dir: str | Path,
        settings: Mapping[str, Any] | None = None,
        resume: bool = False,
        reports: Reports | None = None,
    ) -> None:
        super().__init__(output_dir, settings, resume, reports)
        self._part = PredictionTable(self._parts / str(rank()), settings)

    @property
    def _parts(self) -> Path:
        return self.folder / "parts"

    def start(self, films: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Take up what is there, and tell what is left for this process to do.

        Args:
            films: all of the job's, in the order that the rows are to have.
        """
        if rank() == 0:
            if not self.resume:
                shutil.rmtree(self._parts, ignore_errors=True)
            super().start(films)
            self._join()
        wait_for_all()
        self._order = {as_written(film["name"]): number for number, film in enumerate(films)}
        self.rows = [row for row in self.earlier_rows() if row["status"] != FAILED]
        done = {row["name"] for row in self.rows}
        left = [dict(film) for film in films if as_written(film["name"]) not in done]
        mine = [film for film in left if film_shard(film["name"], world_size(), "process") == rank()]
        self._part.start(mine)
        logger.info(
            "Process %d of %d has %d of the %d films that are left.", rank() + 1, world_size(), len(mine), len(left)
        )
        return mine

    def append(self, row: Mapping[str, Any]) -> None:
        """Add the row of one film to this process's part."""
        self._part.append(row)
        self.rows.append(dict(row))

    def finish(self) -> None:
        """Wait for the others; the first process joins the parts and says what was found."""
        self._part.close()
        wait_for_all()
        if rank() == 0:
            self._join()
            super().finish()
        wait_for_all()
        self.rows = self.earlier_rows()

    def close(self) -> None:
        """Close the files."""
        super().close()
        self._part.close()

    def _join(self) -> None:
        """Put the rows of all parts into the table, and take the parts away."""
        rows = {row["name"]: row for row in self.earlier_rows()}
        for folder in sorted(self._parts.glob("*")):
            part = PredictionTable(folder, self.settings, resume=True)
            found = part.earlier_rows()
            part.check_settings(found)
            rows |= {row["name"]: row for row in found}
        self.replace_rows([row for row in rows.values() if not (self.resume and row["name"] not in self._order)])
        shutil.rmtree(self._parts, ignore_errors=True)
