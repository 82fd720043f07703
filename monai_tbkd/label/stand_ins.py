"""An empty module in place of ``pydicom_seg``, which the MONAI Label server imports and never needs here."""

from __future__ import annotations

import importlib
import sys
import types


def stand_in_for_pydicom_seg() -> None:
    """Let ``monailabel`` be imported beside pydicom 3.

    monailabel 0.8.5 imports ``pydicom_seg`` wherever it starts, and pydicom_seg 0.4.1, the newest there is, cannot be
    imported with pydicom 3 (https://github.com/Project-MONAI/MONAILabel/issues/1841). It is used for DICOM SEG of CT
    and MR alone, not for radiographs.
    """
    try:
        importlib.import_module("pydicom_seg")
    except ImportError:
        sys.modules["pydicom_seg"] = types.ModuleType("pydicom_seg")
