from __future__ import annotations

import itertools

import numpy as np
import pytest

from monai_tbkd.data import ImageTurn

ALL = [ImageTurn(*each) for each in itertools.product([False, True], repeat=3)]


def test_all_eight_turns_differ() -> None:
    corner = np.arange(4).reshape(2, 2)
    assert len({turn.upright(corner).tobytes() for turn in ALL}) == 8


def test_unknown_letters_are_refused() -> None:
    with pytest.raises(ValueError, match="'X'"):
        ImageTurn.from_text("X")


@pytest.mark.parametrize("turn", ALL, ids=lambda turn: str(turn) or "none")
def test_there_and_back(turn: ImageTurn) -> None:
    stored = np.arange(10 * 20).reshape(10, 20)
    upright = turn.upright(stored)
    assert turn.as_stored(upright).tolist() == stored.tolist()
    box = [12, 1, 18, 4, 0.7]
    (there,) = turn.boxes_upright([box], upright.shape)
    drawn = np.zeros((10, 20))
    drawn[1:4, 12:18] = 1
    rows, columns = np.nonzero(turn.upright(drawn))
    assert there == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 0.7]
    assert turn.boxes_as_stored([there], upright.shape) == [box]
    assert ImageTurn.from_text(str(turn)) == turn
    assert bool(turn) == (str(turn) != "")
