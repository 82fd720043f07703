from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics.pixel_counts import pixel_counts

THRESHOLDS = {
    "even": np.linspace(0, 1, 101),
    "one": np.array([0.5]),
    "twice the same": np.array([0.2, 0.2, 0.9]),
    "beyond the values": np.array([-3.0, 0.5, 7.0]),
    "crowded": np.array([0.1, 0.1 + 1e-9, 0.1 + 2e-9, 1 - 1e-7, 1.0]),
    "not in float32": np.array([0.1, 0.3, 0.7]),
}


@pytest.mark.parametrize("thresholds", THRESHOLDS.values(), ids=THRESHOLDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8])
def test_exactly_what_comparing_gives(thresholds: np.ndarray, dtype: type) -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((4, 40, 30))
    maps[1] = maps[1].round(1)  # on the thresholds
    maps[2] = 0.5
    maps[3] = maps[3] * 1e4 - 5e3
    maps = (np.abs(maps) if dtype is np.uint8 else maps).astype(dtype)
    maps[0, :3, 0] = thresholds[0] if dtype is not np.uint8 else 0
    masks = rng.random(maps.shape) > 0.7
    counts = pixel_counts(maps, masks, thresholds)
    above = maps[:, None].astype(np.float64) >= thresholds[None, :, None, None]
    assert np.array_equal(counts.predicted, above.sum(axis=(2, 3)))
    assert np.array_equal(counts.hit, (above & masks[:, None]).sum(axis=(2, 3)))
    assert counts.inside.tolist() == masks.sum(axis=(1, 2)).tolist()
    assert counts.pixels.tolist() == [1200] * 4


def test_neighbors_of_a_threshold() -> None:
    t = np.float32(0.3)
    maps = np.array([[[np.nextafter(t, np.float32(0)), t, np.nextafter(t, np.float32(1))]]], dtype=np.float32)
    counts = pixel_counts(maps, np.ones_like(maps, dtype=bool), np.array([0.1, float(t), 0.9]))
    assert counts.predicted.tolist() == [[3, 2, 0]]


def test_only_the_images_asked_for() -> None:
    maps = np.stack([np.full((2, 2), np.nan), np.ones((2, 2))])
    counts = pixel_counts(maps, maps > 0, np.array([0.5]), images=np.array([False, True]))
    assert counts.predicted.tolist() == [[0], [4]]


def test_what_cannot_be_counted_is_refused() -> None:
    maps, masks, t = np.zeros((2, 3, 3)), np.zeros((2, 3, 3), bool), np.array([0.5])
    maps[1, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"map of image 1 .* has nan"):
        pixel_counts(maps, masks, t)
    with pytest.raises(ValueError, match="expected both"):
        pixel_counts(maps, masks[:, :2], t)
    with pytest.raises(ValueError, match="expected bool"):
        pixel_counts(masks * 1.0, masks * 1, t)
    with pytest.raises(ValueError, match="ascending"):
        pixel_counts(masks * 1.0, masks, np.array([0.5, 0.4]))
    with pytest.raises(ValueError, match="images has shape"):
        pixel_counts(masks * 1.0, masks, t, images=np.array([True]))
