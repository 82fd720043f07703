"""Maps of different size, brought to one; of different films or classes, refused."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def at_coarser_size(one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Two maps of the same film at the coarser of their sizes, height and width each.

    Args:
        one: ``(B, C, h, w)``.
        other: ``(B, C', h', w')``.

    Returns:
        Both with height ``min(h, h')`` and width ``min(w, w')``.
    """
    size = (min(one.shape[-2], other.shape[-2]), min(one.shape[-1], other.shape[-1]))
    return at_size(one, size), at_size(other, size)


def at_size(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A map at a smaller size.

    Cell i of a strided network lies on pixel ``stride * i``, so every second cell of a map of stride 8 lies just where
    the cells of one of stride 16 do: cells are left out where that gives the size, and averaged where it does not.

    Args:
        maps: ``(B, C, h, w)``.
        size: (height, width), at most the map's.

    Example:
        >>> at_size(torch.arange(5.0).reshape(1, 1, 1, 5), (1, 3))
        tensor([[[[0., 2., 4.]]]])
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    steps = [-(-cells // wanted) for cells, wanted in zip(maps.shape[-2:], size)]
    if all(len(range(0, n, step)) == wanted for n, step, wanted in zip(maps.shape[-2:], steps, size)):
        return maps[..., :: steps[0], :: steps[1]]
    return F.adaptive_avg_pool2d(maps, size)


def refuse_other_classes(student: torch.Tensor, teacher: torch.Tensor) -> None:
    """Refuse maps ``(B, C, h, w)`` of other films or classes.

    Raises:
        ValueError: B or C differs.
    """
    if student.shape[:2] != teacher.shape[:2]:
        raise ValueError(
            f"Student maps are {tuple(student.shape)} and teacher maps {tuple(teacher.shape)}; "
            "films and classes have to be the same."
        )
