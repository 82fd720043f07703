from __future__ import annotations

import ast
from pathlib import Path

from monai_tbkd import listed_names
from monai_tbkd.packaging.vendored_code import PACKAGE, copy_code, needed_distributions, needed_files, package_folder

TEXTS = ["$monai_tbkd.data.CXRReader", '{"_target_": "monai_tbkd.transforms.CheckFrontald"}']


def test_what_is_reached_comes_along_and_nothing_else() -> None:
    files = {str(f) for f in needed_files(TEXTS)}
    expected = {
        "__init__.py",
        "py.typed",
        "data/__init__.py",
        "data/readers/cxr_reader.py",
        "transforms/frontal_gate.py",
    }
    assert expected <= files
    assert "data/readers/dicom.py" in files  # by imports of imports
    assert "data/gate/frontal_gate.npz" in files  # named in data/gate/frontal_gate.py
    assert "transforms/lung_box.npz" not in files
    assert not {f for f in files if f.startswith(("commands/", "__main__", "networks/", "data/datalist"))}


def test_a_name_is_followed_to_the_module_that_defines_it() -> None:
    files = {str(f) for f in needed_files(["monai_tbkd.networks.LogSumExpMapPool"])}
    assert {f for f in files if f.startswith("networks/")} == {"networks/__init__.py", "networks/map_pooling.py"}


def test_nothing_is_reached_by_names_of_others() -> None:
    assert {str(f) for f in needed_files(["monai.networks.nets.ResNet"])} == {"__init__.py", "py.typed"}


def test_distributions_by_the_names_that_they_are_installed_by() -> None:
    needed = needed_distributions(TEXTS)
    assert {"python-gdcm", "itk", "pydicom", "pillow"} <= {name.lower() for name in needed}
    assert not {"torch", "monai", "numpy", "json"} & set(needed)
    assert all(needed.values())


def test_files_are_copied_as_they_are(tmp_path: Path) -> None:
    for file in copy_code(TEXTS, tmp_path / PACKAGE):
        if file.name != "__init__.py" or file.parent.name == PACKAGE:
            original = package_folder() / file.relative_to(tmp_path / PACKAGE)
            assert file.read_bytes() == original.read_bytes()


def test_a_package_lists_what_came_along(tmp_path: Path) -> None:
    copy_code(TEXTS, tmp_path / PACKAGE)
    for package in ("data", "transforms"):
        source = (tmp_path / PACKAGE / package / "__init__.py").read_text()
        original = listed_names((package_folder() / package / "__init__.py").read_text())
        listed = listed_names(source)
        assert listed.items() < original.items()
        assert all((tmp_path / f"{module.replace('.', '/')}.py").is_file() for module in listed.values())
        assert ast.literal_eval(source.partition("__all__ = ")[2].partition("]")[0] + "]") == sorted(listed)
    assert "load_datalist" not in (tmp_path / PACKAGE / "data" / "__init__.py").read_text()
