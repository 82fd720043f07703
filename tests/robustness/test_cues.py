from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from monai_tbkd.data.phantom import make_image, write_phantom_dataset
from monai_tbkd.robustness.cues import (
    LOCAL_CUES,
    add_cue,
    images_with_cue,
    insert_cue,
    match_histogram,
    match_style,
    quantiles,
)


def gray(side: int = 128, value: int = 110) -> torch.Tensor:
    return torch.full((1, side, side), value, dtype=torch.uint8)


@pytest.mark.parametrize("side", [64, 128, 192])
@pytest.mark.parametrize("kind", LOCAL_CUES)
def test_the_mask_is_exactly_what_was_changed(kind: str, side: int) -> None:
    for name in "abcde":
        image = gray(side)
        with_cue = insert_cue(image, kind, name)
        assert torch.equal(with_cue.image != image, with_cue.mask)
        assert 0.0005 < with_cue.mask.float().mean() < 0.2
        assert image.unique().tolist() == [110]


@pytest.mark.parametrize("kind", LOCAL_CUES)
def test_nothing_outside_the_mask_changes_on_an_image(kind: str) -> None:
    image = torch.from_numpy(make_image("tb", 1, 128).image)[None]
    with_cue = insert_cue(image, kind, "a", seed=2)
    assert torch.equal(with_cue.image[~with_cue.mask], image[~with_cue.mask])
    assert torch.equal(with_cue.image, insert_cue(image, kind, "a", seed=2).image)
    positions = {insert_cue(image, kind, name).mask.numpy().tobytes() for name in "abcdefgh"}
    assert len(positions) > 1


def test_cues_lie_where_they_are_said_to() -> None:
    side = 128
    for name in "abcdefgh":
        rows, columns = (np.nonzero(insert_cue(gray(side), "letter", name).mask[0].numpy())[i] / side for i in (0, 1))
        assert rows.max() < 0.3
        assert columns.min() > 0.85 or columns.max() < 0.15
        frame = np.ones((side, side), dtype=bool)
        frame[16:-16, 16:-16] = False
        for kind in ("text", "border", "collimation"):
            assert frame[insert_cue(gray(side), kind, name).mask[0].numpy()].all(), kind
        heart = insert_cue(gray(side), "pacemaker", name)
        box = heart.mask[0, round(0.15 * side) : round(0.33 * side), round(0.62 * side) : round(0.85 * side)]
        assert box.float().mean() > 0.1
        assert heart.image[heart.mask].float().mean() > 180
        assert insert_cue(gray(side), "collimation", name).image.min() <= 3


def test_the_mask_comes_along_on_a_grid() -> None:
    item = {"image": gray(64), "name": "a"}
    found = add_cue(item, "border", 32)
    fine = insert_cue(gray(64), "border", "a").mask[0]
    assert torch.equal(found["cue_mask"], fine.reshape(32, 2, 32, 2).any(dim=3).any(dim=1))
    assert torch.equal(item["image"], gray(64))


def test_a_style_moves_the_gray_values_and_keeps_their_order() -> None:
    rng = np.random.default_rng(0)
    dark = torch.from_numpy(rng.integers(0, 100, (1, 64, 64)).astype(np.uint8))
    light = torch.from_numpy(rng.integers(100, 200, (1, 64, 64)).astype(np.uint8))
    styled = match_histogram(dark, quantiles([light]))
    assert abs(float(styled.float().mean()) - float(light.float().mean())) < 1.0
    assert styled.min() >= 100
    order = dark.flatten().argsort()
    assert (styled.flatten()[order].int().diff() >= 0).all()
    again = match_histogram(dark, quantiles([dark]))
    assert (again.int() - dark.int()).abs().max() <= 2
    styles = {True: quantiles([light]), False: quantiles([dark])}
    assert match_style({"image": dark, "tb": np.array([1])}, styles)["image"].min() >= 100
    assert match_style({"image": light, "tb": np.array([0])}, styles)["image"].max() < 101


def test_phantoms_say_which_cue_they_bear(tmp_path: Path) -> None:
    data = write_phantom_dataset(
        tmp_path / "d", {"health": 1, "tb": 2}, {"health": 2, "tb": 1}, 96, 0, 1.0, 0.0, ("letter", "exposure")
    )
    borne = {"tb/tb0001.png", "tb/tb0002.png", "health/h0002.png", "health/h0003.png"}
    assert images_with_cue(str(data)) == {"letter": borne, "source_style": borne}
    assert images_with_cue(tmp_path) == {}
    assert images_with_cue([str(data), "other"]) == {}


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="128 x 64 pixels; cues are drawn on square images"):
        insert_cue(torch.zeros(1, 128, 64, dtype=torch.uint8), "letter", "a")
