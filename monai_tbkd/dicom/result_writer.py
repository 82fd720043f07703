"""DICOM results of an inference, film by film as they are scored."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydicom

from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom.film_finding import FilmFinding
from monai_tbkd.dicom.film_results import KINDS, film_results
from monai_tbkd.dicom.result_error import DicomResultError
from monai_tbkd.dicom.secondary_capture import LONGEST_SIDE
from monai_tbkd.dicom.source_film import SourceFilm
from monai_tbkd.dicom.whole_object import write_object

logger = logging.getLogger(__name__)


class DicomResultWriter:
    """Write ``<output_dir>/dicom/<SOP instance UID of the film>/<kind>.dcm`` for each DICOM film that was scored.

    A film that is no DICOM file, or lacks what its results have to refer to, gets none and a note. UIDs are made from
    film and finding, so a run that is gone on with writes the same objects over its own. Folders are named by the
    film's UID, which the table of predictions holds; another film of the same UID gets ``<UID>_2``.

    Args:
        output_dir: of the inference.
        kinds: some of `KINDS`.
        voi: how DICOM gray values are read, for the secondary capture.
        longest_side: of the film in the secondary capture, in pixels.
        resume: go on with the run that left its results here; otherwise they are removed at the first film.

    Raises:
        ValueError: an unknown kind.
    """

    def __init__(
        self,
        output_dir: str | Path,
        kinds: Sequence[str] = ("sr", "sc"),
        voi: str = "first",
        longest_side: int = LONGEST_SIDE,
        resume: bool = False,
    ) -> None:
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown or not kinds:
            raise ValueError(f"The DICOM results wanted are {list(kinds)}; expected some of {list(KINDS)}.")
        self.folder = Path(output_dir) / "dicom"
        self.kinds, self.voi, self.longest_side = tuple(kinds), voi, int(longest_side)
        self.resume = resume

    def start(self) -> None:
        """Remove what an earlier run left, unless it is gone on with: nothing of it may be taken for this one's."""
        if self.resume:
            return
        for kind in KINDS:
            for name in (f"{kind}.dcm", f"{kind}.dcm.part"):
                for old in self.folder.glob(f"*/{name}"):
                    old.unlink()
        for folder in self.folder.glob("*/"):
            if not any(folder.iterdir()):
                folder.rmdir()

    def write(self, path: str | Path, row: Mapping[str, Any], tb_map: Any = None) -> str | None:
        """Write the results of one film.

        Args:
            path: the film.
            row: of the table of predictions, of a film that was scored.
            tb_map: its map ``(1, h, w)`` of 0-1, upright.

        Returns:
            None when all is written, or a sentence that says why nothing is.
        """
        if row["source_format"] != "dicom":
            return f"no DICOM results: a {row['source_format']} file names no patient and study to write them for"
        try:
            source = SourceFilm.read(path)
            finding = FilmFinding.from_row(row, tb_map)
            results = film_results(source, finding, self.kinds, voi=self.voi, longest_side=self.longest_side)
            folder = self._folder(source.uid, results)
            for kind, result in results.items():
                write_object(result, folder / f"{kind}.dcm")
        except DicomResultError as error:
            return f"no DICOM results: {error}"
        except (ImportError, MemoryError, OSError):  # no fault of the film
            raise
        except Exception as error:  # highdicom raises all kinds; its words may quote the film, and the batch goes on
            where = traceback.extract_tb(error.__traceback__)[-1]
            logger.error("%s: %s at %s:%d", row["name"], type(error).__name__, where.filename, where.lineno or 0)
            return f"no DICOM results: they could not be made ({type(error).__name__}); see the log"
        return None

    def _folder(self, uid: str, results: Mapping[str, pydicom.Dataset]) -> Path:
        folder, number = self.folder / uid, 1
        while not all(_is_free(folder / f"{kind}.dcm", result) for kind, result in results.items()):
            number += 1
            folder = self.folder / f"{uid}_{number}"
        return folder


def _is_free(path: Path, result: pydicom.Dataset) -> bool:
    """Whether there is nothing yet, or this very object, written before the run was broken off."""
    if not path.is_file():
        return True
    with quiet_pydicom():
        try:
            there = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
        except Exception:  # no object at all, whatever pydicom says of it
            return False
        return bool(there.get("SOPInstanceUID") == result.SOPInstanceUID)
