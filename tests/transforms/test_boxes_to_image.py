from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monai_tbkd.transforms import BoxesToImaged, rescale_boxes


@given(
    st.tuples(*[st.floats(0, 1) for _ in range(4)]),
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
)
def test_there_and_back(corners: tuple, a: tuple[int, int], b: tuple[int, int]) -> None:
    x0, x1 = sorted(c * a[1] for c in corners[:2])
    y0, y1 = sorted(c * a[0] for c in corners[2:])
    box = torch.tensor([[x0, y0, x1, y1]])
    back = rescale_boxes(rescale_boxes(box, a, b), b, a)
    torch.testing.assert_close(back, box.float(), rtol=1e-5, atol=1e-2)


def test_refused_image_has_no_boxes_and_bad_sizes_raise() -> None:
    out = BoxesToImaged((8, 8))({"pred_boxes": torch.ones(2, 4), "original_size": [0, 0]})
    assert out["pred_boxes"].shape == (0, 4)
    with pytest.raises(ValueError, match="above 0"):
        rescale_boxes(torch.ones(1, 4), (0, 8), (8, 8))


def test_a_grid_on_a_part_of_the_image() -> None:
    item = {"pred_boxes": torch.tensor([[0.0, 2.0, 4.0, 8.0]]), "original_size": [100, 200]}
    out = BoxesToImaged((8, 8), position_key="inside")({**item, "inside": torch.tensor([0.5, 0.2, 0.9, 1.0])})
    assert out["pred_boxes"].tolist() == [[100, 40, 140, 100]]
    assert BoxesToImaged((8, 8), position_key="inside")(item)["pred_boxes"].tolist() == [[0, 25, 100, 100]]
