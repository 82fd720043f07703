"""Masks as files that viewers lay on an image, and back."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from monai_tbkd.data.readers.picture_parts import needed_png
from monai_tbkd.label.image_geometry import ImageGeometry, image_geometry
from monai_tbkd.label.label_content import MOST_BOXES
from monai_tbkd.label.mask_volume import read_volume

MASK_SUFFIXES = (".png", ".nrrd", ".nii.gz", ".nii")
"""A picture of the image's pixels, or a volume of one slice at the image's position."""
_MOST_VOXELS_A_PIXEL = 4
_MOST_BYTES_A_PIXEL = 8
_PNG_HEADER = 2**20
_PIXELS_AT_ONCE = 2**20


def write_mask(mask: NDArray[np.uint8], path: Path, geometry: ImageGeometry) -> None:
    """Write a mask ``(height, width)`` at the image's position, in the format of the suffix."""
    if path.suffix == ".png":
        Image.fromarray(mask).save(path)
        return
    import itk

    image = itk.image_from_array(np.ascontiguousarray(mask[None]))  # z, y, x
    directions = geometry.directions
    if np.linalg.det(directions) < 0:  # formats keep right-handed axes only; one slice can face either way
        directions[:, 2] *= -1
    image.SetSpacing(geometry.spacing.tolist())
    image.SetOrigin(geometry.to_lps[:3, 3].tolist())
    image.SetDirection(itk.matrix_from_array(directions))
    itk.imwrite(image, str(path), compression=True)


def read_mask(path: Path, image: Path, stored_size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask in the image's pixels as stored, ``(height, width)``, True where it is not 0.

    Args:
        path: as `write_mask` or a viewer wrote it.
        image: the image that it belongs to.
        stored_size: (height, width) of the image.

    Raises:
        ValueError: not a mask of this image.
    """
    height, width = stored_size
    if path.name.lower().endswith(".png"):
        return _read_picture(path, height, width)
    volume = read_volume(path, _MOST_VOXELS_A_PIXEL * height * width, _MOST_BYTES_A_PIXEL * height * width)
    to_voxel = np.linalg.inv(volume.to_lps) @ image_geometry(image).to_lps
    voxels, inside = (volume.voxels != 0).astype(np.uint8), 0
    lengths = np.array(voxels.shape)[:, None]
    found = np.zeros((height, width), dtype=np.bool_)
    step = max(1, _PIXELS_AT_ONCE // width)
    for top in range(0, height, step):
        columns, rows = np.meshgrid(np.arange(width), np.arange(top, min(top + step, height)))
        pixels = np.stack([columns.ravel(), rows.ravel(), np.zeros(columns.size), np.ones(columns.size)])
        at = np.where(lengths == 1, 0.0, (to_voxel @ pixels)[:3])  # an image has no depth
        inside += int(((at > -0.5) & (at < lengths - 0.5)).all(axis=0).sum())
        strip = ndimage.map_coordinates(voxels, at, order=0, mode="constant", cval=0) != 0
        found[top : top + step] = strip.reshape(columns.shape)
    if inside <= found.size / 2:
        raise ValueError("The mask does not lie on the image; save it with the image as its reference.")
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


def _read_picture(path: Path, height: int, width: int) -> NDArray[np.bool_]:
    if path.stat().st_size > _MOST_BYTES_A_PIXEL * height * width + _PNG_HEADER:
        raise ValueError(f"The mask has {path.stat().st_size} bytes; expected one of {height} x {width} pixels.")
    try:
        content, complete = needed_png(path.read_bytes())
        if not complete:
            raise EOFError
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            size = picture.height, picture.width
            with Image.open(io.BytesIO(content), formats=("PNG",)) as again:
                again.verify()  # the checksums, which decoding leaves out
            values = np.asarray(picture) if size == (height, width) else None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError("The mask cannot be read as a PNG; save it again.") from error
    if values is None:
        raise ValueError(
            f"The mask has {size[0]} x {size[1]} pixels and the image {height} x {width}; expected the image's own "
            "pixels."
        )
    if values.ndim == 3:
        color = values[..., :3] if values.shape[2] > 2 else values[..., :1]  # without alpha
        return np.asarray(color.any(axis=2), dtype=np.bool_)
    return np.asarray(values != 0, dtype=np.bool_)
