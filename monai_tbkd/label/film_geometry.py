"""Where a film's pixels lie in the space that viewers show it in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.readers.file_format import HEAD_BYTES, ITK_FORMATS, sniff_format
from monai_tbkd.data.readers.itk_header import read_header
from monai_tbkd.data.readers.patient_axes import film_plane, upright_film
from monai_tbkd.label.read_apart import read_apart

_VOLUMES = ("nifti", "metaimage", "nrrd")
_READERS = {
    "png": "PNGImageIO", "jpeg": "JPEGImageIO", "tiff": "TIFFImageIO", "bmp": "BMPImageIO", "dicom": "GDCMImageIO",
    "headless_dicom": "GDCMImageIO", "nifti": "NiftiImageIO", "metaimage": "MetaImageIO", "nrrd": "NrrdImageIO",
}  # fmt: skip
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class FilmGeometry:
    """An affine from film pixels to LPS.

    LPS is the space of ITK and of 3D Slicer's markups files: x grows to the patient's left, y to the back, z to the
    head, in mm. A picture, and a DICOM radiograph too, has no place in a patient; viewers lay such a film at the
    origin, columns along x and rows along y. This says where, so that what is drawn there can be found again.

    Attributes:
        to_lps: ``(4, 4)``, from (column, row, slice, 1) to (x, y, z, 1); whole numbers are the middles of pixels.
    """

    to_lps: Matrix

    @property
    def spacing(self) -> Matrix:
        """Mm along columns, rows and the film's normal, ``(3,)``."""
        return np.linalg.norm(self.to_lps[:3, :3], axis=0)

    @property
    def directions(self) -> Matrix:
        """Unit vectors of columns, rows and normal, as the columns of ``(3, 3)``."""
        return self.to_lps[:3, :3] / self.spacing

    def points_to_lps(self, points: Any) -> Matrix:
        """(column, row) edges in pixels, ``(n, 2)``, to LPS ``(n, 3)``; 0 is the outer edge of the first pixel."""
        at = np.asarray(points, dtype=float) - 0.5
        return (self.to_lps @ np.column_stack([at, np.zeros(len(at)), np.ones(len(at))]).T).T[:, :3]

    def points_to_film(self, points: Any) -> Matrix:
        """LPS ``(n, 3)`` to (column, row) in pixels ``(n, 2)``; the distance from the film does not count."""
        at = np.asarray(points, dtype=float)
        back = np.linalg.inv(self.to_lps) @ np.column_stack([at, np.ones(len(at))]).T
        return back.T[:, :2] + 0.5


def film_geometry(path: str | Path) -> FilmGeometry:
    """Where ITK, and with it 3D Slicer, lays a film.

    Args:
        path: a film that the reader takes.

    Returns:
        Of the pixels that boxes are given in: as stored in a picture or DICOM file, of the upright film in a NIfTI,
        MetaImage or NRRD file, whose place in the patient says which way is up.

    Raises:
        ValueError: ITK cannot read the header.
    """
    return read_apart(_film_geometry, Path(path))


def _film_geometry(path: Path) -> FilmGeometry:
    shape, to_lps = voxels_to_lps(path)
    if _kind(path) not in _VOLUMES:
        return FilmGeometry(to_lps)
    axes = film_plane(path, shape)
    return FilmGeometry(to_lps @ _film_to_voxel(shape, to_lps, axes))


def _film_to_voxel(shape: tuple[int, ...], to_lps: Matrix, axes: tuple[int, int]) -> Matrix:
    """From (column, row, slice) of the upright film to voxel indices, ``(4, 4)``.

    The reader itself is asked, with a film of 2 x 2 whose pixels hold their own places.
    """
    affine = _LPS_TO_RAS @ to_lps
    if len(shape) == 2:  # the reader takes a file of two axes for indices
        affine = np.diag([*np.linalg.norm(to_lps[:3, :3], axis=0), 1.0])
    places = np.array([[0, 1], [2, 3]], dtype=np.float32)
    upright, _, _ = upright_film(places, affine, axes)
    at = [divmod(int(upright[row, column]), 2) for row, column in ((0, 0), (0, 1), (1, 0))]
    ends = np.array([[first * (shape[axes[0]] - 1), second * (shape[axes[1]] - 1)] for first, second in at], float)
    steps = np.sign(ends[1:] - ends[0])  # along a column step, along a row step
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for position, axis in enumerate(axes):
        matrix[axis, 0], matrix[axis, 1], matrix[axis, 3] = steps[0, position], steps[1, position], ends[0, position]
    third = ({0, 1, 2} - set(axes)).pop()
    matrix[third, 2] = 1
    return matrix


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        return sniff_format(file.read(HEAD_BYTES)) or ""


def voxels_to_lps(path: Path) -> tuple[tuple[int, ...], Matrix]:
    """A file's shape and the affine ``(4, 4)`` from its voxel indices to LPS, as ITK reads them.

    ITK would choose a reader by itself, and so read a picture that holds HDF5 as HDF5; here the first bytes choose.

    Raises:
        ValueError: ITK cannot read the header.
    """
    # Here and not above: ITK takes a second to import.
    import itk

    itk.Object.GlobalWarningDisplayOff()
    kind = _kind(path)
    if kind in ITK_FORMATS:
        read_header(path, kind)
    reader = _READERS.get(kind)
    io = getattr(itk, reader).New() if reader else None
    if io is None or not io.CanReadFile(str(path)):
        raise ValueError(f"{path.name}: ITK does not read this file; expected a picture, DICOM, NIfTI or NRRD.")
    io.SetFileName(str(path))
    try:
        io.ReadImageInformation()
    except RuntimeError as error:
        raise ValueError(f"{path.name}: its header is damaged; copy the file again.") from error
    number = int(io.GetNumberOfDimensions())
    shape = tuple(int(io.GetDimensions(axis)) for axis in range(number))
    to_lps = np.eye(4)
    known = min(number, 3)
    for axis in range(known):
        direction = np.array(list(io.GetDirection(axis)), dtype=float)[:known]
        to_lps[:known, axis] = direction * io.GetSpacing(axis)
        to_lps[axis, 3] = io.GetOrigin(axis)
    return shape, to_lps
