from __future__ import annotations

import pytest
import torch

from monai_tbkd.networks import FrameMaskView, ViewedNet


def test_frame_is_blank_and_inside_unchanged() -> None:
    x = torch.arange(100.0).reshape(1, 1, 10, 10) + 1
    seen = FrameMaskView((0.1, 0.2, 0.3, 0.4))(x)
    inside = torch.zeros(10, 10, dtype=torch.bool)
    inside[1:7, 4:8] = True
    assert torch.equal(seen[0, 0][inside], x[0, 0][inside])
    assert (seen[0, 0][~inside] == 0).all()


def test_no_view_is_the_whole_image() -> None:
    x = torch.rand(1, 1, 4, 4)
    assert torch.equal(ViewedNet(torch.nn.Identity())(x), x)


@pytest.mark.parametrize("margin", [0.5, -0.1, (0.6, 0.0, 0.4, 0.0)])
def test_margin_that_leaves_nothing(margin) -> None:
    with pytest.raises(ValueError, match="margin"):
        FrameMaskView(margin)
