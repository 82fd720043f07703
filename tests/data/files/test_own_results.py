from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset

from monai_tbkd.data.files.own_results import is_marked, is_own_result, is_result_folder, save_marked
from monai_tbkd.data.readers import decode_image
from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))


@pytest.mark.parametrize(("file_format", "options"), [("PNG", {"compress_level": 1}), ("JPEG", {"quality": 80})])
def test_a_drawn_picture_is_refused_wherever_it_lies(tmp_path: Path, file_format: str, options: dict[str, int]) -> None:
    path = tmp_path / "copied_by_hand.png"
    save_marked(PICTURE, path, file_format, **options)
    with pytest.raises(ImageError, match="drawn by this program") as caught:
        decode_image(path)
    assert caught.value.reason is ReasonCode.OWN_RESULT and not caught.value.reason.is_failure
    PICTURE.convert("L").resize((200, 200)).save(path, file_format, **options)  # the same without a mark
    assert decode_image(path).pixels.shape == (200, 200)


def test_a_comment_of_others_is_no_mark(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.jpg", comment="monai_tbkd")
    assert not is_marked((tmp_path / "a.jpg").read_bytes())


def test_objects_are_told_by_who_made_them() -> None:
    dataset = Dataset()
    assert not is_own_result(dataset)
    dataset.Manufacturer = "monai_tbkd"
    assert is_own_result(dataset)
    dataset.ManufacturerModelName = "another program of that name"
    assert not is_own_result(dataset)


def test_a_folder_of_results_is_known_by_its_files(tmp_path: Path) -> None:
    assert not is_result_folder(tmp_path)
    (tmp_path / "metrics.json").touch()
    assert is_result_folder(tmp_path)
