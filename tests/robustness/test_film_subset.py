from __future__ import annotations

import pytest

from monai_tbkd.robustness import film_subset, refuse_cut_films

FILMS = [{"name": f"f{i}", "class_name": "tb" if i % 4 == 0 else "health"} for i in range(40)]


def test_classes_keep_their_shares_and_films_their_order() -> None:
    kept = film_subset(FILMS, 8)
    assert [film["class_name"] for film in kept].count("tb") == 2
    assert len(kept) == 8
    assert kept == [film for film in FILMS if film in kept]
    assert kept == film_subset(FILMS[::-1], 8)[::-1]  # by name, not by place
    assert all(film in film_subset(FILMS, 20) for film in kept)


def test_all_or_at_least_one_of_each() -> None:
    assert film_subset(FILMS, None) == film_subset(FILMS, 99) == FILMS
    assert {film["class_name"] for film in film_subset(FILMS, 1)} == {"tb", "health"}
    with pytest.raises(ValueError, match="0 films were asked for"):
        film_subset(FILMS, 0)


def test_cut_films_are_refused() -> None:
    refuse_cut_films(False)
    with pytest.raises(ValueError, match="lung_crop is true"):
        refuse_cut_films(True)
