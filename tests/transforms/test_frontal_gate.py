from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import LoadImaged
from PIL import Image

from monai_tbkd.data import CXRReader, ImageError, ReasonCode
from monai_tbkd.data.phantom import make_image
from monai_tbkd.transforms.frontal_gate import CheckFrontal, CheckFrontald

IMAGE = make_image("tb", seed=4, size=128).image
UPRIGHT = torch.from_numpy(IMAGE.astype(np.float32))[None]


def image(change: Callable[[torch.Tensor], torch.Tensor] = lambda x: x, **meta: Any) -> MetaTensor:
    return MetaTensor(change(UPRIGHT.clone()), meta={"filename_or_obj": "a.png", "source_format": "png", **meta})


def upside_down(image: torch.Tensor) -> torch.Tensor:
    return image.flip(1, 2)


def test_an_image_passes_unchanged() -> None:
    given = image()
    kept = CheckFrontald()({"image": given, "label": 1})
    assert kept["image"] is given
    assert kept["label"] == 1
    assert torch.equal(given.as_tensor(), UPRIGHT)
    assert torch.equal(CheckFrontal()(UPRIGHT), UPRIGHT)  # a plain tensor has no tags either


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (upside_down, ReasonCode.NOT_FRONTAL, "180 degrees"),
        (lambda x: torch.rot90(x, 1, (1, 2)), ReasonCode.NOT_FRONTAL, "90 degrees"),
        (lambda x: 255 - x, ReasonCode.NOT_FRONTAL, "invert its gray values"),
        (torch.zeros_like, ReasonCode.NOT_CHEST, "does not look like a frontal chest image"),
    ],
)
def test_refusals_say_what_and_how_to_mend_it(change: Any, reason: ReasonCode, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        CheckFrontal()(image(change))
    assert caught.value.reason is reason
    assert caught.value.path == "a.png"


@pytest.mark.parametrize(
    ("which", "meta", "refused"),
    [
        ("untagged", {}, True),
        ("untagged", {"source_format": "nifti"}, True),
        ("untagged", {"source_format": "dicom"}, False),
        ("untagged", {"source_format": "dicom", "warnings": "AGE_UNKNOWN"}, False),
        ("untagged", {"source_format": "dicom", "warnings": "AGE_UNKNOWN; ORIENTATION_UNKNOWN"}, True),
        ("all", {"source_format": "dicom"}, True),
        ("off", {}, False),
    ],
)
def test_which_images_are_looked_at(which: str, meta: dict[str, str], refused: bool) -> None:
    given = image(upside_down, **meta)
    if refused:
        with pytest.raises(ImageError):
            CheckFrontald(which=which)({"image": given})
    else:
        assert CheckFrontald(which=which)({"image": given})["image"] is given
        doubted = "LOOKS_DOUBTFUL" in given.meta.get("warnings", "")
        assert doubted == (which == "untagged")  # tags vouched for it, the picture does not


def test_no_tag_is_believed_against_white_air() -> None:
    with pytest.raises(ImageError, match="inverted"):
        CheckFrontal()(image(lambda x: 255 - x, source_format="dicom"))


@pytest.mark.parametrize("missing", ["VIEW_UNKNOWN", "BODY_PART_UNKNOWN"])
def test_no_chest_image_passes_by_half_its_tags(missing: str) -> None:
    assert "LOOKS_DOUBTFUL" in CheckFrontal()(image(torch.zeros_like, source_format="dicom")).meta["warnings"]
    with pytest.raises(ImageError, match="NOT_CHEST"):
        CheckFrontal()(image(torch.zeros_like, source_format="dicom", warnings=missing))


def test_a_tagged_image_that_looks_right_is_not_doubted() -> None:
    assert CheckFrontal()(image(source_format="dicom", warnings="AGE_UNKNOWN")).meta["warnings"] == "AGE_UNKNOWN"


def test_it_takes_what_the_reader_gives(tmp_path: Path) -> None:
    load = LoadImaged(keys="image", reader=CXRReader, ensure_channel_first=True)
    Image.fromarray(IMAGE).save(tmp_path / "right.png")
    Image.fromarray(IMAGE[::-1, ::-1].copy()).save(tmp_path / "wrong.png")
    assert CheckFrontald()(load({"image": tmp_path / "right.png"}))["image"].shape == (1, 128, 128)
    with pytest.raises(ImageError, match=r"wrong\.png.*NOT_FRONTAL"):
        CheckFrontald()(load({"image": tmp_path / "wrong.png"}))


def test_errors() -> None:
    with pytest.raises(ValueError, match="'on'; expected one of"):
        CheckFrontal("on")
    assert CheckFrontal(False).which == "off"
    with pytest.raises(ValueError, match="one gray channel"):
        CheckFrontal()(image(lambda x: x.repeat(3, 1, 1)))
