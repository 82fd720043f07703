from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from monai_tbkd.data.gate.image_features import BLOCKS, CELLS, DIRECTIONS, ImageFeatures, Turn, image_features
from monai_tbkd.data.phantom import make_image

IMAGE = make_image("tb", seed=3, size=192).image.astype(np.float64)


def assert_alike(found: list[ImageFeatures], expected: list[ImageFeatures], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.edges, other.edges, atol=tolerance)
        np.testing.assert_allclose(one.grays, other.grays, atol=tolerance)


def test_directions_by_hand() -> None:
    ramp = np.tile(np.arange(128.0), (128, 1))
    for picture, direction in ((ramp, 0), (ramp.T, 2), (-ramp, 4), (-ramp.T, 6)):
        for look in image_features(picture):
            assert look.edges.shape == (CELLS, CELLS, DIRECTIONS)
            assert look.edges[..., direction].sum() == pytest.approx(look.edges.sum(), rel=1e-6)
    for look in image_features(ramp):
        assert look.grays.shape == (BLOCKS, BLOCKS)
        assert (np.diff(look.grays, axis=1) > 0).all()
        assert np.linalg.norm(look.grays) == pytest.approx(1)


@pytest.mark.parametrize("turn", [Turn(*ways) for ways in itertools.product((False, True), repeat=4)])
def test_turned_features_are_those_of_the_turned_picture(turn: Turn) -> None:
    picture = gaussian_filter(np.random.default_rng(0).normal(size=(128, 128)), 6)
    laid = picture.T if turn.transposed else picture
    laid = laid[::-1] if turn.flipped else laid
    laid = laid[:, ::-1] if turn.mirrored else laid
    laid = -laid if turn.inverted else laid
    assert_alike([look.turned(turn) for look in image_features(picture)], image_features(laid), 2e-3)


def test_range_and_gray_curve_do_not_matter() -> None:
    looks = image_features(IMAGE)
    assert len(looks) == 3
    assert_alike(image_features(IMAGE * 60000 - 3e6), looks, 1e-9)
    assert_alike(image_features((IMAGE * 16).astype(np.uint16)), looks, 1e-9)
    assert_alike(image_features(IMAGE**0.5)[:1], looks[:1], 0.02)


@pytest.mark.parametrize("value", [IMAGE.min(), IMAGE.max()])
def test_a_border_with_a_letter_on_it_is_taken_away(value: float) -> None:
    framed = np.pad(IMAGE, ((30, 10), (20, 40)), constant_values=value)
    framed[5:20, 60:75] = 128
    plain, found = image_features(IMAGE), image_features(framed)
    np.testing.assert_allclose(found[1].grays, plain[1].grays, atol=0.03)
    assert np.abs(found[0].grays - plain[0].grays).max() > 0.1  # the first look keeps it


def test_a_picture_of_one_value_has_no_features() -> None:
    assert image_features(np.full((40, 50), 700.0)) == []
    assert image_features(np.zeros((40, 50), dtype=np.uint8)) == []


@pytest.mark.parametrize("image", [np.zeros((1, 4, 4)), np.zeros((0, 4)), np.full((8, 8), np.nan)])
def test_what_is_no_image_is_an_error(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        image_features(image)
