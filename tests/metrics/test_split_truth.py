from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_tbkd.data.lists.tbx11k import load_tbx11k
from monai_tbkd.metrics.split_truth import box_groups, image_groups


def item(boxes: list | None, types: list[str] | None = None) -> dict[str, Any]:
    return {"boxes": boxes, "size": [100, 200], "box_types": types or []}


ITEMS = [
    item([[0, 0, 20, 20]], ["active"]),  # 400 of 20,000 pixels: small; left
    item([[0, 0, 40, 20], [110, 0, 210, 60]], ["latent", "active"]),  # 0.04 medium, left; 0.3 large, right
    item([]),
    item(None),
    item([[150, 0, 160, 10], [150, 50, 190, 75], [170, 0, 180, 10]], ["uncertain"] * 3),  # small, medium, small; right
]


def members(groups: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, list[int]]]:
    return {by: {n: np.flatnonzero(m).tolist() for n, m in parts.items() if m.any()} for by, parts in groups.items()}


def test_boxes_by_hand() -> None:
    boxes = box_groups(ITEMS)
    assert boxes.image.tolist() == [0, 1, 1, 4, 4, 4]
    assert members(boxes.groups) == {
        "size": {"small": [0, 3, 5], "medium": [1, 4], "large": [2]},
        "count": {"1": [0], "2": [1, 2], "3+": [3, 4, 5]},
        "side": {"left": [0, 1], "right": [2, 3, 4, 5]},
        "type": {"active": [0, 2], "latent": [1], "uncertain": [3, 4, 5]},
    }


def test_images_by_hand() -> None:
    assert members(image_groups(ITEMS)) == {
        "size": {"small": [0], "medium": [4], "large": [1]},
        "count": {"1": [0], "2": [1], "3+": [4]},
        "side": {"left": [0], "right": [4], "both": [1]},
        "type": {"active": [0], "uncertain": [4], "mixed": [1]},
    }


def test_types_may_be_missing_but_not_too_few() -> None:
    assert box_groups([item([[0, 0, 1, 1]])]).groups["type"]["other"].tolist() == [True]
    assert box_groups([item([[0, 0, 1, 1]], ["unspecified"])]).groups["type"]["other"].tolist() == [True]
    with pytest.raises(ValueError, match="2 boxes and 1 box_types"):
        box_groups([item([[0, 0, 1, 1], [2, 2, 3, 3]], ["active"])])


def test_no_boxes_at_all() -> None:
    boxes = box_groups([item([]), item(None)])
    assert boxes.image.shape == (0,)
    assert not any(member.any() for parts in image_groups([item([]), item(None)]).values() for member in parts.values())


def test_groups_part_real_images(real_data: Path) -> None:
    items = [i for i in load_tbx11k(real_data / "TBX11K") if i["boxes"]]
    boxes = box_groups(items)
    for parts in (*boxes.groups.values(), *image_groups(items).values()):
        assert (sum(m.astype(int) for m in parts.values()) == 1).all()
    thirds = [boxes.groups["size"][name].mean() for name in ("small", "medium", "large")]
    assert min(thirds) > 0.3
