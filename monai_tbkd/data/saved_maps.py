"""Maps that another program has saved: a NumPy file a film."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from monai_tbkd.data.csv_cells import written_cell
from monai_tbkd.data.datalist_error import name_first
from monai_tbkd.data.paths import absolute_path

SCALES = ("none", "all", "film")


class SavedMaps(NamedTuple):
    """Maps of films and what is to be known of them."""

    maps: np.ndarray
    """``(N, grid, grid)`` float32 of 0-1; 0 for films without a map."""
    peaks: np.ndarray
    """``(N,)`` of 0-1: the largest value of each map, as a score where there is none."""
    missing: list[str]
    """Films without a map."""
    files: int
    """Maps that were read."""
    flat: int
    """Maps of one value, which say nothing of places."""
    warnings: list[str]
    """What is doubtful, in sentences."""
    sha256: str
    """Of the files' names and content."""


def find_saved_maps(
    folder: str | Path, names: Sequence[str], known: Iterable[str] = (), strangers: bool = False
) -> dict[str, Path]:
    """The map of each film, by its name.

    The map of ``tb/a.png`` is ``tb/a.png.npy`` or, unless another film differs from it in its suffix alone,
    ``tb/a.npy``.

    Args:
        folder: of the maps.
        names: of the films.
        known: other films, whose maps may be there as well and are left alone.
        strangers: whether maps of films that are neither may be there.

    Returns:
        Files by name; films without one are not in it.

    Raises:
        ValueError: there is no such folder, it holds maps of strangers or of none of the films, or a film has two.
    """
    root = absolute_path(folder)
    if not root.is_dir():
        raise ValueError(f"{root}: there is no such folder; expected one with a .npy file a film.")
    films = dict.fromkeys([*names, *known])
    stems = Counter(_stem(name) for name in films)
    keys = {name: _files_of(name, stems[_stem(name)] == 1) for name in films}
    there = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*.npy"))}
    others = sorted(set(there) - {key for pair in keys.values() for key in pair})
    if others and not strangers:
        example = next(iter(names), "tb/a.png")
        raise ValueError(
            f"{root}: maps of films that are not in the data set, {name_first(others)}; the map of {example} is "
            f"{keys.get(example, (example,))[-1]}. Take them away, or allow them (--extra ignore)."
        )
    found = {}
    for name in names:
        own = [there[key] for key in keys[name] if key in there]
        if len(own) > 1:
            raise ValueError(f"{name} has two maps, {own[0]} and {own[1]}; expected one.")
        if own:
            found[name] = own[0]
    if not found:
        there_is = f"found {name_first(there)}" if there else "found no .npy file"
        example = next(iter(names), "tb/a.png")
        raise ValueError(
            f"{root}: no map of any of the {len(names)} images asked for; {there_is}; the map of {example} is "
            f"{keys.get(example, (example,))[-1]}."
        )
    return found


