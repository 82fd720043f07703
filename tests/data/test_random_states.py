from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, RandGaussianNoised

from monai_tbkd.data.random_states import random_states, set_random_states
from monai_tbkd.networks.weights import load_plain
from monai_tbkd.transforms import RandAffineFilmd, RandGammaFilmd


def loader(*more: Any) -> DataLoader:
    transforms = [RandAffineFilmd("image", 1.0, 0.5), RandGammaFilmd("image", 1.0, (0.5, 2.0)), *more]
    film = {"image": torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8)}
    return DataLoader(Dataset([film] * 4, Compose(transforms)), batch_size=4, generator=torch.Generator())


def draw(films: DataLoader) -> list[Any]:
    batch = next(iter(films))["image"].tolist()
    return [batch, random.random(), float(np.random.rand()), torch.rand(1).item()]  # noqa: NPY002


def test_all_that_is_drawn_comes_again_also_from_a_file(tmp_path: Path) -> None:
    films = loader()
    states = random_states(films)
    torch.save(states, tmp_path / "states")
    first = draw(films)
    second = draw(films)
    assert first[0] != second[0]
    set_random_states(load_plain(tmp_path / "states"), films)
    assert draw(films) == first
    other = loader()  # in another process
    set_random_states(states, other)
    assert [draw(other), draw(other)] == [first, second]


def test_states_of_other_transforms_are_refused() -> None:
    states = random_states(loader())
    with pytest.raises(ValueError, match="Set them as they were, or train anew"):
        set_random_states(states, loader(RandGaussianNoised("image")))
