"""Find where tuberculosis is on a chest X-ray, from image-level labels alone: a MONAI plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_tbkd.inference import Finding, LocalizationModel, load_model

__version__ = "0.1.0"
__all__ = ["Finding", "LocalizationModel", "__version__", "load_model"]


def __getattr__(name: str) -> Any:
    """What needs torch, when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from monai_tbkd import inference

    return getattr(inference, name)
