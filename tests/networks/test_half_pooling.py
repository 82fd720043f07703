from __future__ import annotations

import pytest
import torch

from monai_tbkd.networks import HemithoraxMapPool, LogSumExpMapPool


def test_each_half_by_hand() -> None:
    # log-sum-exp with r: log(mean(exp(r x))) / r
    half = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    expected = float((2 * half).exp().mean().log() / 2)
    pooled = HemithoraxMapPool(r=2.0)(torch.cat([half, torch.full((2, 2), -3.0)], dim=1)[None, None])
    torch.testing.assert_close(pooled, torch.tensor([[expected, -3.0]]))


def test_mirrored_map_gives_mirrored_halves() -> None:
    for columns in (6, 7):
        activation_map = torch.randn(2, 1, 5, columns, generator=torch.Generator().manual_seed(columns))
        torch.testing.assert_close(
            HemithoraxMapPool()(activation_map.flip(-1)), HemithoraxMapPool()(activation_map).flip(-1)
        )


def test_middle_column_belongs_to_both_halves() -> None:
    activation_map = torch.tensor([[[[0.0, 5.0, 1.0]]]])
    pool = LogSumExpMapPool(2.0)
    expected = torch.cat([pool(activation_map[..., :2]), pool(activation_map[..., 1:])], dim=1)
    torch.testing.assert_close(HemithoraxMapPool(2.0)(activation_map), expected)
    assert (expected > 4).all()


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 1, 4, 1)])
def test_several_channels_and_a_single_column_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one channel and two columns"):
        HemithoraxMapPool()(torch.zeros(shape))
