from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from monai_tbkd.packaging import vendored_code
from monai_tbkd.packaging.vendored_code import copy_code, needed_distributions, needed_files

TEXTS = ["$monai_tbkd.packaging.read_settings()", '{"_target_": "monai_tbkd.networks.LogSumExpMapPool"}']


@pytest.fixture(autouse=True, scope="module")
def _sources_are_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_imports", "_modules_of"):
            patch.setattr(vendored_code, name, cache(getattr(vendored_code, name)))
        yield


def test_what_is_reached_comes_along_and_nothing_else() -> None:
    files = {str(f) for f in needed_files(TEXTS)}
    expected = {"__init__.py", "py.typed", "packaging/__init__.py", "packaging/settings.py", "networks/map_pooling.py"}
    assert expected <= files
    assert "data/frontal_gate.npz" in files  # networks read and write records with the package of films
    assert not {f for f in files if f.startswith(("commands/", "__main__"))}
    assert "packaging/bundle_package.py" not in files


def test_nothing_is_reached_by_names_of_others() -> None:
    assert {str(f) for f in needed_files(["monai.networks.nets.ResNet"])} == {"__init__.py", "py.typed"}


def test_distributions_by_the_names_that_they_are_installed_by() -> None:
    needed = needed_distributions(TEXTS)
    assert {"python-gdcm", "itk", "pydicom", "pillow"} <= {name.lower() for name in needed}
    assert not {"torch", "monai", "numpy", "json"} & set(needed)
    assert all(needed.values())


def test_files_are_copied_as_they_are(tmp_path: Path) -> None:
    import monai_tbkd

    for file in copy_code(TEXTS, tmp_path / "monai_tbkd"):
        original = Path(monai_tbkd.__file__).parent / file.relative_to(tmp_path / "monai_tbkd")
        assert file.read_bytes() == original.read_bytes()
