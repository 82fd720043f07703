"""What is searched for in an archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

STUDY_KEYS = (
    "AccessionNumber", "IssuerOfPatientID", "PatientBirthDate", "PatientID", "PatientName", "PatientSex",
    "ReferringPhysicianName", "StudyDate", "StudyDescription", "StudyID", "StudyInstanceUID", "StudyTime",
)  # fmt: skip
SERIES_KEYS = (
    "BodyPartExamined", "Manufacturer", "PerformedProcedureStepStartDate", "ProtocolName", "SeriesDate",
    "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "StationName",
)  # fmt: skip


class StudyQuery(NamedTuple):
    """Search keys by the level that they are of."""

    study: dict[str, str]
    series: dict[str, str]

    @classmethod
    def parse(cls, words: Sequence[str]) -> StudyQuery:
        """From ``KEY=VALUE`` each.

        Args:
            words: a key is a DICOM keyword; a value may be a range (``20260101-20261231``) or have ``*`` and ``?``.

        Raises:
            ValueError: no such key, no value, or a key twice.

        Example:
            >>> StudyQuery.parse(["StudyDate=20260101-", "BodyPartExamined=CHEST"])
            StudyQuery(study={'StudyDate': '20260101-'}, series={'BodyPartExamined': 'CHEST'})
        """
        query = cls({}, {})
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or not value.strip():
                raise ValueError(f"query {key!r} has no value; expected KEY=VALUE, like StudyDate=20260101-20261231.")
            level = query.study if key in STUDY_KEYS else query.series if key in SERIES_KEYS else None
            if level is None:
                known = ", ".join((*STUDY_KEYS, *SERIES_KEYS))
                raise ValueError(f"query {key!r} is no key that can be searched for; expected one of {known}.")
            if key in level:
                raise ValueError(f"query {key!r} is given twice; run the command once for each value.")
            level[key] = value.strip()
        return query
