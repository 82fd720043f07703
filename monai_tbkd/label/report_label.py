"""What an annotator says of a film in a DICOM structured report, as OHIF stores it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.filereader import read_file_meta_info
from pydicom.misc import is_dicom
from pydicom.uid import DeflatedExplicitVRLittleEndian

from monai_tbkd.bundle.plain_errors import with_extra
from monai_tbkd.label.cvat_labels import Shape
from monai_tbkd.label.film_result import LABEL
from monai_tbkd.label.film_words import NOT_TB, film_word
from monai_tbkd.label.label_limits import read_text_label

if TYPE_CHECKING:
    from monai_tbkd.dicom import BoxReport

REPORT_SUFFIX = ".dcm"
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_MOST_ITEMS = 20_000  # OHIF's have some 30 a rectangle; a file of empty ones takes seconds to read


@dataclass(frozen=True)
class ReportLabel:
    """A report, sorted.

    Attributes:
        shapes: boxes that stand for tuberculosis, with their words.
        said: of the film as a whole, where the report or the annotator says so.
        left_out: what was measured beside, and notes that are no class of a film.
    """

    shapes: list[Shape]
    said: Any
    left_out: tuple[str, ...]


def read_report_label(path: Path, film_uid: str, said: Any = None) -> ReportLabel:
    """Read a report as a label.

    A rectangle without a word is tuberculosis. One that was renamed to a class of films without it, such as
    ``non_tb``, is no box and says what the film is, as the text of an arrow may do: OHIF sends no report that is empty.

    Args:
        path: the report.
        film_uid: SOP instance UID of the film; empty where it has none.
        said: of the film, where it was saved with the label.

    Raises:
        ValueError: no such report, of another film, not of a person, or one that says nothing of tuberculosis or says
            two things of the film.
    """
    meta = read_file_meta_info(path) if is_dicom(path) else {}
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:  # a small file may hold hours of work
        raise ValueError("The report is deflated; save it as Explicit VR Little Endian.")
    content = read_text_label(path)
    if max(content.count(item) for item in _ITEMS) > _MOST_ITEMS:
        raise ValueError(f"The report has more than {_MOST_ITEMS} items; expected rectangles on one image.")
    with_extra(("a label that is a DICOM report",), "highdicom", "dicom")
    from monai_tbkd.dicom import Author, read_box_report  # here and not above: it wants highdicom

    report = read_box_report(path)
    if report.film != film_uid:
        raise ValueError("The report is of another film; its SOP Instance UID is not that of this film.")
    if report.head.author is not Author.ANNOTATOR:
        raise ValueError(
            f"The report was written by {report.head.author.value}, so it is no label; open it in a viewer, correct it "
            "and save it from there."
        )
    shapes, words, left_out = _sorted(report)
    if shapes:
        words.discard(NOT_TB)  # a rectangle that is none, beside others
    if len(words) > 1:
        raise ValueError(f"The report calls the film {' and '.join(sorted(words))}; expected one of them.")
    said = words.pop() if words else said
    if not shapes and said in (None, ""):
        raise ValueError(
            "The report has no rectangle, and no word for the film; rename a rectangle to non_tb, health or sick."
        )
    return ReportLabel(shapes, said, left_out)


def _sorted(report: BoxReport) -> tuple[list[Shape], set[str], tuple[str, ...]]:
    shapes: list[Shape] = []
    words: set[str] = set()
    left_out = list(report.left_out)
    for box in report.boxes:
        word = film_word(box.word)
        if word in (None, "tb"):
            shapes.append((box.word or LABEL, list(box.edges)))
        else:
            words.add(str(word))
    for note in report.notes:
        word = film_word(note)
        if word is None:
            left_out.append("a note")
        else:
            words.add(word)
    if report.film_percent is not None and not words:  # a label that this program has sent
        words.add("tb" if report.film_percent >= 50 else NOT_TB)
    return shapes, words, tuple(left_out)
