from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.data.readers import decode_image, decoded_image
from tests.data.images_by_hand import make_dicom


def test_an_image_in_many_strips_is_the_image_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (61, 40)).astype(np.uint16)
    values[3:5] = values[50:] = 9  # padding in some strips, and not in others
    dicom = make_dicom(
        tmp_path / "a", values, WindowCenter=1800, WindowWidth=2500, RescaleSlope=2, RescaleIntercept=-7,
        PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=9,
    )  # fmt: skip
    color = tmp_path / "a.png"
    tinted = np.random.default_rng(1).integers(0, 256, (61, 40, 1)) * [1, 0.8, 0.7]  # in one hue
    Image.fromarray(tinted.astype(np.uint8)).save(color)
    whole = [decode_image(path) for path in (dicom, color)]
    monkeypatch.setattr(decoded_image, "_STRIP", 200)
    for image, path in zip(whole, (dicom, color), strict=True):
        again = decode_image(path)
        assert np.array_equal(again.pixels, image.pixels)
        assert again.steps == image.steps
    assert "pixel padding set to the darkest" in whole[0].steps
    assert "color to ITU-R 601 luma" in whole[1].steps
