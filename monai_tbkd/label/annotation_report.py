"""An annotator's boxes as a DICOM structured report, and its way to the DICOMweb server of its image."""

from __future__ import annotations

import logging
from typing import Any

from pydicom import Dataset

from monai_tbkd import __version__
from monai_tbkd.dicom import DRAWN_BY_ANNOTATOR, BoxFinding, ImageFinding, SourceImage, structured_report
from monai_tbkd.dicom.archive_answers import stored_instances
from monai_tbkd.label.image_label import ImageLabel

logger = logging.getLogger(__name__)


def annotation_report(label: ImageLabel) -> Dataset:
    """The report of `monai_tbkd.dicom` on a DICOM image, with the boxes that an annotator drew.

    It has the form of a program's result, since that is what OHIF makes editable rectangles of. A drawn box has the
    score 1, an image with TB as well; the algorithm's version says that a person drew it.

    Raises:
        DicomResultError: the image is not DICOM, or lacks what a report has to refer to.
    """
    boxes = tuple(BoxFinding(box[0], box[1], box[2], box[3], 1.0) for box in label.boxes)
    version = f"{DRAWN_BY_ANNOTATOR}, saved by monai_tbkd {__version__}"
    finding = ImageFinding(1.0 if label.is_tb else 0.0, boxes=boxes, model_version=version)
    return structured_report(SourceImage.read(label.image), finding)


def send_report(client: Any, report: Dataset) -> dict[str, Any]:
    """Store a report, and check that it is stored.

    A server answers a request to store in many ways, of which only one says that it is stored: the report's own UID
    among the stored instances. Where it is not there, the server is asked for the report.

    Returns:
        The note on the label: ``report``, ``sent`` or ``not sent``, with the report's UID or the kind of fault.
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
