"""Masks as files that viewers lay on a film, and back."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from monai_tbkd.data import FilmTurn
from monai_tbkd.data.readers.picture_parts import needed_png
from monai_tbkd.label.film_geometry import FilmGeometry, film_geometry
from monai_tbkd.label.film_result import FilmResult
from monai_tbkd.label.label_limits import MOST_BOXES
from monai_tbkd.label.mask_volume import read_volume

PLAIN_SUFFIXES = (".png",)
"""Pictures: the film's pixels, without a place."""
PLACED_SUFFIXES = (".nrrd", ".nii.gz", ".nii")
"""Volumes of one slice, at the film's place."""
_MOST_VOXELS_A_PIXEL = 4
_MOST_BYTES_A_PIXEL = 8
_PNG_HEADER = 2**20
_PLACES_AT_ONCE = 2**20


def film_mask(finding: FilmResult) -> NDArray[np.uint8]:
    """The parts of the map that boxes are drawn around, in the film's pixels as stored.

    Returns:
        ``(height, width)``, 1 is tuberculosis.
    """
    assert finding.mask is not None
    on_film = F.interpolate(finding.mask[None, None].float(), size=finding.size, mode="nearest-exact")[0, 0]
    return np.ascontiguousarray(as_stored(finding.turn, on_film.to(torch.uint8).numpy()))


def as_stored(turn: FilmTurn, upright: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn an upright ``(H, W)`` back onto the stored pixels; undoes `FilmTurn.upright`.

    Example:
        >>> as_stored(FilmTurn(transpose=True, flip_rows=True), np.array([[1, 2]], dtype=np.uint8)).tolist()
        [[1], [2]]
    """
    stored = upright[:, ::-1] if turn.flip_columns else upright
    stored = stored[::-1] if turn.flip_rows else stored
    return stored.T if turn.transpose else stored


def write_mask(mask: NDArray[np.uint8], path: Path, geometry: FilmGeometry) -> None:
    """Write a mask where the film lies.

    Args:
        mask: ``(height, width)``.
        path: ``.png``, ``.nrrd``, ``.nii`` or ``.nii.gz``; the last three become one slice.
        geometry: of the film.
    """
    if path.name.endswith(PLAIN_SUFFIXES):
        Image.fromarray(mask).save(path)
        return
    import itk

    image = itk.image_from_array(np.ascontiguousarray(mask[None]))  # z, y, x
    directions = geometry.directions.copy()
    if np.linalg.det(directions) < 0:  # formats keep right-handed places only; one slice can face either way
        directions[:, 2] *= -1
    image.SetSpacing([float(v) for v in geometry.spacing])
    image.SetOrigin([float(v) for v in geometry.to_lps[:3, 3]])
    image.SetDirection(itk.matrix_from_array(directions))
    itk.imwrite(image, str(path), compression=True)


def read_mask(path: Path, film: Path, stored_size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask in the film's pixels as stored.

    Args:
        path: what `write_mask` or a viewer wrote.
        film: that it belongs to.
        stored_size: (height, width) of the film.

    Returns:
        ``(height, width)``, True where the mask is not 0.

    Raises:
        ValueError: not a mask of this film.
    """
    if path.name.lower().endswith(PLAIN_SUFFIXES):
        return _read_picture(path, stored_size)
    height, width = stored_size
    volume = read_volume(path, _MOST_VOXELS_A_PIXEL * height * width, _MOST_BYTES_A_PIXEL * height * width)
    to_voxel = np.linalg.inv(volume.to_lps) @ film_geometry(film).to_lps
    voxels, inside = (volume.voxels != 0).astype(np.uint8), 0
    found = np.zeros((height, width), dtype=np.bool_)
    step = max(1, _PLACES_AT_ONCE // width)
    for top in range(0, height, step):
        columns, rows = np.meshgrid(np.arange(width), np.arange(top, min(top + step, height)))
        places = np.stack([columns.ravel(), rows.ravel(), np.zeros(columns.size), np.ones(columns.size)])
        at = np.asarray(to_voxel @ places, dtype=np.float64)[:3]
        within = np.ones(columns.size, dtype=np.bool_)
        for axis, length in enumerate(voxels.shape):
            if length == 1:
                at[axis] = 0  # a film has no depth
            within &= (at[axis] > -0.5) & (at[axis] < length - 0.5)
        inside += int(within.sum())
        strip = ndimage.map_coordinates(voxels, at, order=0, mode="constant", cval=0) != 0
        found[top : top + step] = strip.reshape(columns.shape)
    if inside <= found.size / 2:
        raise ValueError("The mask does not lie on the film; save it with the film as its reference.")
    return found


def mask_to_boxes(mask: NDArray[np.bool_]) -> list[list[float]]:
    """The box around each connected part, ``[xmin, ymin, xmax, ymax]``.

    Raises:
        ValueError: more parts than a label may have boxes.

    Example:
        >>> mask_to_boxes(np.array([[False, True, True]]))
        [[1.0, 0.0, 3.0, 1.0]]
    """
    parts, number = ndimage.label(mask, structure=np.ones((3, 3), dtype=int))
    if number > MOST_BOXES:
        raise ValueError(f"The mask has {number} parts; expected at most {MOST_BOXES}, one for each finding.")
    return [
        [float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)]
        for rows, columns in ndimage.find_objects(parts)
    ]


def _read_picture(path: Path, stored_size: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = stored_size
    if path.stat().st_size > _MOST_BYTES_A_PIXEL * height * width + _PNG_HEADER:
        raise ValueError(f"The mask has {path.stat().st_size} bytes; expected one of {height} x {width} pixels.")
    try:
        content, complete = needed_png(path.read_bytes())
        if not complete:
            raise EOFError
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            found = picture.height, picture.width
            with Image.open(io.BytesIO(content), formats=("PNG",)) as again:
                again.verify()  # the checksums, which decoding leaves out
            values = np.asarray(picture) if found == tuple(stored_size) else None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError("The mask cannot be read as a PNG; save it again.") from error
    if values is None:
        raise ValueError(
            f"The mask has {found[0]} x {found[1]} pixels and the film {height} x {width}; expected the film's own "
            "pixels."
        )
    if values.ndim == 3:
        color = values[..., :3] if values.shape[2] > 2 else values[..., :1]
        return np.asarray(color.any(axis=2), dtype=np.bool_)
    return values != 0
