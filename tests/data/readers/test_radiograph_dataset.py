from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, MetaTensor, decollate_batch
from monai.transforms import LoadImaged, Resized

from monai_tbkd.data import CXRReader, RadiographDataset
from tests.data.images_by_hand import block_image, cut, make_dicom, noise_png


def dataset(data: list[dict[str, str]], *more: Any) -> RadiographDataset:
    load = LoadImaged(keys="image", reader=CXRReader, ensure_channel_first=True)
    return RadiographDataset(data, [load, *more, Resized(keys="image", spatial_size=(24, 20))], (1, 24, 20))


def images(tmp_path: Path) -> list[dict[str, str]]:
    noise_png(tmp_path / "good.png", side=40)
    cut(noise_png(tmp_path / "cut.png", side=64))
    make_dicom(tmp_path / "two.dcm", np.stack([block_image()] * 2), NumberOfFrames=2)
    make_dicom(tmp_path / "fine.dcm", block_image())
    return [
        {"image": str(tmp_path / name), "name": name}
        for name in ("good.png", "cut.png", "gone.png", "two.dcm", "fine.dcm")
    ]


@pytest.mark.system
@pytest.mark.parametrize("num_workers", [0, 1])
def test_bad_images_share_a_batch_with_good_ones(tmp_path: Path, num_workers: int) -> None:
    loader = DataLoader(dataset(images(tmp_path)), batch_size=5, num_workers=num_workers)
    (batch,) = loader
    assert batch["image"].shape == (5, 1, 24, 20)
    assert batch["reason"] == ["", "CORRUPT", "NOT_READABLE", "MULTI_FRAME", ""]
    assert batch["original_size"].tolist() == [[40, 40], [0, 0], [0, 0], [0, 0], [30, 40]]
    assert batch["original_size"].dtype == torch.int64
    assert batch["image"][1:4].abs().sum() == 0
    assert batch["image"][0].abs().sum() > 0
    # A bad image must not cost the good ones their metadata.
    assert batch["image"].meta["source_format"] == ["png", "", "", "", "dicom"]
    assert [Path(path).name for path in batch["image"].meta["filename_or_obj"]] == batch["name"]
    single = decollate_batch(batch)[1]
    assert single["reason"] == "CORRUPT"
    assert isinstance(single["image"], MetaTensor)
    assert "cut.png" in single["detail"]


def test_a_fault_of_the_program_is_internal_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(item: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("by design")

    with caplog.at_level(logging.ERROR, "monai_tbkd"):
        item = dataset(images(tmp_path)[:1], broken)[0]
    assert item["reason"] == "INTERNAL"
    assert "ZeroDivisionError" in item["detail"]
    assert "good.png: ZeroDivisionError: by design" in caplog.text


def test_only_the_named_keys_are_kept(tmp_path: Path) -> None:
    data = [{**image, "label": 1} for image in images(tmp_path)[:2]]
    load = LoadImaged(keys="image", reader=CXRReader, ensure_channel_first=True)
    keys = ("image", "name", "label", "reason")
    kept = RadiographDataset(data, load, (1, 40, 40), keys=keys)
    assert [tuple(kept[index]) for index in (0, 1)] == [(*keys, "original_size")] * 2


def test_a_stop_by_the_user_is_not_swallowed(tmp_path: Path) -> None:
    def stop(item: dict[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset(images(tmp_path)[:1], stop)[0]
