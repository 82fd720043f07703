"""A finished label's report, to the DICOMweb server that its image came from."""

from __future__ import annotations

import logging
from typing import Any

from pydicom import Dataset

from monai_tbkd.dicom.archive_answers import stored_instances

logger = logging.getLogger(__name__)


def send_report(client: Any, report: Dataset) -> dict[str, Any]:
    """Store a report, and see that it is stored.

    A server answers a request to store something in many ways, of which only one says that it is stored: the report's
    own UID among the instances that are. Where it is not, the server is asked for the report.

    Args:
        client: ``dicomweb_client.DICOMwebClient``.
        report: of a label.

    Returns:
        What is noted of the label: ``report``, ``sent`` or ``not sent``, with the report's UID or the kind of fault.
    """
    uid = str(report.SOPInstanceUID)
    try:
        answer = client.store_instances([report])
        if uid in stored_instances(answer.to_json_dict()) or _has(client, report):
            return {"report": "sent", "report_sop_instance_uid": uid}
        logger.error("A report was not stored: the server answers without saying that it is, and does not have it")
        return {"report": "not sent", "report_fault": "NOT_STORED"}
    except Exception as error:  # of requests, dicomweb_client or pydicom; the label is kept all the same
        logger.error("A report was not sent (%s)", type(error).__name__)
        return {"report": "not sent", "report_fault": type(error).__name__}


def _has(client: Any, report: Dataset) -> bool:
    found = client.search_for_instances(
        report.StudyInstanceUID, report.SeriesInstanceUID, search_filters={"SOPInstanceUID": report.SOPInstanceUID}
    )
    return any(Dataset.from_json(each).get("SOPInstanceUID") == report.SOPInstanceUID for each in found)
