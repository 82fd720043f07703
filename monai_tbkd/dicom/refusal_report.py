"""That an image was not analysed, as a structured report, so that nobody takes silence for a negative result."""

from __future__ import annotations

from highdicom import ContentQualificationValues, sr
from pydicom import Dataset
from pydicom.sr.coding import Code

from monai_tbkd.data import ReasonCode
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom import coded_terms as terms
from monai_tbkd.dicom.equipment import series_of
from monai_tbkd.dicom.film_finding import FilmFinding
from monai_tbkd.dicom.source_film import SourceFilm
from monai_tbkd.dicom.structured_report import observer
from monai_tbkd.dicom.whole_object import finished
from monai_tbkd.transforms import NOTICE

REFUSAL_SERIES_NUMBER = 9706
_NOT_ANALYSED = "TB not analysed"
REFUSAL_DESCRIPTION = f"{_NOT_ANALYSED}, {NOTICE}"
_LONGEST = 64  # characters of a code's meaning


@quiet_pydicom()
def refusal_report(source: SourceFilm, reason: ReasonCode, model_version: str) -> sr.ComprehensiveSR:
    """Make a Comprehensive SR that says that an image was not analysed, and why, as codes and as text.

    It has no score and no box, and another title than the report of a finding: it is not of TID 1500.

    Args:
        source: the image.
        reason: why it has no score.
        model_version: what would have made it.

    Returns:
        The report, not yet written.

    Raises:
        DicomResultError: an element of the image cannot be carried over.
    """
    bare = source.without_patient()
    # What the identifiers and the device are made from; its score is not used.
    device = FilmFinding(0.0, model_version=model_version, identity=model_version)
    contains = sr.RelationshipTypeValues.CONTAINS
    why = Code(reason.value, terms.OWN_SCHEME.CodingSchemeDesignator, reason.meaning[:_LONGEST])
    words = f"Not analysed: {reason.meaning} ({reason}). This says nothing about tuberculosis. {NOTICE.capitalize()}."
    root = sr.ContainerContentItem(terms.REFUSAL)
    root.ContentSequence = sr.ContentSequence()
    root.ContentSequence.extend(sr.LanguageOfContentItemAndDescendants(terms.ENGLISH))
    root.ContentSequence.extend(observer(device))
    root.ContentSequence.extend(
        [
            sr.ImageContentItem(terms.SOURCE, source.header.SOPClassUID, source.uid, relationship_type=contains),
            sr.CodeContentItem(terms.DECISION, terms.NOT_ANALYSED, contains),
            sr.CodeContentItem(terms.REASON, why, contains),
            sr.TextContentItem(terms.COMMENT, words, contains),
        ]
    )
    report = sr.ComprehensiveSR(
        evidence=[bare],
        content=root,
        is_complete=True,
        coding_schemes=[terms.OWN_SCHEME],
        content_qualification=ContentQualificationValues.RESEARCH,
        **series_of(source, device, f"SR {reason}", REFUSAL_SERIES_NUMBER, REFUSAL_DESCRIPTION),
    )
    finished(report, source)
    return report


def is_refusal(report: Dataset) -> bool:
    """Whether a report of this program says that its image was not analysed."""
    return str(report.get("SeriesDescription") or "").startswith(_NOT_ANALYSED)