def read_saved_maps(
    files: Mapping[str, Path],
    names: Sequence[str],
    grid: int,
    scale: str = "none",
    sizes: Mapping[str, Sequence[int]] | None = None,
) -> SavedMaps:
    """Read maps and bring them to one grid and to 0-1.

    A map spans its film from edge to edge, upright, rows first, whatever its number of rows and columns. It is brought
    to the grid bilinearly (averaged where it is finer).

    Args:
        files: of `find_saved_maps`.
        names: films, in the order wanted.
        grid: cells along each side.
        scale: ``none``: values are of 0-1 as they are. ``all``: the smallest value of all maps becomes 0 and
            the largest 1. ``film``: so in each map of its own, as is usual with Grad-CAM; `peaks` are then scaled as by
            ``all`` where they are not of 0-1.
        sizes: [height, width] of the films, by which maps are known that lie on their side; None: not looked for.

    Raises:
        ValueError: a file that is no map, with its name: unreadable, not two axes, not numbers, nan or infinite, or not
            of 0-1 without a scale.
    """
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}; expected one of {SCALES}.")
    digest = hashlib.sha256()
    maps = np.zeros((len(names), grid, grid), dtype=np.float32)
    low, high, peaks = np.inf, -np.inf, np.full(len(names), np.nan)
    flat, turned, contents = 0, 0, set()
    for i, name in enumerate(names):
        if name not in files:
            continue
        values = read_map(files[name])
        content = values.tobytes()
        digest.update(f"{name}\0{values.shape}\0".encode() + content)
        contents.add(hashlib.sha256(content).digest())
        smallest_value, largest_value = float(values.min()), float(values.max())
        if scale == "none" and (smallest_value < 0 or largest_value > 1):
            raise ValueError(
                f"{files[name]}: values from {smallest_value:g} to {largest_value:g}; expected 0 to 1. For other "
                "values choose a scale: --scale all (the same for all films) or --scale film (each film by its own "
                "smallest and largest value)."
            )
        flat += smallest_value == largest_value
        height, width = sizes[name] if sizes else (1, 1)
        turned += height != width and values.shape == (width, height)
        low, high, peaks[i] = min(low, smallest_value), max(high, largest_value), largest_value
        maps[i] = on_grid(values, grid)
    there = ~np.isnan(peaks)
    if not there.any():
        low, high = 0.0, 1.0
    span = high - low if high > low else 1.0
    if scale == "all":
        maps[there] = np.clip((maps[there] - low) / span, 0, 1)
    elif scale == "film":
        for i in np.flatnonzero(there).tolist():
            bottom, top = float(maps[i].min()), float(maps[i].max())
            # a flat map has no place that stands out
            maps[i] = (maps[i] - bottom) / (top - bottom) if top > bottom else 0.0
    if scale == "all" or low < 0 or high > 1:
        peaks = (peaks - low) / span
    missing = [name for name, known in zip(names, there, strict=True) if not known]
    number, said = int(there.sum()), []
    if number and flat == number:
        said.append(f"all {number} maps are of one value each, so that no place stands out on any image.")
    elif number > 1 and len(contents) == 1:
        said.append(f"all {number} maps are the same, whatever the image.")
    if turned:
        said.append(
            f"{turned} of {number} maps have a row for each column of their image; expected (rows, columns): transpose "
            "them."
        )
    return SavedMaps(maps, np.where(there, peaks, 0.0), missing, number, flat, said, digest.hexdigest())


def read_map(path: Path) -> np.ndarray:
    """One map as ``(H, W)`` float32, all values finite.

    Args:
        path: a ``.npy`` file of ``(H, W)`` or ``(1, H, W)``, of real numbers. Pickled objects are not opened.

    Raises:
        ValueError: it is none; the message names the file.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (
        Exception
    ) as error:  # a header is read as Python, whose tokenizer has errors of its own; MemoryError is one too
        raise ValueError(f"{path}: cannot be read as a NumPy array ({error}).") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
        kind = getattr(values, "dtype", type(values).__name__)
        raise ValueError(f"{path}: holds {kind}; expected an array of real numbers.")
    plane = values[0] if values.ndim == 3 and len(values) == 1 else values
    if plane.ndim != 2 or plane.size == 0:
        raise ValueError(f"{path}: shape {values.shape}; expected (rows, columns) or (1, rows, columns).")
    with np.errstate(over="ignore"):
        plane = np.ascontiguousarray(plane, dtype=np.float32)
    finite = np.isfinite(plane)
    if not finite.all():
        raise ValueError(f"{path}: {int((~finite).sum())} of {plane.size} values are nan or infinite; expected none.")
    return plane


def on_grid(values: np.ndarray, grid: int) -> np.ndarray:
    """A map ``(H, W)`` on a square grid, edge to edge; bilinear, averaged where the map is finer than the grid."""
    if values.shape == (grid, grid):
        return values
    tensor = torch.from_numpy(values)[None, None]
    resized = F.interpolate(tensor, size=(grid, grid), mode="bilinear", align_corners=False, antialias=True)
    return np.asarray(resized[0, 0].numpy())


def _files_of(name: str, short: bool) -> tuple[str, ...]:
    """Files that the map of a film may be in; its name may come out of a table, as `--list_films` writes one."""
    names = [name, *([_stem(name)] if short else [])]
    return tuple(dict.fromkeys(f"{each}.npy" for each in (*map(written_cell, names), *names)))


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()
