"""Make and write all kinds of DICOM results."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom import Dataset

from monai_tbkd import __version__
from monai_tbkd.data.files.own_results import DICOM_RESULTS
from monai_tbkd.data.readers import ImageLimits, decode_image
from monai_tbkd.data.readers.dicom_rules import ImageRules
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.data.readers.reason_codes import ImageError
from monai_tbkd.dicom.image_finding import ImageFinding
from monai_tbkd.dicom.presentation_state import presentation_state
from monai_tbkd.dicom.result_object import named_uid, write_object
from monai_tbkd.dicom.secondary_capture import LONGEST_SIDE, secondary_capture
from monai_tbkd.dicom.segmentation import box_segmentation, map_segmentation
from monai_tbkd.dicom.source_image import DicomResultError, SourceImage
from monai_tbkd.dicom.structured_report import structured_report

logger = logging.getLogger(__name__)

KINDS = DICOM_RESULTS
"""Structured report, segmentations of the map and of the boxes, secondary capture, presentation state."""
_NAMES = dict(zip(KINDS, ("SR", "SEG map", "SEG boxes", "SC", "GSPS"), strict=True))


def result_series(study: str, image: str, identity: str) -> dict[str, str]:
    """SeriesInstanceUIDs by kind of the results of an image, from its study and instance UIDs and the `identity`."""
    digest = ImageFinding(0.0, identity=identity).digest
    return {kind: str(named_uid(study, image, __version__, digest, name, "series")) for kind, name in _NAMES.items()}


def image_results(
    source: SourceImage,
    finding: ImageFinding,
    kinds: Sequence[str] = KINDS,
    voi: str = "first",
    longest_side: int = LONGEST_SIDE,
) -> dict[str, Dataset]:
    """Make the DICOM results of an image, by kind, not yet written.

    Args:
        source: the image.
        finding: what was found.
        kinds: some of `KINDS`. Without a map there is no ``seg_map``, without boxes no ``seg_boxes``.
        voi: how the image's gray values are read for ``sc``.
        longest_side: of the image in the secondary capture, in pixels.

    Raises:
        DicomResultError: the image's header or pixels cannot be used; its message quotes nothing of the file.
        ValueError: an unknown kind, or a box beyond the image.
    """
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"There are no DICOM results {unknown}; expected some of {list(KINDS)}.")

    def capture(source: SourceImage, finding: ImageFinding) -> Dataset:
        # no rules here: the image was scored, so it has passed them
        anything = ImageRules(min_age=0, secondary_capture=True, any_view=True, any_body_part=True)
        try:
            pixels = decode_image(source.path, voi, ImageLimits(min_side=1), anything).pixels
        except ImageError as error:
            raise DicomResultError(f"its pixels cannot be read again ({error.reason})") from error
        return secondary_capture(source, finding, pixels, longest_side)

    makers: dict[str, Callable[[SourceImage, ImageFinding], Dataset]] = {
        "sr": structured_report,
        "seg_map": map_segmentation,
        "seg_boxes": box_segmentation,
        "sc": capture,
        "gsps": presentation_state,
    }
    absent = {"seg_map"} if finding.tb_map is None else set()
    absent |= set() if finding.boxes else {"seg_boxes"}
    return {kind: makers[kind](source, finding) for kind in dict.fromkeys(kinds) if kind not in absent}


def write_image_results(
    folder: str | Path,
    source: SourceImage | str | Path,
    finding: ImageFinding,
    kinds: Sequence[str] = KINDS,
    voi: str = "first",
    longest_side: int = LONGEST_SIDE,
) -> dict[str, Path]:
    """Make the results of `image_results` and write each as ``<folder>/<kind>.dcm``, whole or not at all.

    `source` is the image, or its file, which is only read. If one result cannot be made, none is written.

    Raises:
        DicomResultError, ValueError: as `image_results`.

    Example:
        >>> write_image_results("out", "image.dcm", ImageFinding.from_row(row), ["sr", "sc"])  # doctest: +SKIP
    """
    image = source if isinstance(source, SourceImage) else SourceImage.read(source)
    results = image_results(image, finding, kinds, voi, longest_side)
    return {kind: write_object(result, Path(folder) / f"{kind}.dcm") for kind, result in results.items()}


class DicomResultWriter:
    """Write ``<output_dir>/dicom/<SOP instance UID of the image>/<kind>.dcm`` for each DICOM image that was scored.

    An image that is no DICOM file, or lacks what its results have to refer to, gets none and a note. UIDs are made from
    image and finding, so a resumed run overwrites its own objects. Another image of the same UID gets ``<UID>_2``.

    Args:
        output_dir: of the inference.
        kinds: some of `KINDS`.
        voi: how DICOM gray values are read, for the secondary capture.
        longest_side: of the image in the secondary capture, in pixels.
        resume: keep the results of an earlier run; otherwise they are removed at the first image.

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
        if not kinds or not set(kinds) <= set(KINDS):
            raise ValueError(f"The DICOM results wanted are {list(kinds)}; expected some of {list(KINDS)}.")
        self.folder = Path(output_dir) / "dicom"
        self.kinds, self.voi, self.longest_side, self.resume = tuple(kinds), voi, int(longest_side), resume

    def start(self) -> None:
        """Remove the results of an earlier run unless it is resumed."""
        if self.resume:
            return
        for kind in KINDS:
            for old in (*self.folder.glob(f"*/{kind}.dcm"), *self.folder.glob(f"*/{kind}.dcm.part")):
                old.unlink()
        for folder in self.folder.glob("*/"):
            if not any(folder.iterdir()):
                folder.rmdir()

    def write(self, path: str | Path, row: Mapping[str, Any], tb_map: Any = None) -> str | None:
        """Write the results of a scored image: its file, its row of predictions, its upright map ``(1, h, w)`` of 0-1.

        Returns:
            None when all is written, or the reason why nothing is.
        """
        if row["source_format"] != "dicom":
            return f"no DICOM results: a {row['source_format']} file names no patient and study to write them for"
        try:
            source = SourceImage.read(path)
            results = image_results(source, ImageFinding.from_row(row, tb_map), self.kinds, self.voi, self.longest_side)
            folder, number = self.folder / source.uid, 1
            while not all(_is_free(folder / f"{kind}.dcm", result) for kind, result in results.items()):
                number += 1
                folder = self.folder / f"{source.uid}_{number}"
            for kind, result in results.items():
                write_object(result, folder / f"{kind}.dcm")
        except DicomResultError as error:
            return f"no DICOM results: {error}"
        except (ImportError, MemoryError, OSError):  # not the image's fault
            raise
        except Exception as error:  # highdicom raises all kinds; its message may quote the image
            log_place(logger, row["name"], error)
            return f"no DICOM results: they could not be made ({type(error).__name__}); see the log"
        return None


def log_place(log: logging.Logger, name: str, error: Exception) -> None:
    """Log where an error was raised, without its message, which may quote patient data."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    log.error("%s: %s at %s:%d", name, type(error).__name__, where.filename, where.lineno or 0)


def _is_free(path: Path, result: Dataset) -> bool:
    """Whether there is no file yet, or only this same object."""
    if not path.is_file():
        return True
    with quiet_pydicom():
        try:
            there = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
        except Exception:  # not a DICOM file
            return False
        return bool(there.get("SOPInstanceUID") == result.SOPInstanceUID)
