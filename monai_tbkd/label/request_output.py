"""Which form of answer a request asks for; the server does not tell its app."""

from __future__ import annotations

from contextvars import ContextVar

ASKED_OUTPUT: ContextVar[str] = ContextVar("ASKED_OUTPUT", default="")
"""``output`` of the query: ``json``, ``image``, ``all``, ``dicom_seg``, or empty."""
