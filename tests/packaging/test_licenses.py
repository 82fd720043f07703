"""The default installation holds nothing under a GPL."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def licenses() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "licenses.py"
    spec = importlib.util.spec_from_file_location("licenses", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("MIT", ""),
        ("GPL-3.0-or-later", "GPL"),
        ("LGPL-2.1-only AND MIT", "GPL"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "GPL"),
        ("MIT OR GPL-2.0-only", ""),
        ("", "no license stated"),
    ],
)
def test_what_is_refused(licenses: ModuleType, text: str, reason: str) -> None:
    assert licenses.refused(text) == reason


def test_the_default_installation_has_none(licenses: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert licenses.main() == 0
    assert {"torch", "monai", "pydicom", "itk-core"} <= set(licenses.dependencies("monai_tbkd"))
    assert ", 0 that may not be there" in capsys.readouterr().out
