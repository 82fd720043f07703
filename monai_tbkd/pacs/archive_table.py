"""The table of a run through an archive, which remembers what need not be fetched again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_tbkd.data import ReasonCode
from monai_tbkd.results import PredictionTable

PASSING = {ReasonCode.NOT_READABLE, ReasonCode.NOT_FETCHED, ReasonCode.NOT_STORED, ReasonCode.INTERNAL}
"""Failures that may be gone at the next pass. An image that is damaged stays so: its UID is of this very content."""


class ArchiveTable(PredictionTable):
    """A `PredictionTable` that keeps the rows of damaged images, and lets the kinds of results change."""

    def is_tried_again(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is of a failure that may pass."""
        return super().is_tried_again(row) and ReasonCode(row["reason"]) in PASSING

    def differing(self, there: Mapping[str, Any]) -> list[str]:
        """The settings that differ and that scores depend on."""
        return [key for key in super().differing(there) if key != "dicom_output"]
