"""Find where tuberculosis is on a chest X-ray, from image-level labels alone: a MONAI plugin."""

from __future__ import annotations

__version__ = "0.1.0"
