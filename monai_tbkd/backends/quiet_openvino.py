"""OpenVINO without its messages home, and one of it a process."""

from __future__ import annotations

import sys
from functools import cache
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


@cache
def openvino_core() -> Any:
    """The process's one ``openvino.Core``, which lives as long as the process.

    On processors with AMX each Core sets the thread's alternate signal stack when it is first used, and when it is
    destroyed unmaps it and puts the earlier one back (OpenVINO pull request 11894). Two whose lives overlap leave the
    thread with a stack that is unmapped, and the next signal, such as that of a data loader's worker that ended, kills
    the process.

    Raises:
        ValueError: OpenVINO is not installed.
    """
    return load_openvino().Core()
