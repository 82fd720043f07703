"""An annotator's boxes as a DICOM structured report."""

from __future__ import annotations

from pydicom import Dataset

from monai_tbkd import __version__
from monai_tbkd.dicom import DRAWN_BY_ANNOTATOR, BoxFinding, FilmFinding, SourceFilm, structured_report
from monai_tbkd.label.film_label import FilmLabel

DRAWN = f"{DRAWN_BY_ANNOTATOR}, saved by monai_tbkd {__version__}"
"""In the report's place for the version of the algorithm: it was a person."""


def annotation_report(label: FilmLabel) -> Dataset:
    """The report of `monai_tbkd.dicom`, with the boxes that an annotator drew.

    The report's form is that of a program's result, since that is what OHIF makes editable rectangles of. A drawn box
    has the score 1, a film with TB as well; the algorithm's version says that a person drew it.

    Args:
        label: of a DICOM film.

    Returns:
        The report, which refers to the film.

    Raises:
        DicomResultError: the film is not DICOM, or lacks what a report has to refer to.
    """
    boxes = tuple(BoxFinding(box[0], box[1], box[2], box[3], 1.0) for box in label.boxes)
    finding = FilmFinding(1.0 if label.is_tb else 0.0, boxes=boxes, model_version=DRAWN)
    return structured_report(SourceFilm.read(label.film), finding)
