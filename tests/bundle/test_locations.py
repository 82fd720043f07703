from __future__ import annotations

from pathlib import Path

import pytest

from monai_tbkd.bundle import bundle_files, bundle_root, recipe_files, truth, with_extra
from monai_tbkd.bundle.plain_errors import plain_cause


def test_same_place_from_the_repository_and_from_inside_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "bundle" / "configs").mkdir(parents=True)
    (tmp_path / "bundle" / "configs" / "metadata.json").write_text("{}")
    (tmp_path / "configs").mkdir()  # recipes, not a bundle
    assert bundle_root(tmp_path) == bundle_root(tmp_path / "bundle") == str(tmp_path / "bundle")
    assert bundle_root(tmp_path / "configs") == str(tmp_path / "configs")


def test_files_of_bundle_and_recipes_are_found() -> None:
    assert (bundle_files() / "configs" / "train.yaml").is_file()
    assert (recipe_files() / "demo.yaml").is_file()


def test_cause_of_ours_is_found_under_what_others_wrapped() -> None:
    try:
        try:
            truth("maybe")
        except ValueError as e:
            raise RuntimeError("Failed to evaluate") from e
    except RuntimeError as wrapped:
        assert isinstance(plain_cause(wrapped), ValueError)
    try:
        int("x")
    except ValueError as foreign:
        assert plain_cause(foreign) is None


def test_what_needs_an_absent_package_is_refused_with_the_extra_that_brings_it() -> None:
    assert with_extra((), "no_such_package", "dicom") == ()
    assert with_extra("sr", "numpy", "dicom") == "sr"
    with pytest.raises(ValueError, match=r"needs no_such_package.*pip install 'monai_tbkd\[dicom\]'"):
        with_extra("sr", "no_such_package", "dicom")
