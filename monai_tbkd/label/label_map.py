"""Masks as files that viewers lay on an image, and back.

A header consists of known fields in a known form, and what it promises is checked before anything is unpacked. Pixels
are read without ITK, which does not look at the checksums of what is packed.
"""

from __future__ import annotations

import io
import math
import re
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from monai_tbkd.data import ImageError
from monai_tbkd.data.readers.itk_header import HEADER_BYTES, read_header
from monai_tbkd.data.readers.picture_parts import needed_png
from monai_tbkd.label.image_geometry import ImageGeometry, image_geometry, voxels_to_lps
from monai_tbkd.label.label_content import MOST_BOXES

MASK_SUFFIXES = (".png", ".nrrd", ".nii.gz", ".nii")
"""A picture of the image's pixels, or a volume of one slice at the image's position."""
_MOST_VOXELS_A_PIXEL = 4
_MOST_BYTES_A_PIXEL = 8
_PNG_HEADER = 2**20
_PIXELS_AT_ONCE = 2**20
_NRRD_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_NRRD_SPACES = (
    "right-anterior-superior", "ras", "left-anterior-superior", "las", "left-posterior-superior", "lps",
)  # fmt: skip


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
    """Read a mask in the stored pixels of its image, of ``(height, width)``: True where it is not 0.

    Raises:
        ValueError: not a mask of this image.
    """
    height, width = stored_size
    if path.name.lower().endswith(".png"):
        return _read_picture(path, height, width)
    voxels, to_lps = read_volume(path, _MOST_VOXELS_A_PIXEL * height * width, _MOST_BYTES_A_PIXEL * height * width)
    to_voxel = np.linalg.inv(to_lps) @ image_geometry(image).to_lps
    voxels, inside = (voxels != 0).astype(np.uint8), 0
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
    """Return the box around each connected part, ``[xmin, ymin, xmax, ymax]``.

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
        values = np.max(values[..., :3] if values.shape[2] > 2 else values[..., :1], axis=2)  # without alpha
    return np.asarray(values != 0, dtype=np.bool_)


def read_volume(path: Path, most_voxels: int, most_bytes: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Read a mask of one slice, ``.nrrd``, ``.nii`` or ``.nii.gz``; suffix and first bytes have to agree.

    Returns:
        Voxels ``(i, j, k)`` and the ``(4, 4)`` from (i, j, k, 1) to (x, y, z, 1) in LPS, in mm.

    Raises:
        ValueError: another kind of file, a header that is damaged or holds what is not needed, too many axes or voxels,
            or fewer bytes than the header promises.
    """
    most, name = most_bytes + HEADER_BYTES, path.name.lower()
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"The mask has more than {most} bytes; expected one slice of the image's size.")
    if name.endswith(".nrrd"):
        voxels, to_lps = _nrrd(path, content, most_voxels, most_bytes)
    else:
        voxels, to_lps = _nifti(_inflated(content, most) if name.endswith(".gz") else content, most_voxels)
    if not np.isfinite(voxels).all():
        raise ValueError("The mask has voxels that are no numbers; save it with whole numbers, 0 where nothing is.")
    if not np.isfinite(to_lps).all() or abs(np.linalg.det(to_lps)) < 1e-12:
        raise ValueError("The mask's header has an impossible position; save it again.")
    return voxels, to_lps


