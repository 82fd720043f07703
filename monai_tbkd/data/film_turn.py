"""How a film was turned upright, and the way back for boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FilmTurn:
    """One of the eight ways to lay a picture on its pixel grid: transpose first, then flip.

    Args:
        transpose: rows and columns change places.
        flip_rows: the (new) rows run from bottom to top.
        flip_columns: the (new) columns run from right to left.

    Example:
        >>> FilmTurn(flip_columns=True).upright(np.array([[1, 2, 3]])).tolist()
        [[3, 2, 1]]
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def __bool__(self) -> bool:
        return self.transpose or self.flip_rows or self.flip_columns

    def __str__(self) -> str:
        """Letters of what is done, in order: T, R, C; empty for nothing."""
        return "T" * self.transpose + "R" * self.flip_rows + "C" * self.flip_columns

    @classmethod
    def from_text(cls, text: str) -> FilmTurn:
        """The turn that `str` wrote.

        Raises:
            ValueError: a letter other than T, R and C.
        """
        if set(text) - set("TRC"):
            raise ValueError(f"The turn is {text!r}; expected letters of T, R and C.")
        return cls("T" in text, "R" in text, "C" in text)

    def upright(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Turn stored pixels ``(H, W)`` upright."""
        film = stored.T if self.transpose else stored
        film = film[::-1] if self.flip_rows else film
        film = film[:, ::-1] if self.flip_columns else film
        return np.ascontiguousarray(film)

    def as_stored(self, upright: NDArray[Any]) -> NDArray[Any]:
        """Undo `upright`: what is laid out as the upright film, ``(H, W)``, as the pixels are stored.

        Example:
            >>> FilmTurn(transpose=True, flip_rows=True).as_stored(np.array([[3], [2], [1]])).tolist()
            [[1, 2, 3]]
        """
        film = upright[:, ::-1] if self.flip_columns else upright
        film = film[::-1] if self.flip_rows else film
        film = film.T if self.transpose else film
        return np.ascontiguousarray(film)

    def boxes_as_stored(self, boxes: Sequence[Sequence[float]], upright_size: Sequence[int]) -> list[list[float]]:
        """Boxes on the upright film as boxes on the pixels as they are stored.

        Args:
            boxes: ``[xmin, ymin, xmax, ymax]`` each; x = column, half-open.
            upright_size: (height, width) of the upright film.

        Returns:
            The same boxes on the stored pixel matrix; further numbers of a box, such as a score, stay.

        Example:
            >>> FilmTurn(flip_rows=True).boxes_as_stored([[0, 0, 2, 3]], (10, 20))
            [[0, 7, 2, 10]]
        """
        height, width = (int(length) for length in upright_size)
        stored = []
        for xmin, ymin, xmax, ymax, *rest in boxes:
            if self.flip_columns:
                xmin, xmax = width - xmax, width - xmin
            if self.flip_rows:
                ymin, ymax = height - ymax, height - ymin
            edges = [ymin, xmin, ymax, xmax] if self.transpose else [xmin, ymin, xmax, ymax]
            stored.append([*edges, *rest])
        return stored

    def boxes_upright(self, boxes: Sequence[Sequence[float]], upright_size: Sequence[int]) -> list[list[float]]:
        """The way back of `boxes_as_stored`: boxes on the stored pixels as boxes on the upright film.

        Args:
            boxes: ``[xmin, ymin, xmax, ymax]`` each; x = column, half-open.
            upright_size: (height, width) of the upright film.

        Returns:
            The same boxes on the upright film; further numbers of a box stay.

        Example:
            >>> FilmTurn(flip_rows=True).boxes_upright([[0, 7, 2, 10]], (10, 20))
            [[0, 0, 2, 3]]
        """
        height, width = (int(length) for length in upright_size)
        upright = []
        for xmin, ymin, xmax, ymax, *rest in boxes:
            if self.transpose:
                xmin, ymin, xmax, ymax = ymin, xmin, ymax, xmax
            if self.flip_rows:
                ymin, ymax = height - ymax, height - ymin
            if self.flip_columns:
                xmin, xmax = width - xmax, width - xmin
            upright.append([xmin, ymin, xmax, ymax, *rest])
        return upright
