"""Parts of a large job by the hash of the films' names, the same on every machine and for ever."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

Film = TypeVar("Film", bound=Mapping[str, Any])
_SHARD = re.compile(r"(\d+)/(\d+)")
_FOLDER = re.compile(r"shard_(\d+)_of_(\d+)")


def film_shard(name: str, count: int, salt: str = "shard") -> int:
    """Which of ``count`` parts a film belongs to, from 0.

    Films whose pictures would be named alike (``a/b.png`` and ``a_b.png``) belong to the same part, so that parts never
    write one picture twice.

    Args:
        name: of the film, as `list_films` gives it.
        count: number of parts.
        salt: parts of parts take another one.
    """
    stem = name[:-4] if name.lower().endswith(".png") else name
    key = f"{salt}:{stem.replace('/', '_')}".encode("utf-8", errors="backslashreplace")
    return int.from_bytes(hashlib.sha256(key).digest()[:8]) % count


def parse_shard(shard: str | None) -> tuple[int, int] | None:
    """``"3/8"`` as (3, 8); None where there are no parts.

    Raises:
        ValueError: anything else.
    """
    if shard is None:
        return None
    found = _SHARD.fullmatch(str(shard).strip())
    if found:
        number, count = int(found[1]), int(found[2])
        if 1 <= number <= count:
            return number, count
    raise ValueError(f"shard is {shard!r}; expected a part and their number, such as 3/8 for the third of eight.")


def films_of_shard(films: Sequence[Film], shard: str | None) -> list[Film]:
    """The films of one part, in their order.

    Args:
        films: with ``name``, as `list_films` gives them.
        shard: such as ``"3/8"``; None takes all.
    """
    part = parse_shard(shard)
    if part is None:
        return list(films)
    return [film for film in films if film_shard(film["name"], part[1]) == part[0] - 1]


def shard_folder(output_dir: str | os.PathLike[str], shard: str | None) -> str:
    """Where a part's results go: a folder of its own below that of the whole."""
    part = parse_shard(shard)
    return str(output_dir) if part is None else str(Path(output_dir) / f"shard_{part[0]}_of_{part[1]}")


def shard_folders(output_dir: str | os.PathLike[str]) -> dict[tuple[int, int], Path]:
    """The parts' folders that are there, by part and number of parts."""
    folders = {_FOLDER.fullmatch(p.name): p for p in Path(output_dir).iterdir() if p.is_dir()}
    return {(int(m[1]), int(m[2])): p for m, p in sorted(folders.items(), key=lambda x: str(x[1])) if m}
