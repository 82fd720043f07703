from __future__ import annotations

import pytest

from monai_tbkd.losses import Schedule


def test_constant() -> None:
    assert [Schedule(2.0)(p) for p in (0, 0.3, 1)] == [2.0, 2.0, 2.0]
    assert Schedule(2.0, 2.0)(0.5) == 2.0


def test_linear_and_cosine_by_hand() -> None:
    assert [Schedule(1, 5, "linear")(p) for p in (0, 0.25, 0.5, 1)] == [1, 2, 3, 5]
    cosine = [Schedule(0, 4, "cosine")(p) for p in (0, 1 / 3, 0.5, 2 / 3, 1)]
    assert cosine == pytest.approx([0, 1, 2, 3, 4])  # the cosine of 60 degrees is a half


def test_after_its_share_it_stays() -> None:
    half = Schedule(1.0, 0.0, "linear", share=0.5)
    assert [half(p) for p in (0.25, 0.5, 0.75, 1)] == [0.5, 0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 1, "end": 0, "kind": "steps"}, "kind is 'steps'"),
        ({"start": 1, "end": 0, "kind": "linear", "share": 0}, "share is 0"),
        ({"start": 1, "end": 0}, "constant schedule goes from 1 to 0"),
        ({"start": 1, "kind": "cosine"}, "needs an end"),
    ],
)
def test_what_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schedule(**arguments)
