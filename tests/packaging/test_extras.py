"""Wishes that need a package which is or is not there."""

from __future__ import annotations

import pytest

from monai_tbkd.packaging import with_extra


def test_what_needs_an_absent_package_is_refused_with_the_extra_that_brings_it() -> None:
    assert with_extra((), "no_such_package", "dicom") == ()
    assert with_extra("sr", "numpy", "dicom") == "sr"
    with pytest.raises(ValueError, match=r"needs no_such_package.*pip install 'monai_tbkd\[dicom\]'"):
        with_extra("sr", "no_such_package", "dicom")
