"""Where the pixels of an image lie in the space that viewers show it in."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.readers.file_format import HEAD_BYTES, ITK_FORMATS, sniff_format
from monai_tbkd.data.readers.itk_header import read_header
from monai_tbkd.data.readers.patient_axes import image_plane, upright_image
from monai_tbkd.data.readers.reader_process import decode_apart, is_reader

_READERS = {
    "png": "PNGImageIO", "jpeg": "JPEGImageIO", "tiff": "TIFFImageIO", "bmp": "BMPImageIO", "dicom": "GDCMImageIO",
    "headless_dicom": "GDCMImageIO", "nifti": "NiftiImageIO", "metaimage": "MetaImageIO", "nrrd": "NrrdImageIO",
}  # fmt: skip

Matrix = NDArray[np.float64]
Found = TypeVar("Found")


@dataclass(frozen=True)
class ImageGeometry:
    """An affine from pixels to LPS, the space of ITK and of 3D Slicer's markups, in mm.

    A picture and a DICOM radiograph have no position in a patient; viewers lay them at the origin, columns along x and
    rows along y.

    Attributes:
        to_lps: ``(4, 4)``, from (column, row, slice, 1) to (x, y, z, 1); whole numbers are the middles of pixels.
    """

    to_lps: Matrix

    @property
    def spacing(self) -> Matrix:
        """Mm along columns, rows and the normal, ``(3,)``."""
        return np.linalg.norm(self.to_lps[:3, :3], axis=0)

    @property
    def directions(self) -> Matrix:
        """Unit vectors of columns, rows and normal, as the columns of ``(3, 3)``."""
        return self.to_lps[:3, :3] / self.spacing

    def points_to_lps(self, points: Any) -> Matrix:
        """(column, row) edges in pixels, ``(n, 2)``, to LPS ``(n, 3)``; 0 is the outer edge of the first pixel."""
        at = np.asarray(points, dtype=float) - 0.5
        return (self.to_lps @ np.column_stack([at, np.zeros(len(at)), np.ones(len(at))]).T).T[:, :3]

    def points_to_image(self, points: Any) -> Matrix:
        """LPS ``(n, 3)`` to (column, row) in pixels ``(n, 2)``; the distance from the image does not count."""
        at = np.asarray(points, dtype=float)
        return (np.linalg.inv(self.to_lps) @ np.column_stack([at, np.ones(len(at))]).T).T[:, :2] + 0.5


def image_geometry(path: str | Path) -> ImageGeometry:
    """Read where ITK, and with it 3D Slicer, lays an image; a ValueError where ITK cannot read the header.

    Returns:
        Of the pixels that boxes are given in: as stored in a picture or DICOM file, of the upright image in a NIfTI,
        MetaImage or NRRD file, whose position in the patient says which way is up.
    """
    return read_apart(_image_geometry, Path(path))


def _image_geometry(path: Path) -> ImageGeometry:
    shape, to_lps = voxels_to_lps(path)
    if _kind(path) in ("nifti", "metaimage", "nrrd"):
        to_lps = to_lps @ _image_to_voxel(shape, to_lps, image_plane(shape))
    return ImageGeometry(to_lps)


def _image_to_voxel(shape: tuple[int, ...], to_lps: Matrix, axes: tuple[int, int]) -> Matrix:
    """From (column, row, slice) of the upright image to voxel indices, ``(4, 4)``.

    The reader itself is asked, with an image of 2 x 2 whose pixels hold their own indices.
    """
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ to_lps  # RAS
    if len(shape) == 2:  # the reader takes a file of two axes for indices
        affine = np.diag([*np.linalg.norm(to_lps[:3, :3], axis=0), 1.0])
    upright, _, _ = upright_image(np.array([[0, 1], [2, 3]], dtype=np.float32), affine, axes)
    at = np.array([divmod(int(upright[row, column]), 2) for row, column in ((0, 0), (0, 1), (1, 0))])
    ends = at * (np.take(shape, axes) - 1.0)
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    matrix[list(axes), :2] = np.sign(ends[1:] - ends[0]).T  # along a column step, along a row step
    matrix[list(axes), 3] = ends[0]
    matrix[({0, 1, 2} - set(axes)).pop(), 2] = 1
    return matrix


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        return sniff_format(file.read(HEAD_BYTES)) or ""


def voxels_to_lps(path: Path) -> tuple[tuple[int, ...], Matrix]:
    """Read a file's shape and the affine ``(4, 4)`` from its voxel indices to LPS; a ValueError where ITK cannot."""
    import itk  # takes a second

    itk.Object.GlobalWarningDisplayOff()
    kind = _kind(path)
    if kind in ITK_FORMATS:
        read_header(path, kind)
    # ITK would choose a reader by itself, and so read a picture that holds HDF5 as HDF5
    io = getattr(itk, _READERS[kind]).New() if kind in _READERS else None
    if io is None or not io.CanReadFile(str(path)):
        raise ValueError(f"{path.name}: ITK does not read this file; expected a picture, DICOM, NIfTI or NRRD.")
    io.SetFileName(str(path))
    try:
        io.ReadImageInformation()
    except RuntimeError as error:
        raise ValueError(f"{path.name}: its header is damaged; copy the file again.") from error
    number = int(io.GetNumberOfDimensions())
    to_lps, known = np.eye(4), min(number, 3)
    for axis in range(known):
        to_lps[:known, axis] = np.array(list(io.GetDirection(axis)))[:known] * io.GetSpacing(axis)
        to_lps[axis, 3] = io.GetOrigin(axis)
    return tuple(int(io.GetDimensions(axis)) for axis in range(number)), to_lps


def read_apart(read: Callable[..., Found], path: Path, *args: Any) -> Found:
    """Call ``read(path, *args)``, a function of a module, in one of two processes with a limit on time and memory.

    Raises:
        ImageError: READER_DIED where the process ended or was ended at a limit, TOO_LARGE where it took too much
            memory; and what `read` raises.
    """
    return read(path, *args) if is_reader() else _threads.submit(decode_apart, read, 0, path, *args).result()


def _start() -> None:
    global _threads
    # A reader process ends with the thread that has started it; two, however many threads of a server ask.
    _threads = ThreadPoolExecutor(2, "reader")


_threads: ThreadPoolExecutor
_start()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start)
