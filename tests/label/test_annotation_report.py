"""A report counts as sent when the server has it."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset

from monai_tbkd.label.annotation_report import send_report

UID = "1.2.3.4"


def listing(uid: str) -> Dataset:
    item, answer = Dataset(), Dataset()
    item.ReferencedSOPInstanceUID = uid
    answer.ReferencedSOPSequence = [item]
    return answer


class Server:
    """As ``DICOMwebClient``: an answer to a request to store, and what a search finds then."""

    def __init__(self, answer: Any, *found: str) -> None:
        self.answer, self.found = answer, found

    def store_instances(self, instances: list[Dataset]) -> Dataset:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def search_for_instances(self, *_: Any, search_filters: dict[str, str]) -> list[dict[str, Any]]:
        assert search_filters == {"SOPInstanceUID": UID}
        return [{"00080018": {"vr": "UI", "Value": [each]}} for each in self.found]


@pytest.mark.parametrize(
    ("server", "noted"),
    [
        (Server(listing(UID)), "sent"),
        (Server(Dataset(), UID), "sent"),
        (Server(Dataset()), "NOT_STORED"),  # 200 with {}, a page of HTML, or nothing
        (Server(listing("1.2.3.5"), "1.2.3.5"), "NOT_STORED"),
        (Server(ConnectionError("gone")), "ConnectionError"),
    ],
)
def test_what_counts_as_sent(server: Server, noted: str) -> None:
    report = Dataset()
    report.SOPInstanceUID, report.StudyInstanceUID, report.SeriesInstanceUID = UID, "1.2", "1.2.3"
    found = send_report(server, report)
    if noted == "sent":
        assert found == {"report": "sent", "report_sop_instance_uid": UID}
    else:
        assert found == {"report": "not sent", "report_fault": noted}
