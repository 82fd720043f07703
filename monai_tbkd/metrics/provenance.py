"""What a result was made from: versions and hashes."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("monai_tbkd", "monai", "torch", "numpy", "scipy", "pytorch-ignite", "pillow", "pydicom", "nibabel", "itk")


def versions() -> dict[str, str]:
    """Python's version and those of the packages that numbers may depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def split_sha256(items: Sequence[Mapping[str, Any]]) -> str:
    """Which films, labels, boxes and outlines a split has, in any order; the same on another machine.

    Args:
        items: datalist items.

    Example:
        >>> a = {"name": "a", "class_name": "tb", "boxes": [[0, 0, 1, 1]]}
        >>> b = {"name": "b", "class_name": "health", "boxes": []}
        >>> split_sha256([a, b]) == split_sha256([b, a])
        True
    """
    lines = sorted(
        f"{item['name']} {item['class_name']} {_numbers(item.get('boxes'))}"
        + "".join(f"; outline {_numbers(each)}" for each in item.get("polygons") or ())
        for item in items
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _numbers(boxes: Sequence[Sequence[float]] | None) -> str:
    return "unknown" if boxes is None else "; ".join(" ".join(f"{edge:.6g}" for edge in box) for box in boxes)
