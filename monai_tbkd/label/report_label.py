"""A label as a DICOM structured report: read as OHIF stores it, and written for the archive of the image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.misc import is_dicom
from pydicom.uid import DeflatedExplicitVRLittleEndian

from monai_tbkd import __version__
from monai_tbkd.bundle.plain_errors import with_extra
from monai_tbkd.label.label_content import NOT_TB, Drawn, image_word, one_word, read_text_label

if TYPE_CHECKING:
    from monai_tbkd.label.image_label import ImageLabel

REPORT_SUFFIX = ".dcm"
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_MOST_ITEMS = 20_000  # OHIF's have some 30 a rectangle; a file of empty ones takes seconds to read


def read_report_label(path: Path, image_uid: str, said: Any = None) -> Drawn:
    """Read a report as a label.

    A rectangle without a word is tuberculosis. One that was renamed to another class, such as ``non_tb``, is no box and
    says what the image is, as the text of an arrow may do: OHIF sends no empty report.

    Args:
        path: the report.
        image_uid: SOP instance UID of the image.
        said: of the image, where that was saved with the label.

    Raises:
        ValueError: no such report, of another image, not of a person, or one that says nothing of tuberculosis or says
            two things of the image.
    """
    meta = read_file_meta_info(path) if is_dicom(path) else {}
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:  # a small file may hold hours of work
        raise ValueError("The report is deflated; save it as Explicit VR Little Endian.")
    content = read_text_label(path)
    if max(content.count(item) for item in _ITEMS) > _MOST_ITEMS:
        raise ValueError(f"The report has more than {_MOST_ITEMS} items; expected rectangles on one image.")
    with_extra(("a label that is a DICOM report",), "highdicom", "dicom")
    from monai_tbkd.dicom import Author, read_box_report  # needs highdicom

    report = read_box_report(path)
    if report.image != image_uid:
        raise ValueError("The report is of another image; its SOP Instance UID is not that of this image.")
    if report.head.author is not Author.ANNOTATOR:
        raise ValueError(
            f"The report was written by {report.head.author.value}, so it is no label; open it in a viewer, correct it "
            "and save it from there."
        )
    named = [(image_word(box.word), box) for box in report.boxes]
    shapes = [(box.word or "tuberculosis", list(box.edges)) for word, box in named if word in (None, "tb")]
    notes = [image_word(note) for note in report.notes]
    words = {word for word, _ in named if word not in (None, "tb")} | {note for note in notes if note}
    if report.image_percent is not None and not words:  # a label that this program has sent
        words.add("tb" if report.image_percent >= 50 else NOT_TB)
    if shapes:
        words.discard(NOT_TB)  # a rectangle that is none, beside others
    own = one_word({str(word) for word in words}, "words of the report")
    if not shapes and own is None and said in (None, ""):
        raise ValueError(
            "The report has no rectangle, and no word for the image; rename a rectangle to non_tb, health or sick."
        )
    return Drawn(shapes, own, left_out=(*report.left_out, *["a note" for note in notes if note is None]))


def annotation_report(label: ImageLabel) -> Dataset:
    """Make the report of `monai_tbkd.dicom` on a DICOM image, with the boxes that an annotator drew.

    It has the form of a program's result, since that is what OHIF makes editable rectangles of. A drawn box has the
    score 1, an image with TB as well; the algorithm's version says that a person drew it.

    Raises:
        DicomResultError: the image is not DICOM, or lacks what a report has to refer to.
    """
    from monai_tbkd.dicom import DRAWN_BY_ANNOTATOR, BoxFinding, ImageFinding, SourceImage, structured_report

    boxes = tuple(BoxFinding(box[0], box[1], box[2], box[3], 1.0) for box in label.boxes)
    version = f"{DRAWN_BY_ANNOTATOR}, saved by monai_tbkd {__version__}"
    finding = ImageFinding(1.0 if label.is_tb else 0.0, boxes=boxes, model_version=version)
    return structured_report(SourceImage.read(label.image), finding)
