"""What another program has saved of images: maps, a NumPy file each, and a table of scores."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from monai_tbkd.data.files.csv_cells import read_table, written_cell
from monai_tbkd.data.files.paths import absolute_path
from monai_tbkd.data.lists.datalist_error import name_first, refused_unless_read


class SavedMaps(NamedTuple):
    """Maps of images and what is to be known of them."""

    maps: np.ndarray  # (N, grid, grid) float32 of 0-1; 0 for images without a map
    peaks: np.ndarray  # (N,) of 0-1: the largest value of each map, as a score where there is none
    files: int  # maps that were read
    flat: int  # maps of one value
    warnings: list[str]  # what is doubtful, in sentences
    sha256: str  # of the files' names and content


def find_saved_maps(
    folder: str | Path, names: Sequence[str], known: Iterable[str] = (), unknown: bool = False
) -> dict[str, Path]:
    """Find the maps of images by their names; images without one are not in the answer.

    The map of ``tb/a.png`` is ``tb/a.png.npy`` or, unless another image differs from it in its suffix alone,
    ``tb/a.npy``. Maps of ``known`` images are left alone, and with ``unknown`` those of any others.

    Raises:
        ValueError: there is no such folder, it holds maps of other images or of none of these, or an image has two.
    """
    root = absolute_path(folder)
    if not root.is_dir():
        raise ValueError(f"{root}: there is no such folder; expected one with a .npy file an image.")
    stems = {name: PurePosixPath(name).with_suffix("").as_posix() for name in (*names, *known)}
    counts = Counter(stems.values())
    keys = {}
    for name, stem in stems.items():
        words = [name, stem] if counts[stem] == 1 else [name]
        # a name may come out of a table, as `--list_images` writes one
        keys[name] = tuple(dict.fromkeys(f"{word}.npy" for word in (*map(written_cell, words), *words)))
    there = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*.npy"))}
    others = sorted(set(there) - {key for own in keys.values() for key in own})
    example = next(iter(names), "tb/a.png")
    rule = f"the map of {example} is {keys.get(example, (example,))[-1]}."
    if others and not unknown:
        raise ValueError(
            f"{root}: maps of images that are not in the data set, {name_first(others)}; {rule} Take them away, or "
            "allow them (--extra ignore)."
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
        raise ValueError(f"{root}: no map of any of the {len(names)} images asked for; {there_is}; {rule}")
    return found


def read_saved_maps(
    files: Mapping[str, Path], names: Sequence[str], grid: int, scale: str, sizes: Mapping[str, Sequence[int]]
) -> SavedMaps:
    """Read maps and bring them to one grid and to 0-1.

    A map spans its image from edge to edge, upright, rows first, whatever its number of rows and columns. It is brought
    to the grid bilinearly (averaged where it is finer).

    Args:
        files: of `find_saved_maps`.
        names: images, in the order wanted.
        grid: cells along each side.
        scale: ``none``: values are of 0-1 as they are. ``all``: the smallest value of all maps becomes 0 and
            the largest 1. ``image``: so in each map of its own, as is usual with Grad-CAM; `peaks` are then scaled as
            by ``all`` where they are not of 0-1.
        sizes: [height, width] of the images, by which maps are known that lie on their side.

    Raises:
        ValueError: a file that is no map, with its name: unreadable, not two axes, not numbers, nan or infinite, or not
            of 0-1 without a scale.
    """
    digest = hashlib.sha256()
    maps = np.zeros((len(names), grid, grid), dtype=np.float32)
    lows, peaks = np.full(len(names), np.nan), np.full(len(names), np.nan)
    turned, contents = 0, set()
    for i, name in enumerate(names):
        if name not in files:
            continue
        values = read_map(files[name])
        content = values.tobytes()
        digest.update(f"{name}\0{values.shape}\0".encode() + content)
        contents.add(hashlib.sha256(content).digest())
        lows[i], peaks[i] = values.min(), values.max()
        if scale == "none" and (lows[i] < 0 or peaks[i] > 1):
            raise ValueError(
                f"{files[name]}: values from {lows[i]:g} to {peaks[i]:g}; expected 0 to 1. For other values choose a "
                "scale: --scale all (the same for all images) or --scale image (each image by its own smallest and "
                "largest value)."
            )
        height, width = sizes[name]
        turned += height != width and values.shape == (width, height)
        maps[i] = _on_grid(values, grid)
    there = ~np.isnan(peaks)
    number, flat = int(there.sum()), int((lows == peaks).sum())
    low, high = (float(lows[there].min()), float(peaks[there].max())) if number else (0.0, 1.0)
    span = high - low if high > low else 1.0
    if scale == "all":
        maps[there] = np.clip((maps[there] - low) / span, 0, 1)
    elif scale == "image":
        for i in np.flatnonzero(there).tolist():
            bottom, top = float(maps[i].min()), float(maps[i].max())
            maps[i] = (maps[i] - bottom) / (top - bottom) if top > bottom else 0.0
    if scale == "all" or low < 0 or high > 1:
        peaks = (peaks - low) / span
    said = []
    if number and flat == number:
        said.append(f"all {number} maps are of one value each, so that no place stands out on any image.")
    elif number > 1 and len(contents) == 1:
        said.append(f"all {number} maps are the same, whatever the image.")
    if turned:
        said.append(
            f"{turned} of {number} maps have a row for each column of their image; expected (rows, columns): transpose "
            "them."
        )
    return SavedMaps(maps, np.where(there, peaks, 0.0), number, flat, said, digest.hexdigest())


def read_map(path: Path) -> np.ndarray:
    """Read a ``.npy`` file of ``(H, W)`` or ``(1, H, W)`` real numbers as ``(H, W)`` float32, all values finite.

    Pickled objects are not opened. What is no map is a ValueError that names the file.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except Exception as error:  # a header is read as Python, whose tokenizer has errors of its own; or MemoryError
        raise ValueError(f"{path}: cannot be read as a NumPy array ({error}).") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
        kind = getattr(values, "dtype", type(values).__name__)
        raise ValueError(f"{path}: holds {kind}; expected an array of real numbers.")
    plane = values[0] if values.ndim == 3 and len(values) == 1 else values
    if plane.ndim != 2 or plane.size == 0:
        raise ValueError(f"{path}: shape {values.shape}; expected (rows, columns) or (1, rows, columns).")
    with np.errstate(over="ignore"):
        plane = np.ascontiguousarray(plane, dtype=np.float32)
    unusable = int((~np.isfinite(plane)).sum())
    if unusable:
        raise ValueError(f"{path}: {unusable} of {plane.size} values are nan or infinite; expected none.")
    return plane


