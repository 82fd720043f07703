"""Masks in NRRD and NIfTI files, read without ITK, which may end the process or open other files that a header names.

A header consists of known fields in a known form; what it promises is checked before anything is unpacked.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data import ImageError
from monai_tbkd.data.readers.itk_header import HEADER_BYTES, read_header

_MAGIC = re.compile(rb"NRRD000[1-5]\r?\n")
_TYPES = {
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
_TYPE_OF = {name: kind for kind, names in _TYPES.items() for name in names}
_TO_LPS = {
    "right-anterior-superior": (-1.0, -1.0, 1.0), "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0), "las": (1.0, -1.0, 1.0),
    "left-posterior-superior": (1.0, 1.0, 1.0), "lps": (1.0, 1.0, 1.0),
}  # fmt: skip


class MaskVolume(NamedTuple):
    """A mask of one slice: voxels ``(i, j, k)`` and the ``(4, 4)`` from (i, j, k, 1) to (x, y, z, 1) in mm."""

    voxels: NDArray[Any]
    to_lps: NDArray[np.float64]


def read_volume(path: Path, most_voxels: int, most_bytes: int) -> MaskVolume:
    """Read a mask of one slice; the suffix and the first bytes have to agree on what it is.

    Args:
        path: ``.nrrd``, ``.nii`` or ``.nii.gz``.
        most_voxels: that it may have.
        most_bytes: that these may have, unpacked.

    Raises:
        ValueError: another kind of file, a header that is damaged or holds what is not needed, too many axes or voxels,
            or fewer bytes than the header promises.
    """
    most = most_bytes + HEADER_BYTES
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"The mask has more than {most} bytes; expected one slice of the image's size.")
    name = path.name.lower()
    if name.endswith(".nrrd"):
        voxels, to_lps = _nrrd(path, content, most_voxels, most_bytes)
    else:
        voxels, to_lps = _nifti(_inflated(content, most) if name.endswith(".gz") else content, most_voxels)
    if not np.isfinite(voxels).all():
        raise ValueError("The mask has voxels that are no numbers; save it with whole numbers, 0 where nothing is.")
    if not np.isfinite(to_lps).all() or abs(np.linalg.det(to_lps)) < 1e-12:
        raise ValueError("The mask's header says no place that can be; save it again.")
    return MaskVolume(voxels, to_lps)


def _nrrd(path: Path, content: bytes, most_voxels: int, most_bytes: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
    if _MAGIC.match(content) is None:
        raise ValueError("The mask is not NRRD, as its suffix says; save it again.")
    try:
        fields, start = read_header(path, "nrrd")
    except ImageError as error:
        raise ValueError(f"The mask cannot be read: {error.detail}.") from error
    if any(kind not in ("domain", "space", "???", "none") for kind in fields.get("kinds", "").lower().split()):
        raise ValueError(f"The mask has axes of the kinds {fields['kinds']!r}; expected one value a pixel.")
    shape = _one_slice([int(size) for size in fields["sizes"].split()], most_voxels)
    kind = _TYPE_OF.get(fields["type"].lower())
    if kind is None:
        raise ValueError(f"The mask's type is {fields['type']!r}; expected whole or decimal numbers.")
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower(), "" if kind[1] == "1" else None)
    if order is None:
        raise ValueError(f"The mask's endian is {fields.get('endian')!r}; expected little or big.")
    dtype, count = np.dtype(order + kind), math.prod(shape)
    if count * dtype.itemsize > most_bytes:
        raise ValueError(f"The mask has {shape} voxels of {kind[1]} bytes; expected at most {most_bytes} bytes.")
    encoding, packed = fields["encoding"].lower(), content[start:]
    if encoding not in ("raw", "gz", "gzip"):
        raise ValueError(f"The mask's encoding is {encoding}; expected raw or gzip, as 3D Slicer and ITK write.")
    packed = packed if encoding == "raw" else _inflated(packed, most_bytes)
    size = count * dtype.itemsize
    if len(packed) < size:
        raise ValueError(f"The mask has {len(packed)} bytes of pixels; expected {size}, so save it again.")
    values = np.frombuffer(packed[:size], dtype).reshape(shape, order="F")
    return values, _nrrd_position(fields, int(fields["dimension"]))


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


def _nrrd_position(fields: Mapping[str, str], axes: int) -> NDArray[np.float64]:
    """From voxels to LPS; the form of the fields was checked when the header was read."""
    to_lps = np.eye(4)
    if "space directions" in fields:
        vectors = _vectors(fields["space directions"])
        zero = [[0.0] * len(each) for each in vectors[:1]]
        origin = _vectors(fields["space origin"]) if "space origin" in fields else zero
        length = len(origin[0]) if len(origin) == 1 else 0
        if len(vectors) != axes or {len(each) for each in vectors} != {length} or length not in (2, 3):
            raise ValueError("The mask's space directions and origin do not fit its axes; save it again.")
        to_lps[:length, :axes] = np.transpose(vectors)
        to_lps[:length, 3] = origin[0]
        if axes == 2 and length == 3:
            to_lps[:3, 2] = np.cross(to_lps[:3, 0], to_lps[:3, 1])
        sign = _TO_LPS.get(fields.get("space", "lps").lower())
        if sign is None:
            raise ValueError(f"The mask's space is {fields['space'][:40]!r}; expected one of {', '.join(_TO_LPS)}.")
        to_lps[:3] *= np.array(sign)[:, None] if length == 3 else 1.0
    elif "spacings" in fields:
        spacings = [float(word) for word in fields["spacings"].split()]
        if len(spacings) != axes:
            raise ValueError(f"The mask's spacings are {fields['spacings'][:60]!r}; expected {axes} numbers.")
        for axis, spacing in enumerate(spacings):
            to_lps[axis, axis] = 1.0 if math.isnan(spacing) else spacing
    return to_lps


def _vectors(text: str) -> list[list[float]]:
    """Vectors such as ``(1,0,0) (0,1,0)``; ``none`` is left out."""
    return [[float(part) for part in each.split(",")] for each in re.findall(r"\(([^)]*)\)", text)]


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
