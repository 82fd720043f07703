"""The notice on everything that a model puts out."""

from __future__ import annotations

NOTICE = "research use only, not for diagnosis"
PHANTOM_NOTICE = "trained on phantom images, knows no real image"


def notice_of(model_version: str = "") -> str:
    """The notice for a model; ``model_version`` as :func:`monai_tbkd.networks.model_version` gives it."""
    return f"{NOTICE}; {PHANTOM_NOTICE}" if "phantom images only" in model_version else NOTICE
