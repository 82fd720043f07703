"""OpenVINO without its messages home."""

from __future__ import annotations

import sys
from typing import Any

from monai.utils import optional_import


def load_openvino() -> Any:
    """Import OpenVINO, and keep it from telling its makers so.

    ``import openvino`` sends an event to an analytics service if the package ``openvino_telemetry``, which pip installs
    with it, can be imported. Films may be read where nothing is to leave the house, so it is made to look absent; then
    OpenVINO takes a stub of its own. Once another part of the program has imported OpenVINO, it is too late.

    Returns:
        The module ``openvino``.

    Raises:
        ValueError: OpenVINO is not installed.
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    openvino, found = optional_import("openvino")
    if not found:
        raise ValueError("OpenVINO is not installed; install it by pip install 'monai_tbkd[export]'.")
    return openvino
