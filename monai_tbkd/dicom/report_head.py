"""Whose a structured report is, when it was written, and which films it is about."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from enum import Enum

from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from monai_tbkd.data.film_classes import box_type_of, class_of
from monai_tbkd.data.own_results import MANUFACTURER
from monai_tbkd.dicom import coded_terms as terms
from monai_tbkd.dicom.equipment import DRAWN_BY_ANNOTATOR

SOP_CLASSES = (EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage)
"""OHIF 3.13 stores Enhanced SR, this program Comprehensive SR."""
TEMPLATE = "1500"
Code = tuple[str, str]
_MEASUREMENTS, _GROUP = ("126010", "DCM"), ("125007", "DCM")
_FINDING, _COMMENT = ("121071", "DCM"), (terms.COMMENT.value, terms.COMMENT.scheme_designator)
_OBSERVER_TYPE, _PERSON, _DEVICE = ("121005", "DCM"), ("121006", "DCM"), ("121007", "DCM")
_PERSON_NAME = ("121008", "DCM")
_DEVICE_WORDS = (("121013", "DCM"), ("121014", "DCM"))  # its name, its manufacturer
_TUBERCULOSIS = (terms.TUBERCULOSIS.value, terms.TUBERCULOSIS.scheme_designator)
_EVIDENCE = ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")


class Author(Enum):
    """Who saw what a report says."""

    ANNOTATOR = "a person"
    DEVICE = "a program"
    UNKNOWN = "nobody that it names"


@dataclass(frozen=True)
class ReportHead:
    """A report without its findings.

    Attributes:
        uid: SOP instance UID.
        author: by the observer that the content names, not by tags of the equipment or the series: OHIF puts a
            corrected report into the series of the one that was opened, under that one's name and number.
        ours: whether the observer that it names is this program.
        films: SOP instance UID of each film that it has measured, and the UID of its series, empty where it does not
            say.
        written: date and time, so that a later one is the greater text; empty where it does not say.
        predecessors: SOP instance UIDs of the reports that it was made from.
    """

    uid: str
    author: Author
    ours: bool = False
    films: dict[str, str] = field(default_factory=dict)
    written: str = ""
    predecessors: frozenset[str] = frozenset()


def report_head(report: Dataset) -> ReportHead:
    """Read the head of a report.

    Args:
        report: a data set, or what an archive tells of it as metadata.

    Returns:
        The head. pydicom may raise anything where an element is damaged.
    """
    series = dict(pair for key in _EVIDENCE for pair in _instances(report, key))
    films = {uid: series.get(uid, "") for group in measurement_groups(report) for uid in _films(group)}
    ours = MANUFACTURER in _device_words(report)
    before = frozenset(uid for uid, _ in _instances(report, "PredecessorDocumentsSequence"))
    return ReportHead(_text(report, "SOPInstanceUID"), _author(report), ours, films, _written(report), before)


def is_measurement_report(report: Dataset) -> bool:
    """Whether a report is one of the kinds and the template (TID 1500) that boxes are read from."""
    named = [_text(each, "TemplateIdentifier") for each in report.get("ContentTemplateSequence") or []]
    return _text(report, "SOPClassUID") in SOP_CLASSES and named == [TEMPLATE]


def is_about_tuberculosis(report: Dataset, own: Container[str] = ()) -> bool:
    """Whether a report was made from one of ours, or says a word of tuberculosis or of what a film has instead.

    People measure many things on films; a rectangle alone says nothing of what it is around.

    Args:
        report: a data set, or its metadata.
        own: SOP instance UIDs of our reports.
    """
    if any(uid in own for uid in report_head(report).predecessors):
        return True
    for item in (item for group in measurement_groups(report) for item in children(group)):
        if concept(item) == _FINDING and code_of(item, "ConceptCodeSequence") == _TUBERCULOSIS:
            return True
        if concept(item) == _COMMENT and (class_of(word := _text(item, "TextValue")) or box_type_of(word)):
            return True
    return False


def measurement_groups(report: Dataset) -> list[Dataset]:
    """The measurement groups of a report of TID 1500."""
    parts = [part for part in children(report) if concept(part) == _MEASUREMENTS]
    return [group for part in parts for group in children(part) if concept(group) == _GROUP]


def children(item: Dataset) -> list[Dataset]:
    """The content items below one, or below the report."""
    return list(item.get("ContentSequence") or [])


def descendants(item: Dataset) -> Iterator[Dataset]:
    """All content items below one; level by level, so that nothing calls itself."""
    level = children(item)
    while level:
        yield from level
        level = [below for each in level for below in children(each)]


def concept(item: Dataset) -> Code:
    """Code value and scheme of what a content item is."""
    return code_of(item, "ConceptNameCodeSequence")


def code_of(item: Dataset, keyword: str) -> Code:
    """Code value and scheme of the first code of a sequence, empty where there is none."""
    for code in item.get(keyword) or []:
        return _text(code, "CodeValue"), _text(code, "CodingSchemeDesignator")
    return "", ""


def words_of(group: Dataset) -> tuple[str, str]:
    """Comment and finding of a measurement group; a finding of tuberculosis is ``tuberculosis``."""
    comment = finding = ""
    for item in children(group):
        if concept(item) == _COMMENT:
            comment = comment or _text(item, "TextValue")
        elif concept(item) == _FINDING and not finding:
            codes = list(item.get("ConceptCodeSequence") or [])
            known = code_of(item, "ConceptCodeSequence") == _TUBERCULOSIS
            finding = "tuberculosis" if known else _text(codes[0], "CodeMeaning") if codes else ""
    return comment, finding


def _films(group: Dataset) -> Iterator[str]:
    for item in descendants(group):
        yield from (_text(each, "ReferencedSOPInstanceUID") for each in item.get("ReferencedSOPSequence") or [])


def _context(report: Dataset) -> list[Dataset]:
    return [item for item in children(report) if _text(item, "RelationshipType") == "HAS OBS CONTEXT"]


def _device_words(report: Dataset) -> set[str]:
    return {_text(item, "TextValue") for item in _context(report) if concept(item) in _DEVICE_WORDS}


def _author(report: Dataset) -> Author:
    context, words = _context(report), _device_words(report)
    kinds = {code_of(item, "ConceptCodeSequence") for item in context if concept(item) == _OBSERVER_TYPE}
    if MANUFACTURER in words:
        versions = report.get("SoftwareVersions") or ""
        said = str(versions if isinstance(versions, str) else versions[0])
        return Author.ANNOTATOR if said.startswith(DRAWN_BY_ANNOTATOR) else Author.DEVICE
    if _PERSON in kinds or any(concept(item) == _PERSON_NAME for item in context):
        return Author.ANNOTATOR
    return Author.DEVICE if words or _DEVICE in kinds else Author.UNKNOWN


def _instances(report: Dataset, keyword: str) -> Iterator[tuple[str, str]]:
    """SOP instance UIDs that a sequence of studies holds, each with the UID of its series."""
    for study in report.get(keyword) or []:
        for series in study.get("ReferencedSeriesSequence") or []:
            for instance in series.get("ReferencedSOPSequence") or []:
                yield _text(instance, "ReferencedSOPInstanceUID"), _text(series, "SeriesInstanceUID")


def _written(report: Dataset) -> str:
    date, time = _text(report, "ContentDate"), _text(report, "ContentTime")
    return date + time if re.fullmatch(r"\d{8}", date) and re.fullmatch(r"\d*(\.\d+)?", time) else ""


def _text(item: Dataset, keyword: str) -> str:
    value = item.get(keyword)
    return "" if value is None else str(value).strip()
