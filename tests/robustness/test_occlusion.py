from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_tbkd.data.phantom import make_image, write_phantom_dataset
from monai_tbkd.robustness.occlusion import black_out, find_lung_fields, hidden_positions, lung_masks, lung_rectangles

LUNGS = np.zeros((1, 10, 10), dtype=bool)
LUNGS[0, 2:6, 1] = LUNGS[0, 3, 1:4] = True  # an L on the left
LUNGS[0, 4:8, 7] = True


def test_what_is_hidden_by_hand() -> None:
    assert hidden_positions("lungs_blacked_out", LUNGS, 0.1).sum() == LUNGS.sum() == 10
    rectangles = np.zeros((10, 10), dtype=bool)
    rectangles[2:6, 1:4] = rectangles[4:8, 7:8] = True
    np.testing.assert_array_equal(hidden_positions("background_only", LUNGS, 0.1)[0], rectangles)
    frame = hidden_positions("frame_only", LUNGS, 0.2)[0]
    assert frame.sum() == 36
    assert frame[2:8, 2:8].all()
    with pytest.raises(ValueError, match=r"expected above 0 and below 0\.5"):
        hidden_positions("frame_only", LUNGS, 0.5)


def test_hidden_pixels_are_black_and_the_others_stay() -> None:
    image = torch.randint(1, 255, (1, 20, 20), dtype=torch.uint8)
    out = black_out({"image": image, "name": "a"}, {"a": LUNGS[0]})["image"]
    covered = torch.from_numpy(LUNGS[0].repeat(2, 0).repeat(2, 1))[None]
    assert torch.equal(out == 0, covered)
    assert torch.equal(out[~covered], image[~covered])


def test_masks_are_the_images_own_or_a_stated_stand_in(tmp_path: Path) -> None:
    data = write_phantom_dataset(tmp_path / "d", {"tb": 1}, {"health": 1}, 96, write_lung_fields=True)
    assert find_lung_fields([data]) is None
    folder = find_lung_fields(str(data))
    items = [{"name": "tb/tb0001.png"}, {"name": "health/h0001.png"}]
    own, source = lung_masks(items, np.ones((8, 8)), 96, folder)
    for item, mask in zip(items, own, strict=True):
        written = np.asarray(Image.open(data / "lung_fields" / item["name"])) > 0
        np.testing.assert_array_equal(mask, written)
    assert source == "lung fields of 2 images"
    with pytest.raises(ValueError, match="No lung field of tb/none"):
        lung_masks([{"name": "tb/none.png"}], np.ones((8, 8)), 96, folder)

    prior = np.zeros((10, 10))
    prior[2:4, 1:3], prior[5, 7], prior[9, 9] = 1.0, 0.5, 0.05  # the last is too rare
    stand_in, source = lung_masks(items, prior, 10)
    assert source.startswith("stand-in: two rectangles")
    expected = np.zeros((10, 10), dtype=bool)
    expected[2:4, 1:3] = expected[5, 7] = True
    np.testing.assert_array_equal(stand_in[0], expected)


def test_disease_of_phantoms_is_gone_with_the_lungs() -> None:
    """So that what a network still tells on phantoms without a shortcut is not the disease."""
    for seed in range(4):
        sick, well = (make_image("tb", seed, 128, draw_disease=drawn) for drawn in (True, False))
        images = [torch.from_numpy(each.image)[None] for each in (sick, well)]
        before = (images[0].float() - images[1].float()).abs().mean()
        for kind in ("lungs_blacked_out", "background_only"):
            hidden = {"a": hidden_positions(kind, sick.lung_field[None], 0.1)[0]}
            after = [black_out({"image": image, "name": "a"}, hidden)["image"].float() for image in images]
            assert (after[0] - after[1]).abs().mean() < 0.05 * before


def test_an_image_without_lungs_has_no_rectangle() -> None:
    assert not lung_rectangles(np.zeros((1, 4, 4), dtype=bool)).any()
