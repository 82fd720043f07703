"""The DICOM results of one film: which there are, and how they come to be in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from monai_tbkd.data.film_rules import FilmRules
from monai_tbkd.data.own_results import DICOM_RESULTS
from monai_tbkd.data.readers import FilmLimits, decode_film
from monai_tbkd.data.reason_codes import FilmError
from monai_tbkd.dicom.equipment import named_uid
from monai_tbkd.dicom.film_finding import FilmFinding, identity_digest
from monai_tbkd.dicom.presentation_state import presentation_state
from monai_tbkd.dicom.result_error import DicomResultError
from monai_tbkd.dicom.secondary_capture import LONGEST_SIDE, secondary_capture
from monai_tbkd.dicom.segmentation import box_segmentation, map_segmentation
from monai_tbkd.dicom.source_film import SourceFilm
from monai_tbkd.dicom.structured_report import structured_report
from monai_tbkd.dicom.whole_object import write_object

KINDS = DICOM_RESULTS
"""Structured report, segmentations of the map and of the boxes, secondary capture, presentation state."""
_NAMES = dict(zip(KINDS, ("SR", "SEG map", "SEG boxes", "SC", "GSPS"), strict=True))


def result_series(study: str, image: str, identity: str) -> dict[str, str]:
    """The series that the results of an image are in, whatever was found.

    Args:
        study: StudyInstanceUID of the image.
        image: its SOPInstanceUID.
        identity: as `FilmFinding` has it.

    Returns:
        SeriesInstanceUIDs by kind.
    """
    digest = identity_digest(identity)
    return {kind: str(named_uid(study, image, digest, name, "series")) for kind, name in _NAMES.items()}


def film_results(
    source: SourceFilm,
    finding: FilmFinding,
    kinds: Sequence[str] = KINDS,
    film: NDArray[np.floating] | None = None,
    voi: str = "first",
    longest_side: int = LONGEST_SIDE,
) -> dict[str, Dataset]:
    """Make the DICOM results of a film.

    Args:
        source: the film.
        finding: what was found.
        kinds: some of `KINDS`. Without a map there is no ``seg_map``, without boxes no ``seg_boxes``.
        film: the upright pixels ``(H, W)`` for ``sc``; None reads them from the film's file.
        voi: with it the file is read.
        longest_side: of the film in the secondary capture, in pixels.

    Returns:
        Objects by kind, not yet written.

    Raises:
        DicomResultError: the film's header or pixels cannot be used; its message quotes nothing of the file.
        ValueError: an unknown kind, or a box beyond the film.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"There are no DICOM results {unknown}; expected some of {list(KINDS)}.")
    results: dict[str, Dataset] = {}
    for kind in dict.fromkeys(kinds):
        if kind == "sr":
            results[kind] = structured_report(source, finding)
        elif kind == "seg_map" and finding.tb_map is not None:
            results[kind] = map_segmentation(source, finding)
        elif kind == "seg_boxes" and finding.boxes:
            results[kind] = box_segmentation(source, finding)
        elif kind == "sc":
            pixels = _read_film(source, voi) if film is None else film
            results[kind] = secondary_capture(source, finding, pixels, longest_side)
        elif kind == "gsps":
            results[kind] = presentation_state(source, finding)
    return results


def write_film_results(
    folder: str | Path,
    source: SourceFilm | str | Path,
    finding: FilmFinding,
    kinds: Sequence[str] = KINDS,
    voi: str = "first",
    longest_side: int = LONGEST_SIDE,
) -> dict[str, Path]:
    """Make the results of `film_results` and write each as ``<folder>/<kind>.dcm``, whole or not at all.

    Args:
        folder: gets the files; it is made.
        source: the film, or its file, which is only read.
        finding: what was found.
        kinds: some of `KINDS`.
        voi: as in `film_results`.
        longest_side: as in `film_results`.

    Returns:
        Files by kind.

    Raises:
        DicomResultError: nothing is written then.
        ValueError: nothing is written then.

    Example:
        >>> write_film_results("out", "film.dcm", FilmFinding.from_row(row), ["sr", "sc"])  # doctest: +SKIP
    """
    film = source if isinstance(source, SourceFilm) else SourceFilm.read(source)
    results = film_results(film, finding, kinds, voi=voi, longest_side=longest_side)
    return {kind: write_object(result, Path(folder) / f"{kind}.dcm") for kind, result in results.items()}


def _read_film(source: SourceFilm, voi: str) -> NDArray[np.floating]:
    # The film was scored already, so whatever its rules and limits were, they let it pass.
    anything = FilmRules(min_age=0, secondary_capture=True, any_view=True, any_body_part=True)
    try:
        return decode_film(source.path, voi, FilmLimits(min_side=1), anything).pixels
    except FilmError as error:
        raise DicomResultError(f"its pixels cannot be read again ({error.reason})") from error
