"""Packages import their names when they are asked for."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import monai_tbkd
from monai_tbkd import listed_names

ROOMS = sorted(
    folder.parent.name
    for folder in Path(monai_tbkd.__file__).parent.glob("*/__init__.py")
    if "names_on_demand" in folder.read_text()
)


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_is_found_in_its_module(room: str) -> None:
    module = importlib.import_module(f"monai_tbkd.{room}")
    names = listed_names(Path(str(module.__file__)).read_text())
    assert sorted(names) == sorted(module.__all__)
    for name, defined_in in names.items():
        assert getattr(module, name) is getattr(importlib.import_module(defined_in), name)


def test_a_module_of_the_same_name_does_not_hide_what_it_defines() -> None:
    import monai_tbkd.backends

    importlib.reload(importlib.import_module("monai_tbkd.backends.agreement"))
    assert callable(monai_tbkd.backends.agreement)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no nothing"):
        importlib.import_module("monai_tbkd.data").nothing
    with pytest.raises(AttributeError, match="monai_tbkd has no nowhere"):
        getattr(monai_tbkd, "nowhere")  # noqa: B009
    with pytest.raises(ImportError, match="nothing"):
        exec("from monai_tbkd.data import nothing")


@pytest.mark.system
def test_a_package_imports_nothing_that_is_not_asked_for(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    lines = ["import sys, monai_tbkd", "monai_tbkd.data, monai_tbkd.engines", "assert 'torch' not in sys.modules"]
    program.write_text("\n".join(lines))
    environment = {**os.environ, "PYTHONPATH": str(Path(monai_tbkd.__file__).parents[1])}
    subprocess.run([sys.executable, str(program)], check=True, env=environment)
