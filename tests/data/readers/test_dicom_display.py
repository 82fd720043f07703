from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from monai_tbkd.data import ImageError, ImageWarning, ReasonCode
from monai_tbkd.data.readers import DecodedImage, decode_image
from tests.data.golden_dicom import lut_item, ramp, write_image
from tests.data.images_by_hand import put_text
from tests.data.readers.test_golden_dicom import linear, sigmoid

STORED = ramp(0, 4095)
CURVE = np.arange(4096) ** 2 // 4095
LINEAR = linear(STORED, 2000, 1000, 0, 4095)


def shown(folder: Path, voi: str = "first", text: dict[str, str] | None = None, **elements: Any) -> DecodedImage:
    """An image with these elements; those of `text` may be of any kind."""
    path = write_image(folder / "a", STORED, 12, **elements)
    for keyword, value in (text or {}).items():
        put_text(path, keyword, "CS" if keyword.endswith(("Function", "Shape")) else "DS", value)
    return decode_image(path, voi=voi)


@pytest.mark.parametrize(
    ("center", "width"),
    [
        ("2047,5", "4095,0"), ("[2048, 2048]", "[4096, 4096]"), ("N/A", "N/A"), ("word", "4096"), ("2048", ""),
        ("nan", "nan"), ("2048", "inf"), ("", "4096"), ("2048;1", "4096"), ("Secret^Patient", "4096"),
    ],
)  # fmt: skip
def test_a_window_that_is_no_number_is_left_out(tmp_path: Path, center: str, width: str) -> None:
    image = shown(tmp_path, text={"WindowCenter": center, "WindowWidth": width})
    np.testing.assert_array_equal(image.pixels, STORED)
    if center and width:
        assert image.steps[0].startswith("VOI window left out (WindowCenter ")
        assert image.warnings == [ImageWarning.DISPLAY_LEFT_OUT]
    assert "Secret" not in " ".join(image.steps)
    assert ";" not in " ".join(image.steps)  # which separates steps


@pytest.mark.parametrize(
    ("center", "width", "warned"),
    [
        ("\\2000", "\\1000", True), ("1,5\\2000", "1,5\\1000", True), ("nan\\2000", "5\\1000", True),
        ("50\\2000", "0\\1000", False), ("50\\2000", "-1\\1000", False),
    ],
)  # fmt: skip
def test_the_next_window_is_taken(tmp_path: Path, center: str, width: str, warned: bool) -> None:
    image = shown(tmp_path, text={"WindowCenter": center, "WindowWidth": width})
    np.testing.assert_allclose(image.pixels, LINEAR, atol=0.01)
    assert image.steps[-1] == "VOI window 2 applied"
    assert (image.warnings == [ImageWarning.DISPLAY_LEFT_OUT]) == warned == (len(image.steps) == 2)


@pytest.mark.parametrize(
    ("function", "expected", "warned"),
    [
        ("", LINEAR, False), (" ", LINEAR, False), ("linear", LINEAR, False), ("LOG", LINEAR, True),
        ("LINEAR\\SIGMOID", LINEAR, True), ("1", LINEAR, True), ("\\SIGMOID", LINEAR, True),
        ("SIGMOID", sigmoid(STORED, 2000, 1000, 0, 4095), False),
        ("SIGMOID\\LINEAR", sigmoid(STORED, 2000, 1000, 0, 4095), True),
    ],
)  # fmt: skip
def test_a_voi_function_that_is_none_is_left_out(tmp_path: Path, function: str, expected: Any, warned: bool) -> None:
    image = shown(tmp_path, text={"VOILUTFunction": function}, WindowCenter=2000, WindowWidth=1000)
    np.testing.assert_allclose(image.pixels, expected, atol=0.01)
    assert image.steps[-1] == "first VOI window applied"
    assert (image.warnings == [ImageWarning.DISPLAY_LEFT_OUT]) == warned == image.steps[0].startswith("VOILUTFunction")


def without(keyword: str, **changed: Any) -> Dataset:
    (item,) = lut_item(CURVE, 0, 12)
    for key, value in changed.items():
        setattr(item, key, value)
    if keyword:
        delattr(item, keyword)
    return item


UNUSABLE = {
    "without data": without("LUTData"),
    "without descriptor": without("LUTDescriptor"),
    "cut": without("", LUTData=CURVE[:99].tolist()),
    "a descriptor of two": without("", LUTDescriptor=[4096, 0]),
    "of no bits": without("", LUTDescriptor=[4096, 0, 0]),
    "empty": Dataset(),
}


