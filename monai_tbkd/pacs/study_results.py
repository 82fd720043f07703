"""Which images the reports of a study are about, and which kinds of results they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydicom import Dataset

from monai_tbkd.dicom import box_report, is_refusal, is_result_of


def reported_films(reports: Iterable[Dataset], model_version: str) -> dict[str, Dataset]:
    """The images that have a report of a model.

    Args:
        reports: headers of structured reports, of any program.
        model_version: of the reports that count.

    Returns:
        By SOP instance UID the report; one with a score goes before one that says why there is none.
    """
    own = sorted((report for report in reports if is_result_of(report, model_version)), key=is_refusal, reverse=True)
    return {uid: report for report in own for uid in _referenced(report)}


def has_boxes(report: Dataset) -> bool:
    """Whether a report of this program has boxes, and its image therefore a segmentation of them."""
    return bool(box_report(report).boxes)


def _referenced(report: Dataset) -> Iterator[str]:
    """Of the evidence that the report was made from (PS3.3, C.17.2)."""
    for study in report.get("CurrentRequestedProcedureEvidenceSequence") or []:
        for series in study.get("ReferencedSeriesSequence") or []:
            for instance in series.get("ReferencedSOPSequence") or []:
                yield str(instance.get("ReferencedSOPInstanceUID") or "")
