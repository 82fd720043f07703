from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_tbkd.transforms import DrawOverlay, Panel, draw_panels, image_for_display
from monai_tbkd.transforms.overlay import CAPTION_HEIGHT, PREDICTED_COLOR, TRUE_COLOR, blend_map

IMAGE = np.full((40, 80), 100, dtype=np.uint8)


def test_zero_map_leaves_the_image_gray_and_a_strong_one_colors_it() -> None:
    assert (blend_map(IMAGE, np.zeros((40, 80))) == 100).all()
    strong = blend_map(IMAGE, np.ones((40, 80)))
    assert (strong.max(-1).astype(int) - strong.min(-1) > 30).all()
    with pytest.raises(ValueError, match="image's size"):
        blend_map(IMAGE, np.zeros((2, 2)))


def test_boxes_stand_where_they_belong_in_an_image_that_is_not_square() -> None:
    box = torch.tensor([[20.0, 10.0, 60.0, 30.0]])
    sheet = np.asarray(draw_panels(IMAGE, [Panel("a", true_boxes=box), Panel("b", boxes=box)], "t", panel_size=160))
    top = 2 * CAPTION_HEIGHT
    assert tuple(sheet[top + 20, 40]) == TRUE_COLOR  # upper left corner, at twice the size
    assert tuple(sheet[top + 59, 119]) == TRUE_COLOR  # lower right
    assert tuple(sheet[top + 20, 160 + 40]) == PREDICTED_COLOR
    assert tuple(sheet[top + 40, 80]) == (100, 100, 100)


def test_map_and_notice_are_drawn() -> None:
    tb_map = torch.zeros(1, 2, 4)
    tb_map[0, 0, 3] = 1.0
    sheet = np.asarray(draw_panels(IMAGE, [Panel("map", tb_map)], "t", panel_size=160)).astype(int)
    panel = sheet[2 * CAPTION_HEIGHT : 2 * CAPTION_HEIGHT + 80]
    colored = panel.max(-1) - panel.min(-1) > 20
    assert colored[:20, 130:].all()
    assert not colored[:, :100].any()
    assert sheet[2 * CAPTION_HEIGHT + 82 :].max() > 150  # the notice


def test_an_image_of_any_grid_is_drawn_in_the_proportions_that_boxes_refer_to() -> None:
    square = np.full((64, 64), 100, dtype=np.uint8)
    panels = [Panel("a", boxes=torch.tensor([[20.0, 10.0, 60.0, 30.0]]))]
    sheet = draw_panels(square, panels, "t", panel_size=160, whole_image_size=IMAGE.shape)
    assert np.array_equal(np.asarray(sheet), np.asarray(draw_panels(IMAGE, panels, "t", panel_size=160)))


def test_image_for_display_is_the_same_of_8_bits_and_of_numbers() -> None:
    image = torch.arange(10, 230, dtype=torch.uint8).reshape(1, 11, 20)
    assert np.array_equal(image_for_display(image), image_for_display(image.float()))


def test_image_for_display_spans_gray_in_any_units() -> None:
    image = image_for_display(torch.tensor([[[-2.0, 0.5, 3.0]], [[9.0, 9.0, 9.0]]]))
    assert image.tolist() == [[0, 127, 255]]


def test_the_pictures_have_the_proportions_of_the_original_image() -> None:
    box, scores, size = torch.tensor([[100.0, 50.0, 300.0, 150.0]]), torch.tensor([0.8]), torch.tensor([200, 400])
    picture = DrawOverlay(panel_size=200)(torch.rand(3, 64, 64), torch.zeros(1, 4, 4), box, scores, size)
    assert picture.shape == (3, 100 + 2 * CAPTION_HEIGHT + 18, 400)
    assert tuple(picture[:, 2 * CAPTION_HEIGHT + 74, 200 + 149].tolist()) == PREDICTED_COLOR  # lower right corner