def _nrrd(path: Path, content: bytes, most_voxels: int, most_bytes: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
    if not re.match(rb"NRRD000[1-5]\r?\n", content):
        raise ValueError("The mask is not NRRD, as its suffix says; save it again.")
    try:
        fields, start = read_header(path, "nrrd")
    except ImageError as error:
        raise ValueError(f"The mask cannot be read: {error.detail}.") from error
    if any(kind not in ("domain", "space", "???", "none") for kind in fields.get("kinds", "").lower().split()):
        raise ValueError(f"The mask has axes of the kinds {fields['kinds']!r}; expected one value a pixel.")
    if fields.get("space", "lps").lower() not in _NRRD_SPACES:
        raise ValueError(f"The mask's space is {fields['space'][:40]!r}; expected one of {', '.join(_NRRD_SPACES)}.")
    shape = _one_slice([int(size) for size in fields["sizes"].split()], most_voxels)
    kind = next((kind for kind, names in _NRRD_TYPES.items() if fields["type"].lower() in names), None)
    if kind is None:
        raise ValueError(f"The mask's type is {fields['type']!r}; expected whole or decimal numbers.")
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower(), "" if kind[1] == "1" else None)
    if order is None:
        raise ValueError(f"The mask's endian is {fields.get('endian')!r}; expected little or big.")
    dtype = np.dtype(order + kind)
    size = math.prod(shape) * dtype.itemsize
    if size > most_bytes:
        raise ValueError(f"The mask has {shape} voxels of {kind[1]} bytes; expected at most {most_bytes} bytes.")
    encoding, packed = fields["encoding"].lower(), content[start:]
    if encoding not in ("raw", "gz", "gzip"):
        raise ValueError(f"The mask's encoding is {encoding}; expected raw or gzip, as 3D Slicer and ITK write.")
    pixels = packed if encoding == "raw" else _inflated(packed, most_bytes)
    if len(pixels) < size:
        raise ValueError(f"The mask has {len(pixels)} bytes of pixels; expected {size}, so save it again.")
    vectors = fields.get("space directions", "") + fields.get("space origin", "")
    if re.search("nan|none", vectors, re.IGNORECASE):  # for which ITK puts 1 and 0
        raise ValueError("The mask's header has an impossible position; save it again.")
    try:
        _, to_lps = voxels_to_lps(path)
    except ValueError as error:
        raise ValueError("The mask's header has an impossible position, or is damaged; save it again.") from error
    return np.frombuffer(pixels[:size], dtype).reshape(shape, order="F"), to_lps


def _inflated(packed: bytes, most: int) -> bytes:
    """Unpack at most so many bytes of gzip, to the end, where the checksum is."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = stream.decompress(packed, most + 1)
    except zlib.error as error:
        raise ValueError("The mask's pixels are damaged, or not packed as it says; save it again.") from error
    if len(plain) > most or not stream.eof:
        raise ValueError(f"The mask is cut short, or unpacks to more than {most} bytes; save it again.")
    return plain


def _nifti(content: bytes, most_voxels: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
    if content[344:348] != b"n+1\0" and content[4:8] != b"n+2\0":
        raise ValueError("The mask is not NIfTI in one file, as its suffix says; save it again.")
    cls = nib.Nifti2Image if content[4:8] == b"n+2\0" else nib.Nifti1Image
    try:
        image = cls.from_bytes(content)
        shape, dtype, to_ras = image.shape, image.get_data_dtype(), image.header.get_best_affine()
    except Exception as error:  # of nibabel's many
        raise ValueError("The mask's header is damaged; save it again.") from error
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    one_slice = _one_slice([int(length) for length in shape], most_voxels)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ValueError(f"The mask has voxels of the type {dtype}; expected whole or decimal numbers.")
    try:
        values = np.asanyarray(image.dataobj).reshape(one_slice, order="F")
    except Exception as error:
        raise ValueError(f"The mask has {len(content)} bytes, fewer than its header says; save it again.") from error
    return values, to_ras * np.array([[-1.0], [-1.0], [1.0], [1.0]])


def _one_slice(shape: list[int], most_voxels: int) -> tuple[int, int, int]:
    whole = (*shape, 1)[:3]
    if not 2 <= len(shape) <= 3 or not 0 < math.prod(shape) <= most_voxels or min(whole) != 1:
        raise ValueError(f"The mask has {tuple(shape)} voxels; expected one slice of at most {most_voxels} voxels.")
    return whole[0], whole[1], whole[2]
