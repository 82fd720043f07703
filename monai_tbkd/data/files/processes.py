"""The processes that torchrun starts for one job; alone, there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import ignite.distributed as idist
import torch.distributed as dist

T = TypeVar("T")


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Return this process's number, from 0."""
    return dist.get_rank() if _several() else 0


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if _several() else 1


def wait_for_all() -> None:
    """Wait until every process has come here."""
    if _several():
        dist.barrier()


def gather_to_first(value: T) -> list[T] | None:
    """Gather a picklable value of every process in the first one; the others get None."""
    if not _several():
        return [value]
    parts: list[Any] | None = [None] * world_size() if rank() == 0 else None
    dist.gather_object(value, parts, dst=0)
    return parts


def from_first(value: T) -> T:
    """Return the first process's value, picklable, in every process."""
    if not _several():
        return value
    held: list[Any] = [value]
    dist.broadcast_object_list(held, src=0)
    return held[0]  # type: ignore[no-any-return]


def go_on_alone() -> bool:
    """End the process group; return whether this is the first process, which goes on as if alone.

    MONAI's metrics gather from all processes whenever they are read, so what one process computes for itself has to
    come after this.
    """
    first = rank() == 0
    if _several():
        dist.barrier()
        idist.finalize()  # ignite's own note of the group
        if dist.is_initialized():
            dist.destroy_process_group()
    return first


def process_batch_size(batch_size: int) -> int:
    """Return the images of a batch that each process takes; a ValueError where they can't be shared evenly."""
    fraction, rest = divmod(int(batch_size), world_size())
    if rest or not fraction:
        raise ValueError(
            f"batch_size is {batch_size} and there are {world_size()} processes; expected a multiple of their number."
        )
    return fraction


def part_of_batches(items: Sequence[T], batch_size: int, what: str = "images") -> list[T]:
    """Return the items of this process: every n-th whole batch, where there are n processes.

    Whole batches, so that a network sees the very batches that it would see in one process. A ValueError, which calls
    the items `what`, where there are fewer batches than processes.

    Example:
        >>> part_of_batches(["a", "b", "c"], batch_size=2)
        ['a', 'b', 'c']
    """
    starts = range(0, len(items), int(batch_size))
    if 0 < len(starts) < world_size():
        raise ValueError(
            f"{len(items)} {what} in batches of {batch_size} make {len(starts)} batches for {world_size()} processes; "
            "take a smaller batch_size, or fewer processes."
        )
    return [item for start in starts[rank() :: world_size()] for item in items[start : start + int(batch_size)]]
