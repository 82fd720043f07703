from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from monai_tbkd.data.film_shards import film_shard, films_of_shard, parse_shard, shard_folder, shard_folders

FILMS = [{"name": f"folder/film {number}.png"} for number in range(4000)]


def test_parts_are_whole_apart_and_about_alike() -> None:
    parts = [films_of_shard(FILMS, f"{number}/8") for number in range(1, 9)]
    assert sorted(f["name"] for part in parts for f in part) == sorted(f["name"] for f in FILMS)
    assert all(430 < len(part) < 570 for part in parts)
    assert films_of_shard(FILMS, None) == FILMS
    assert [f["name"] for f in parts[0]] == [f["name"] for f in FILMS if f in parts[0]]  # in their order


def test_the_same_for_ever() -> None:
    assert [film_shard(name, 64) for name in ("a.png", "b/c.dcm", "ä.png", "a\udcff.png")] == [1, 15, 55, 32]


def test_parts_of_parts_are_alike_too() -> None:
    part = films_of_shard(FILMS, "3/8")
    counts = Counter(film_shard(film["name"], 2, "process") for film in part)
    assert min(counts.values()) > 0.4 * len(part)


def test_films_whose_pictures_would_be_named_alike_stay_together() -> None:
    for count in (2, 7, 64):
        assert film_shard("a/b.png", count) == film_shard("a_b.png", count) == film_shard("a/b.PNG", count)


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
