"""Divide a large job into shards by a hash of the images' names, the same on every machine."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

Image = TypeVar("Image", bound=Mapping[str, Any])


def image_shard(name: str, count: int, salt: str = "shard") -> int:
    """Return which of ``count`` shards an image belongs to, from 0.

    Images whose overlays would be named alike (``a/b.png`` and ``a_b.png``) belong to the same shard.

    Another ``salt`` is for shards of shards.
    """
    stem = name[:-4] if name.lower().endswith(".png") else name
    key = f"{salt}:{stem.replace('/', '_')}".encode("utf-8", errors="backslashreplace")
    return int.from_bytes(hashlib.sha256(key).digest()[:8]) % count


def parse_shard(shard: str | None) -> tuple[int, int] | None:
    """Parse ``"3/8"`` to (3, 8), and None to None; a ValueError for anything else."""
    if shard is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", str(shard).strip())
    if found and 1 <= int(found[1]) <= int(found[2]):
        return int(found[1]), int(found[2])
    raise ValueError(f"shard is {shard!r}; expected a part and their number, such as 3/8 for the third of eight.")


def images_of_shard(images: Sequence[Image], shard: str | None) -> list[Image]:
    """Select the images, as `list_images` gives them, of a shard such as ``"3/8"``; None takes all."""
    part = parse_shard(shard)
    return [image for image in images if part is None or image_shard(image["name"], part[1]) == part[0] - 1]


def shard_folder(output_dir: str | os.PathLike[str], shard: str | None) -> str:
    """Return the folder of a shard's results, below that of the whole."""
    part = parse_shard(shard)
    return str(output_dir) if part is None else str(Path(output_dir) / f"shard_{part[0]}_of_{part[1]}")


def shard_folders(output_dir: str | os.PathLike[str]) -> dict[tuple[int, int], Path]:
    """Find existing folders of shards, by number of the shard and of all."""
    folders = {path: re.fullmatch(r"shard_(\d+)_of_(\d+)", path.name) for path in sorted(Path(output_dir).iterdir())}
    return {(int(name[1]), int(name[2])): path for path, name in folders.items() if name and path.is_dir()}
