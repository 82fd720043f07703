from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from monai_tbkd.data.lists.image_shards import image_shard, images_of_shard, parse_shard, shard_folder, shard_folders

IMAGES = [{"name": f"folder/image {number}.png"} for number in range(4000)]


def test_parts_are_whole_apart_and_about_alike() -> None:
    parts = [images_of_shard(IMAGES, f"{number}/8") for number in range(1, 9)]
    assert sorted(f["name"] for part in parts for f in part) == sorted(f["name"] for f in IMAGES)
    assert all(430 < len(part) < 570 for part in parts)
    assert images_of_shard(IMAGES, None) == IMAGES
    assert [f["name"] for f in parts[0]] == [f["name"] for f in IMAGES if f in parts[0]]  # in their order


def test_the_same_for_ever() -> None:
    assert [image_shard(name, 64) for name in ("a.png", "b/c.dcm", "ä.png", "a\udcff.png")] == [1, 15, 55, 32]


def test_parts_of_parts_are_alike_too() -> None:
    part = images_of_shard(IMAGES, "3/8")
    counts = Counter(image_shard(image["name"], 2, "process") for image in part)
    assert min(counts.values()) > 0.4 * len(part)


def test_images_whose_pictures_would_be_named_alike_stay_together() -> None:
    for count in (2, 7, 64):
        assert image_shard("a/b.png", count) == image_shard("a_b.png", count) == image_shard("a/b.PNG", count)


def test_what_is_no_part_is_refused() -> None:
    assert parse_shard(" 8/8 ") == (8, 8)
    for wrong in ("0/8", "9/8", "3", "3/8/2", "a/b", 3):
        with pytest.raises(ValueError, match="such as 3/8"):
            parse_shard(wrong)  # type: ignore[arg-type]


def test_folders(tmp_path: Path) -> None:
    assert shard_folder("out", None) == "out"
    for shard in ("1/2", "2/2"):
        Path(shard_folder(tmp_path, shard)).mkdir()
    (tmp_path / "overlays").mkdir()
    assert {key: path.name for key, path in shard_folders(tmp_path).items()} == {
        (1, 2): "shard_1_of_2",
        (2, 2): "shard_2_of_2",
    }
