from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, RandGaussianNoised

from monai_tbkd.data.files.random_states import random_states, set_random_states
from monai_tbkd.networks.weights import load_plain
from monai_tbkd.transforms import RandAffineImaged, RandGammaImaged


def loader(*more: Any) -> DataLoader:
    transforms = [RandAffineImaged("image", 1.0, 0.5), RandGammaImaged("image", 1.0, (0.5, 2.0)), *more]
    image = {"image": torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8)}
    return DataLoader(Dataset([image] * 4, Compose(transforms)), batch_size=4, generator=torch.Generator())


def draw(images: DataLoader) -> list[Any]:
    batch = next(iter(images))["image"].tolist()
    return [batch, random.random(), float(np.random.rand()), torch.rand(1).item()]  # noqa: NPY002


def test_all_that_is_drawn_comes_again_also_from_a_file(tmp_path: Path) -> None:
    images = loader()
    states = random_states(images)
    torch.save(states, tmp_path / "states")
    first = draw(images)
    second = draw(images)
    assert first[0] != second[0]
    set_random_states(load_plain(tmp_path / "states"), images)
    assert draw(images) == first
    other = loader()  # in another process
    set_random_states(states, other)
    assert [draw(other), draw(other)] == [first, second]


def test_states_of_other_transforms_are_refused() -> None:
    states = random_states(loader())
    with pytest.raises(ValueError, match="Set them as they were, or train anew"):
        set_random_states(states, loader(RandGaussianNoised("image")))
