from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import MeanIoU

from monai_tbkd.metrics import PointingGame, UnionMaskIoU, union_iou_sweep
from monai_tbkd.metrics.map_metrics import (
    PXAP_THRESHOLDS,
    PixelCounts,
    pixel_average_precision,
    pixel_counts,
    saliency_energy,
)


def test_union_iou_by_hand_and_images_without_boxes() -> None:
    true = torch.zeros(3, 1, 4, 4, dtype=torch.bool)
    true[0, 0, :2, :2] = True
    true[1, 0, 3, 3] = True
    predicted = torch.zeros_like(true)
    predicted[0, 0, :2, 1:3] = True
    predicted[2] = True  # an image without boxes takes no part
    metric = UnionMaskIoU()
    each = metric(predicted, true)
    assert each[:2, 0].tolist() == pytest.approx([2 / 6, 0.0])
    assert each[2].isnan()
    assert metric.aggregate().item() == pytest.approx(1 / 6)


def test_parity_with_monai_mean_iou() -> None:
    g = torch.Generator().manual_seed(0)
    predicted, true = torch.rand(6, 1, 16, 16, generator=g) > 0.5, torch.rand(6, 1, 16, 16, generator=g) > 0.7
    own, oracle = UnionMaskIoU(), MeanIoU()
    own(predicted, true)
    oracle(predicted.float(), true.float())
    torch.testing.assert_close(own.aggregate(), oracle.aggregate()[0])


def test_sweep_equals_one_threshold_at_a_time() -> None:
    rng = np.random.default_rng(0)
    maps, true = rng.random((5, 12, 12)).round(1), rng.random((5, 12, 12)) > 0.8
    true[3] = False
    thresholds = np.array([0.1, 0.3, 0.30001, 0.9, 1.0])
    swept = union_iou_sweep(maps, true, thresholds)
    assert np.isnan(swept[3]).all()
    for k, t in enumerate(thresholds):
        for i in (0, 1, 2, 4):
            mask = maps[i] >= t
            assert swept[i, k] == pytest.approx((mask & true[i]).sum() / (mask | true[i]).sum())


def test_sweep_over_all_images() -> None:
    rng = np.random.default_rng(0)
    maps, true = rng.random((6, 8, 8)).astype(np.float32), rng.random((6, 8, 8)) > 0.6
    true[3:] = False
    maps[4] *= 0.3
    without_tb = np.array([False, False, False, True, True, False])  # the last: boxes unknown
    swept = union_iou_sweep(maps, true, np.array([0.2, 0.35, 0.999]), without_tb)
    assert np.isnan(swept[5]).all()
    assert swept[3].tolist() == [0.0, 0.0, float(maps[3].max() < 0.999)]
    assert swept[4].tolist() == [0.0, 1.0, 1.0]


def test_sweep_refuses_nan_and_contradictions() -> None:
    true = np.ones((1, 2, 2), bool)
    with pytest.raises(ValueError, match="nan or infinite"):
        union_iou_sweep(np.full((1, 2, 2), np.nan), true, np.array([0.5]))
    with pytest.raises(ValueError, match="1 images without TB have true boxes"):
        union_iou_sweep(np.ones((1, 2, 2)), true, np.array([0.5]), np.array([True]))


def test_nothing_to_compare_with_is_nan() -> None:
    for metric in (UnionMaskIoU(), PointingGame()):
        metric(torch.ones(2, 1, 2, 2), torch.zeros(2, 1, 2, 2))
        assert metric.aggregate().isnan()


def test_hit_miss_and_image_without_boxes() -> None:
    true = torch.zeros(3, 1, 4, 4)
    true[:2, 0, :2, :2] = 1
    maps = torch.zeros(3, 1, 4, 4)
    maps[0, 0, 1, 1] = 1
    maps[1, 0, 3, 3] = 1
    metric = PointingGame()
    metric(maps, true)
    assert metric.aggregate().item() == pytest.approx(0.5)


def test_flat_map_gets_what_chance_would() -> None:
    true = torch.zeros(1, 1, 4, 4)
    true[0, 0, :2, :2] = 1
    metric = PointingGame()
    metric(torch.zeros(1, 1, 4, 4), true)
    assert metric.aggregate().item() == pytest.approx(0.25)


def test_coarse_map_is_brought_to_the_grid() -> None:
    true = torch.zeros(1, 1, 8, 8)
    true[0, 0, 4:, :4] = 1
    metric = PointingGame()
    metric([torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])], [true[0]])
    assert metric.aggregate().item() == 1.0


def test_nan_is_refused_and_not_left_out() -> None:
    with pytest.raises(ValueError, match="1 of 16 values in maps are nan"):
        maps = torch.zeros(1, 1, 4, 4)
        maps[0, 0, 0, 0] = torch.nan
        PointingGame()(maps, torch.ones(1, 1, 4, 4))


