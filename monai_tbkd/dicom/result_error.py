"""Why a film gets no DICOM results."""

from __future__ import annotations


class DicomResultError(ValueError):
    """DICOM results cannot be made for this film; the message says why, and holds no patient data."""
