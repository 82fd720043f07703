"""Which films the reports of a study are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydicom import Dataset

from monai_tbkd.dicom import is_result_of


def reported_films(reports: Iterable[Dataset], model_version: str) -> set[str]:
    """The films that have a report of a model.

    Args:
        reports: headers of structured reports, of any program.
        model_version: of the reports that count.

    Returns:
        SOP instance UIDs.
    """
    return {uid for report in reports if is_result_of(report, model_version) for uid in _referenced(report)}


def _referenced(report: Dataset) -> Iterator[str]:
    """Of the evidence that the report was made from (PS3.3, C.17.2)."""
    for study in report.get("CurrentRequestedProcedureEvidenceSequence") or []:
        for series in study.get("ReferencedSeriesSequence") or []:
            for instance in series.get("ReferencedSOPSequence") or []:
                yield str(instance.get("ReferencedSOPInstanceUID") or "")
