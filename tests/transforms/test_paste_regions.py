from __future__ import annotations

from typing import Any

import torch

from monai_tbkd.transforms.paste_regions import PasteRegionsd, random_regions


def preprocessing(data: dict[str, Any]) -> dict[str, Any]:
    value = {"tb": 200, "normal": 50}[data["image"]]
    return {
        "image": torch.full((1, 64, 64), value, dtype=torch.uint8),
        "lung_field": torch.full((1, 16, 16), value, dtype=torch.uint8),
        "lung_crop": torch.ones(4),
    }


def test_two_copies_hold_complementary_regions() -> None:
    paste = PasteRegionsd(preprocessing)
    pair = [paste({"image": "tb", "paste": {"image": "normal", "seed": 5, "inverted": side}}) for side in (False, True)]
    first, second = (each["image"].float() for each in pair)
    assert {50.0, 200.0} <= set(first.unique().tolist())
    assert torch.allclose(first + second, torch.full_like(first, 250), atol=1.01)
    for each in pair:
        own = each["own"].float() / 255
        assert own.shape == (1, 16, 16)
        assert torch.allclose(each["image"][:, ::4, ::4].float(), 50 + 150 * own, atol=1.5)
        assert torch.allclose(each["lung_field"].float(), 50 + 150 * own, atol=1.5)


def test_image_without_paste_is_as_preprocessing_gives_it() -> None:
    assert set(PasteRegionsd(preprocessing)({"image": "tb"})) == {"image", "lung_field", "lung_crop"}


def test_regions_are_drawn_by_the_seed_and_leave_both_a_part() -> None:
    drawn = [random_regions(seed, (96, 96)) for seed in range(30)]
    assert all(0.1 < float(each.mean()) < 0.9 for each in drawn)
    assert torch.equal(drawn[3], random_regions(3, (96, 96))) and not torch.equal(drawn[3], drawn[4])
    halves = [each for each in drawn if float(each[..., :40].mean()) in (0.0, 1.0)]
    assert 0 < len(halves) < 30
