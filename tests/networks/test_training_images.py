from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from monai_tbkd.data import load_datalist
from monai_tbkd.engines.stages import training_settings
from monai_tbkd.networks.training_images import images_trained_on


@pytest.mark.parametrize("num_classes", [1, 2, 3])
def test_the_images_of_a_training_are_known_again(phantoms: Path, num_classes: int) -> None:
    splits = load_datalist(phantoms, num_classes)
    settings = training_settings({}, splits, nn.Identity())
    record = {"settings": settings, "architecture": {"num_classes": num_classes}}
    assert images_trained_on(record, phantoms) == {item["name"] for item in splits["train"]}
    whole = training_settings({}, {"train": splits["train"] + splits["select"]}, nn.Identity())
    assert len(images_trained_on({**record, "settings": whole}, phantoms) or ()) == 26


def test_other_images_cannot_be_told(phantoms: Path) -> None:
    other = training_settings({}, {"train": load_datalist(phantoms, 1, select=0.5)["train"]}, nn.Identity())
    assert images_trained_on({"settings": other, "architecture": {"num_classes": 1}}, phantoms) is None
    assert images_trained_on({"architecture": {}}, phantoms) is None
    assert images_trained_on(None, phantoms) is None
