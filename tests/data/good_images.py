"""Good images in every format."""

from __future__ import annotations

import gzip
import importlib.util
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from tests.data.golden_dicom import by_gdcm, in_rle, write_image

HEIGHT, WIDTH = 88, 72


def image(bits: int, name: str = "") -> NDArray[Any]:
    """A slope with noise, so that it does not compress away, and a bright patch; each name has its own."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    values = 0.5 * (rows + columns) / (HEIGHT + WIDTH) + 0.2 * random.random((HEIGHT, WIDTH))
    top, left = random.integers(4, (HEIGHT - 40, WIDTH - 40))
    values[top : top + 36, left : left + 36] += 0.3
    return np.rint(values * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def _picture(bits: int, **options: Any) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        Image.fromarray(image(bits, path.name)).save(path, **options)
        return path

    return write


def _dicom(syntax: str, then: Callable[[Path], Path] | None = None, bits: int = 12) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        write_image(
            path, image(bits, path.name), bits, syntax=syntax, ImageComments="Standing, in full inspiration. " * 8
        )
        return then(path) if then else path

    return write


def _deflated(path: Path) -> Path:
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(path)
    return path


def _headless(path: Path) -> Path:
    return write_image(path, image(12, path.name), 12, syntax=ImplicitVRLittleEndian, headless=True)


def _nifti(path: Path) -> Path:
    packed = path.with_name(f"of-{path.name}.nii")
    nib.save(nib.Nifti1Image(image(16, path.name).T, np.diag([-0.2, -0.2, 1.0, 1.0])), packed)
    return packed.rename(path)


def zipped_nifti(path: Path) -> Path:
    path.write_bytes(gzip.compress(_nifti(path).read_bytes(), mtime=0))
    return path


def _itk(suffix: str, compression: bool) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        named = path.with_name(f"of-{path.name}.{suffix}")  # ITK chooses the format by the suffix
        itk.imwrite(itk.image_from_array(image(16, path.name)), str(named), compression=compression)
        return named.rename(path)

    return write


def _by_gdcm(syntax: str) -> Callable[[Path], Path]:
    return lambda path: by_gdcm(path, syntax)


GOOD: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "png": ("png", _picture(8, format="PNG")),
    "png16": ("png", _picture(16, format="PNG")),
    "jpeg": ("jpg", _picture(8, format="JPEG", quality=90)),
    "jpeg_progressive": ("jpg", _picture(8, format="JPEG", quality=90, progressive=True)),
    "tiff": ("tif", _picture(16, format="TIFF")),
    "tiff_lzw": ("tif", _picture(16, format="TIFF", compression="tiff_lzw")),
    "tiff_deflate": ("tif", _picture(8, format="TIFF", compression="tiff_adobe_deflate")),
    "bmp": ("bmp", _picture(8, format="BMP")),
    "dicom": ("dcm", _dicom(ExplicitVRLittleEndian)),
    "dicom_implicit": ("dcm", _dicom(ImplicitVRLittleEndian)),
    "dicom_big_endian": ("dcm", _dicom(ExplicitVRBigEndian)),
    "dicom_deflated": ("dcm", _dicom(ExplicitVRLittleEndian, _deflated)),
    "dicom_rle": ("dcm", _dicom(ExplicitVRLittleEndian, in_rle)),
    "dicom_headless": ("", _headless),
    "nifti": ("nii", _nifti),
    "nifti_gz": ("nii.gz", zipped_nifti),
    "metaimage": ("mha", _itk("mha", False)),
    "metaimage_packed": ("mha", _itk("mha", True)),
    "nrrd": ("nrrd", _itk("nrrd", False)),
    "nrrd_packed": ("nrrd", _itk("nrrd", True)),
}
"""Suffix and writer of each format."""
if importlib.util.find_spec("gdcm"):
    GOOD |= {
        "dicom_jpeg": ("dcm", _dicom(ExplicitVRLittleEndian, _by_gdcm(JPEGBaseline8Bit), bits=8)),
        "dicom_jpeg_lossless": ("dcm", _dicom(ExplicitVRLittleEndian, _by_gdcm(JPEGLosslessSV1))),
        "dicom_jpeg_ls": ("dcm", _dicom(ExplicitVRLittleEndian, _by_gdcm(JPEGLSLossless))),
        "dicom_jpeg_2000": ("dcm", _dicom(ExplicitVRLittleEndian, _by_gdcm(JPEG2000Lossless))),
    }


def write_good_images(folder: Path) -> dict[str, Path]:
    """A whole image of every format: ``{format: path}``."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        name: write(folder / (f"good {name}.{suffix}" if suffix else f"good {name}"))
        for name, (suffix, write) in GOOD.items()
    }
