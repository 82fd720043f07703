from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml

from monai_tbkd.data.phantom import make_image
from monai_tbkd.robustness.corruptions import CORRUPTIONS, CorruptImage
from tests.conftest import REPOSITORY

LEVELS = yaml.safe_load((REPOSITORY / "bundle" / "configs" / "robustness.yaml").read_text())["corruption_levels"]


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.from_numpy(make_image("tb", 3, 128).image)[None]


def corrupted(image: torch.Tensor, kind: str, level: float, name: str = "a", seed: int = 0) -> torch.Tensor:
    return CorruptImage(kind, level, seed)({"image": image, "name": name})["image"]


def distance(image: torch.Tensor, kind: str, level: float, name: str = "tb/a.png") -> float:
    return float((corrupted(image, kind, level, name).float() - image.float()).abs().mean())


def test_the_config_has_five_levels_of_every_kind() -> None:
    assert tuple(LEVELS) == CORRUPTIONS
    assert {len(levels) for levels in LEVELS.values()} == {5}


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_each_severity_is_farther_from_the_clean_image(kind: str, image: torch.Tensor) -> None:
    for name in ("tb/a.png", "tb/c.png", "tb/d.png"):
        by_severity = [distance(image, kind, level, name) for level in LEVELS[kind]]
        assert by_severity[0] > 0.1
        if kind != "occlusion":  # where squares lie on air, larger ones may change less
            assert by_severity == sorted(by_severity), by_severity
    mean = np.mean([[distance(image, kind, level, str(i)) for level in LEVELS[kind]] for i in range(8)], axis=0)
    assert (np.diff(mean) > 0).all(), mean


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_an_image_is_always_treated_alike_and_the_image_given_stays(kind: str, image: torch.Tensor) -> None:
    before = image.clone()
    torch.manual_seed(1)
    one = corrupted(image, kind, LEVELS[kind][2], seed=4)
    torch.manual_seed(2)
    other = corrupted(image, kind, LEVELS[kind][2], seed=4)
    assert torch.equal(one, other)
    assert one.dtype == torch.uint8
    assert one.shape == image.shape
    assert torch.equal(image, before)


@pytest.mark.parametrize("kind", ["noise", "occlusion", "brightness", "gamma", "rotation"])
def test_chance_differs_from_image_to_image(kind: str, image: torch.Tensor) -> None:
    several = {corrupted(image, kind, LEVELS[kind][2], name).numpy().tobytes() for name in "abcdef"}
    assert len(several) >= 2


def test_numbers_by_hand() -> None:
    two = torch.tensor([[[50, 150]]], dtype=torch.uint8)
    assert corrupted(two, "contrast", 0.5).tolist() == [[[75, 125]]]  # half the way to the mean of 100
    assert corrupted(two, "brightness", 30.0).tolist() in ([[[20, 120]]], [[[80, 180]]])
    ramp = torch.tensor([[[0, 64, 255]]], dtype=torch.uint8)
    assert corrupted(ramp, "gamma", 2.0).tolist() in ([[[0, 16, 255]]], [[[0, 128, 255]]])
    checkered = torch.tensor([[[0, 200], [200, 0]]], dtype=torch.uint8)
    assert corrupted(checkered, "pixelation", 0.5).unique().tolist() == [100]


def test_a_blur_leaves_a_plain_image_plain() -> None:
    plain = torch.full((1, 64, 64), 120, dtype=torch.uint8)
    assert corrupted(plain, "blur", 0.02).unique().tolist() == [120]


def test_noise_is_as_strong_as_its_level_says() -> None:
    gray = torch.full((1, 128, 128), 128, dtype=torch.uint8)
    noisy = corrupted(gray, "noise", 16.0).double()
    assert float(noisy.std()) == pytest.approx(16.0, rel=0.05)
    assert float(noisy.mean()) == pytest.approx(128.0, abs=0.6)


def test_maps_of_turned_images_are_turned_back() -> None:
    spot = np.zeros((1, 96, 96), dtype=np.float32)
    spot[0, 20:36, 60:76] = 1.0
    image = torch.from_numpy((spot * 255).astype(np.uint8))
    corrupt = CorruptImage("rotation", 15.0)
    turned = corrupted(image, "rotation", 15.0).numpy() / 255.0
    assert (turned * spot).sum() / spot.sum() < 0.6  # it has left its place
    back = corrupt.turn_back(turned.astype(np.float32), ["a"])
    both, either = np.minimum(back, spot).sum(), np.maximum(back, spot).sum()
    assert both / either > 0.85
    other = CorruptImage("noise", 4.0)
    assert other.turn_back(turned, ["a"]) is turned


@pytest.mark.parametrize(
    ("kind", "level", "image", "what"),
    [
        ("noise", 0.0, torch.zeros(1, 4, 4, dtype=torch.uint8), "expected a number above 0"),
        ("noise", float("nan"), torch.zeros(1, 4, 4, dtype=torch.uint8), "expected a number above 0"),
        ("noise", 1.0, torch.zeros(1, 4, 4), "expected one gray channel of 8 bits"),
        ("noise", 1.0, torch.zeros(3, 4, 4, dtype=torch.uint8), "expected one gray channel of 8 bits"),
    ],
)
def test_what_cannot_be_done_is_refused(kind: str, level: float, image: torch.Tensor, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        corrupted(image, kind, level)