@pytest.mark.parametrize("lut", UNUSABLE)
def test_a_voi_lut_that_cannot_be_used_is_left_out(tmp_path: Path, lut: str) -> None:
    image = shown(tmp_path, VOILUTSequence=[UNUSABLE[lut]])
    np.testing.assert_array_equal(image.pixels, STORED)
    assert image.warnings == [ImageWarning.DISPLAY_LEFT_OUT]
    assert [step.split(" (")[0] for step in image.steps] == ["VOI LUT 1 left out"]

    image = shown(tmp_path, VOILUTSequence=[UNUSABLE[lut], *lut_item(CURVE, 0, 12)])
    np.testing.assert_array_equal(image.pixels, CURVE[STORED])
    assert image.steps[-1] == "VOI LUT 2 applied"

    image = shown(tmp_path, VOILUTSequence=[UNUSABLE[lut]], WindowCenter=2000, WindowWidth=1000)
    np.testing.assert_allclose(image.pixels, LINEAR, atol=0.01)

    assert shown(tmp_path, voi="none", VOILUTSequence=[UNUSABLE[lut]]).warnings == []


@pytest.mark.parametrize("lut", UNUSABLE)
def test_a_modality_lut_that_cannot_be_used_is_named(tmp_path: Path, lut: str) -> None:
    # Without it nobody knows what the stored values mean, nor which end is bright.
    with pytest.raises(ImageError, match="ModalityLUTSequence cannot be used") as caught:
        shown(tmp_path, ModalityLUTSequence=[UNUSABLE[lut]])
    assert caught.value.reason is ReasonCode.UNREADABLE_TAG


@pytest.mark.parametrize(
    "elements",
    [{"PresentationLUTSequence": [UNUSABLE["cut"]]}, {"PresentationLUTShape": "LOG"}],
    ids=["sequence", "shape"],
)
def test_a_presentation_lut_that_cannot_be_used_is_left_out(tmp_path: Path, elements: dict[str, Any]) -> None:
    image = shown(tmp_path, **elements, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(image.pixels, 4095 - STORED)
    assert image.warnings == [ImageWarning.DISPLAY_LEFT_OUT]
    assert image.steps[-1] == "inverted"


def test_a_rescale_without_one_of_its_numbers_is_no_rescale(tmp_path: Path) -> None:
    image = shown(tmp_path, text={"RescaleIntercept": "0,0"})
    np.testing.assert_array_equal(image.pixels, STORED)
    image = shown(tmp_path, text={"RescaleIntercept": ""}, RescaleSlope=2)
    np.testing.assert_array_equal(image.pixels, STORED)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("center", "width"), [(40_000, 100), (-900, 100), (40_000, 1), ([40_000, 2000], [100, 1000]), (5000, 2)]
)
@pytest.mark.parametrize("marker", [False, True])
def test_a_window_that_leaves_nothing_of_the_image_is_left_out(
    tmp_path: Path, center: Any, width: Any, marker: bool, photometric: str
) -> None:
    """Be it of one value then, or all but a marker."""
    stored = STORED.copy()
    if marker:
        stored[:2, :8] = 40_000
    path = write_image(
        tmp_path / "a", stored, 16, WindowCenter=center, WindowWidth=width, PhotometricInterpretation=photometric
    )
    image = decode_image(path)
    np.testing.assert_array_equal(image.pixels, 65_535 - stored if photometric == "MONOCHROME1" else stored)
    assert image.warnings == [ImageWarning.DISPLAY_LEFT_OUT]
    assert image.steps[-1] == "VOI LUT or window left out, which leaves nothing of the image"


def test_a_voi_lut_of_one_value_is_left_out(tmp_path: Path) -> None:
    image = shown(tmp_path, VOILUTSequence=lut_item([7] * 4096, 0, 12))
    np.testing.assert_array_equal(image.pixels, STORED)
    assert image.warnings == [ImageWarning.DISPLAY_LEFT_OUT]


def test_an_image_that_is_mostly_background_keeps_its_window(tmp_path: Path) -> None:
    stored = np.zeros_like(STORED)
    stored[5:7, 5:9] = 2000
    image = decode_image(write_image(tmp_path / "a", stored, 12, WindowCenter=2000, WindowWidth=1000))
    assert image.steps == ["first VOI window applied"] and not image.warnings
