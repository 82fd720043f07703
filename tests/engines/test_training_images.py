from __future__ import annotations

import torch

from monai_tbkd.data.lists.pasted_copies import OWN, PASTE
from monai_tbkd.engines.training_images import CopiesDataset


def test_stack_of_copies_says_what_is_own() -> None:
    field = torch.full((1, 2, 2), 9, dtype=torch.uint8)
    own = torch.zeros(1, 2, 2, dtype=torch.uint8)
    images = [{"image": torch.full((2, 3, 3), i), "lung_field": field, "label": 1} for i in range(3)]
    images[1][OWN], images[1][PASTE] = own, {}
    stack = CopiesDataset(images)[0]
    assert stack["image"].shape == (3, 2, 3, 3) and stack["lung_field"].shape == (3, 1, 2, 2)
    assert stack[OWN].flatten(1).float().mean(dim=1).tolist() == [255, 0, 255]
    assert PASTE not in stack and stack["label"] == 1 and len(CopiesDataset(images)) == 1