def read_saved_scores(path: str | Path) -> dict[str, float]:
    """Read scores of 0-1 by image name; images without a score are left out.

    The table has the columns ``name`` and ``score`` (0-1), or ``score_0_100`` as inference's ``predictions.csv``.

    Raises:
        ValueError: columns are missing, an image has two rows, or a score is none; the message names file and line.
    """
    file = absolute_path(path)
    with refused_unless_read(file, "cannot be read as CSV", "expected the columns name and score"):
        head, rows = read_table(file)
    column = next((name for name in ("score", "score_0_100") if name in head), None)
    if "name" not in head or column is None:
        raise ValueError(f"{file}: columns {', '.join(head) or '(none)'}; expected name and score.")
    highest, found = (1.0 if column == "score" else 100.0), {}
    for line, row in enumerate(rows, start=2):
        name, text = row["name"], row[column].strip()
        if name in found:
            raise ValueError(f"{file}, line {line}: {name} has a row already; expected one an image.")
        if not text:
            continue
        try:
            score = float(text)
        except ValueError:
            score = math.nan
        if not 0 <= score <= highest:
            fix = " Name the column of percent score_0_100." if column == "score" and 1 < score <= 100 else ""
            raise ValueError(f"{file}, line {line}: {column} is {text!r}; expected 0 to {highest:g}.{fix}")
        found[name] = score / highest
    return found


def _on_grid(values: np.ndarray, grid: int) -> np.ndarray:
    """A map ``(H, W)`` on a square grid, edge to edge; bilinear, averaged where the map is finer than the grid."""
    if values.shape == (grid, grid):
        return values
    tensor = torch.from_numpy(values)[None, None]
    resized = F.interpolate(tensor, size=(grid, grid), mode="bilinear", align_corners=False, antialias=True)
    return np.asarray(resized[0, 0].numpy())
