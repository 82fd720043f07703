"""Run the bundle's inference on an archive, once or repeatedly."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from monai.bundle import ConfigParser

from monai_tbkd.bundle import bundle_files, literal
from monai_tbkd.bundle.plain_errors import parsed_content
from monai_tbkd.data import ImageWarning, ReasonCode
from monai_tbkd.pacs.archive import Archive
from monai_tbkd.pacs.image_search import FoundImage, ImageSearch, StudyQuery
from monai_tbkd.pacs.result_sender import PASSING, SearchProgress
from monai_tbkd.results.prediction_table import FAILED, REFUSED

logger = logging.getLogger(__name__)


class ArchiveRun:
    """Run the engine of inference.yaml on the images of an archive.

    Args:
        archive: images come from, results go to.
        query: which studies and series.
        output_dir: gets the table and the current image.
        configs: files laid over inference.yaml, such as a recipe.
        overrides: of the config's keys.

    Raises:
        ValueError: of the config, or the table there is of other settings.
        OSError: a file is missing.
    """

    def __init__(
        self,
        archive: Archive,
        query: StudyQuery,
        output_dir: str | Path,
        configs: Sequence[str | Path] = (),
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self.archive, self.query = archive, query
        for config in configs:
            if not Path(config).is_file():
                raise FileNotFoundError(f"{config}: there is no such config; check the path.")
        folder = bundle_files() / "configs"
        # It logs every module that it copies.
        logging.getLogger("highdicom").setLevel(logging.WARNING)
        self._parser = ConfigParser()
        self._parser.read_config([str(file) for file in (folder / "inference.yaml", *configs, folder / "pacs.yaml")])
        own = {"archive_url": archive.url, "output_dir": literal(str(Path(output_dir).absolute()))}
        self._parser.update({**own, **(overrides or {}), "archive": archive})
        self._first = True
        self._lock: FileLock | None = None

    def look(self, again: bool = False) -> tuple[list[FoundImage], Counter[str]]:
        """List the images that a pass would process, and the counts of `ImageSearch`."""
        search = self._search(self._get("predictions").earlier_rows(), None, again)
        return list(search.images(search.studies())), search.counts

    def once(self, limit: int | None = None, again: bool = False) -> Counter[str]:
        """Go through the archive once.

        Args:
            limit: most images.
            again: look again at the images that were refused or damaged.

        Returns:
            The counts of `ImageSearch`, and images by status.
        """
        if self._first:
            self._get("initialize")  # first, since it reads the settings and clears parsed components
        table, scratch = self._get("predictions"), self.image_folder
        if self._lock is None:
            table.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(table.folder / ".lock")
            try:
                lock.acquire(blocking=False)
            except Timeout as error:
                raise ValueError(
                    f"{table.folder}: another run is at work in this folder; give another --output."
                ) from error
            self._lock = lock
        if self._first:
            table.start([])
        search = self._search(table.rows, limit, again)
        studies = search.studies()
        progress = SearchProgress(len(studies), self._get("progress_bar"))
        images = search.images(studies, progress.study)
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            if (first := next(images, None)) is not None:
                scratch.mkdir(mode=0o700, parents=True)
                self._infer(itertools.chain([first], images), progress)
            elif self._first:
                table.finish()
        except BaseException:
            self.archive.give_up()
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            progress.close()
        self._first = False
        return search.counts + progress.images

    @property
    def image_folder(self) -> Path:
        """Folder of the images that are being processed."""
        return Path(self._get("image_folder"))

    def close(self) -> None:
        """Release the output folder for another run."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _search(self, rows: Sequence[Mapping[str, Any]], limit: int | None, again: bool) -> ImageSearch:
        remembered = {} if again else _remembered(rows, bool(self._get("report_refused")))
        version, kinds = str(self._get("model_version")), self._get("dicom_kinds")
        return ImageSearch(self.archive, self.query, version, kinds, remembered, limit, again)

    def _infer(self, images: Iterable[FoundImage], progress: SearchProgress) -> None:
        if not self._first:
            self._get("predictions").start([])
        sender, evaluator = self._get("sender"), self._get("evaluator")
        sender.progress = progress
        self._get("dataset").data = images
        evaluator.state.epoch_length = None  # unknown: images come from an iterator
        evaluator.logger.setLevel(logging.CRITICAL)  # it logs epochs, and errors that are reported anyway
        evaluator.run()

    def _get(self, key: str) -> Any:
        return parsed_content(self._parser, key)


def _remembered(rows: Sequence[Mapping[str, Any]], report_refused: bool) -> dict[str, str]:
    """Status of the images that need not be fetched again: refused or damaged, and reported if wanted."""
    return {
        row["name"]: row["status"]
        for row in rows
        if (row["status"] == REFUSED or (row["status"] == FAILED and ReasonCode(row["reason"]) not in PASSING))
        and (not report_refused or ImageWarning.NO_DICOM_RESULT in str(row["warnings"]))
    }
