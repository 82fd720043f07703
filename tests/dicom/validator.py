"""What dciodvfy, of Debian's dicom3tools, has against a DICOM object."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest


def errors_of(path: Path) -> set[str]:
    """The lines that begin with Error; the test is skipped where dciodvfy is not installed."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    done = subprocess.run(["dciodvfy", path], capture_output=True, timeout=60)
    said = done.stderr.decode(errors="replace")
    assert "Abort" not in said, said
    return {line for line in said.splitlines() if line.startswith("Error")}


def further_errors(found: set[str], own: set[str]) -> set[str]:
    """The errors of a result that its image does not have; a wrong UID of the image stays wrong in a reference."""
    wrong = set(re.findall(r'[<"]([0-9.]{6,})[>"]', " ".join(own)))
    return {line for line in found - own if not wrong & set(re.findall(r'[<"]([0-9.]{6,})[>"]', line))}