def area_by_pixels(values: np.ndarray, truth: np.ndarray) -> float:
    """Average precision from every distinct value, by its definition."""
    area, recall = 0.0, 0.0
    for t in np.unique(values)[::-1]:
        chosen = values >= t
        precision, now = truth[chosen].mean(), truth[chosen].sum() / truth.sum()
        area, recall = area + precision * (now - recall), now
    return area


def area_by_histogram(maps: np.ndarray, masks: np.ndarray) -> float:
    """As Choe et al. describe their evaluation: two histograms of 1000 bins on 0-1 and their sums from above."""
    edges = np.append(np.arange(0, 1, 0.001), [1.0, 2.0, 3.0])
    inside = np.histogram(maps[masks], edges)[0][::-1].cumsum()
    outside = np.histogram(maps[~masks], edges)[0][::-1].cumsum()
    precision = inside[1:] / np.maximum(inside + outside, 1)[1:]
    return float((precision * np.diff(inside / inside[-1])).sum())


def test_pixel_precision_by_hand() -> None:
    maps = np.array([[[0.9, 0.6], [0.6, 0.1]]])
    masks = np.array([[[True, True], [False, False]]])
    counts = pixel_counts(maps, masks, PXAP_THRESHOLDS)
    # half of the recall at precision 1, the other half at 2 of 3
    assert pixel_average_precision(counts)[0] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_parity_with_two_other_ways() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((5, 16, 16)) > 0.8
    maps = np.clip(rng.random((5, 16, 16)) * 0.7 + 0.3 * masks, 0, 1).astype(np.float32)
    maps[0, 0, 0], maps[0, 0, 1] = 0.0, 1.0
    fine = pixel_counts(maps, masks, np.unique(maps))
    assert pixel_average_precision(fine)[0] == pytest.approx(area_by_pixels(maps.ravel(), masks.ravel()))
    coarse = pixel_counts(maps, masks, PXAP_THRESHOLDS)
    assert pixel_average_precision(coarse)[0] == pytest.approx(area_by_histogram(maps, masks), abs=1e-6)


def test_flat_maps_get_the_share_of_the_boxes() -> None:
    masks = np.zeros((2, 4, 4), bool)
    masks[:, 0] = True
    for value in (0.0, 0.37, 1.0, -5.0):  # the last below every threshold
        counts = pixel_counts(np.full((2, 4, 4), value), masks, PXAP_THRESHOLDS)
        assert pixel_average_precision(counts)[0] == pytest.approx(0.25)


def test_no_box_at_all_has_no_precision() -> None:
    counts = pixel_counts(np.ones((2, 2, 2)), np.zeros((2, 2, 2), bool), PXAP_THRESHOLDS)
    assert np.isnan(pixel_average_precision(counts)).all()


def test_weights_are_repeated_images() -> None:
    rng = np.random.default_rng(0)
    maps, masks = rng.random((6, 5, 5)), rng.random((6, 5, 5)) > 0.6
    counts = pixel_counts(maps, masks, PXAP_THRESHOLDS)
    weights = np.array([[1] * 6, [0, 2, 1, 0, 3, 0]])
    weighted = pixel_average_precision(counts, weights)
    assert weighted[0] == pixel_average_precision(counts)[0]
    repeated = PixelCounts(*(np.repeat(each, weights[1], axis=0) for each in counts))
    assert weighted[1] == pytest.approx(pixel_average_precision(repeated)[0])


def masks(number: int) -> np.ndarray:
    result = np.zeros((number, 2, 2), bool)
    result[:, 0] = True
    return result


def test_energy_by_hand() -> None:
    maps = np.array([[[0.8, 0.4], [0.2, 0.2]], [[0.0, 0.0], [0.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]])
    true = masks(3)
    both = saliency_energy(maps, true)
    assert both.proportional_energy.tolist() == pytest.approx([1.2 / 1.6, 0.0, 0.5])
    assert both.average_saliency_focus.tolist() == pytest.approx([0.6, 0.0, 0.5])


def test_images_without_boxes_are_nan() -> None:
    maps, true = np.ones((2, 2, 2)), masks(2)
    true[1] = False
    assert np.isnan(saliency_energy(maps, true).proportional_energy).tolist() == [False, True]


def test_what_has_no_energy_is_refused() -> None:
    with pytest.raises(ValueError, match=r"goes down to -1; expected 0 or above"):
        saliency_energy(np.full((1, 2, 2), -1.0), masks(1))
    with pytest.raises(ValueError, match=r"map of image 0 .* nan"):
        saliency_energy(np.full((1, 2, 2), np.nan), masks(1))
    with pytest.raises(ValueError, match="expected both"):
        saliency_energy(np.ones((1, 2, 3)), masks(1))


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
