from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_tbkd.metrics.saliency_energy import AverageSaliencyFocus, ProportionalEnergy, saliency_energy


def masks(number: int) -> np.ndarray:
    result = np.zeros((number, 2, 2), bool)
    result[:, 0] = True
    return result


def test_by_hand() -> None:
    maps = np.array([[[0.8, 0.4], [0.2, 0.2]], [[0.0, 0.0], [0.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]])
    true = masks(3)
    both = saliency_energy(maps, true)
    assert both.proportional_energy.tolist() == pytest.approx([1.2 / 1.6, 0.0, 0.5])
    assert both.average_saliency_focus.tolist() == pytest.approx([0.6, 0.0, 0.5])
    for metric, value in ((ProportionalEnergy(), both[0].mean()), (AverageSaliencyFocus(), both[1].mean())):
        metric(torch.from_numpy(maps[:, None]), torch.from_numpy(true[:, None]))
        assert metric.aggregate().item() == pytest.approx(value)


def test_stretched_as_mednet_has_them() -> None:
    maps = np.array([[[0.8, 0.4], [0.2, 0.2]], [[0.5, 0.5], [0.5, 0.5]]])
    both = saliency_energy(maps, masks(2), stretch=True)
    # (1, 1/3, 0, 0), and a flat map, which becomes 0
    assert both.proportional_energy.tolist() == pytest.approx([1.0, 0.0])
    assert both.average_saliency_focus.tolist() == pytest.approx([2 / 3, 0.0])
    shifted = saliency_energy(maps * 3 - 7, masks(2), stretch=True)
    np.testing.assert_allclose(shifted, both, atol=1e-12)


def test_films_without_boxes_are_nan() -> None:
    maps, true = np.ones((2, 2, 2)), masks(2)
    true[1] = False
    assert np.isnan(saliency_energy(maps, true).proportional_energy).tolist() == [False, True]
    metric = AverageSaliencyFocus()
    metric(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
    assert metric.aggregate().isnan()


def test_what_has_no_energy_is_refused() -> None:
    with pytest.raises(ValueError, match=r"goes down to -1; expected 0 or above"):
        saliency_energy(np.full((1, 2, 2), -1.0), masks(1))
    with pytest.raises(ValueError, match=r"map of film 0 .* nan"):
        saliency_energy(np.full((1, 2, 2), np.nan), masks(1))
    with pytest.raises(ValueError, match="expected both"):
        saliency_energy(np.ones((1, 2, 3)), masks(1))
