from __future__ import annotations

import pytest

from monai_tbkd.data import class_label, class_of


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("health", "health"), ("Normal", "health"), ("No Finding", "health"), ("no-finding", "health"),
        ("sick_non_tb", "sick"), ("Pneumonia", "sick"), (" TB ", "tb"), ("Tuberculosis", "tb"),
        ("cat", None), ("", None),
    ],
)  # fmt: skip
def test_words(word: str, name: str | None) -> None:
    assert class_of(word) == name


@pytest.mark.parametrize(("num_classes", "labels"), [(1, [0, 0, 1]), (2, [0, 0, 1]), (3, [0, 1, 2])])
def test_label_schemes(num_classes: int, labels: list[int]) -> None:
    assert [class_label(name, num_classes) for name in ("health", "sick", "tb")] == labels


def test_unknown_scheme_and_class_are_refused() -> None:
    with pytest.raises(ValueError, match="num_classes is 4"):
        class_label("tb", 4)
    with pytest.raises(ValueError, match="'cat'"):
        class_label("cat")
