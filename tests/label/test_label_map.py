"""NRRD and NIfTI masks: what viewers write is read as ITK reads it, everything else is refused."""

from __future__ import annotations

import contextlib
import gzip
import time
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
import pytest

from monai_tbkd.label.image_geometry import voxels_to_lps
from monai_tbkd.label.label_map import read_volume

VOXELS = (np.arange(35).reshape(5, 7, 1) % 3 == 0).astype(np.uint8)
RAW = VOXELS.tobytes(order="F")
FIELDS = {"type": "uint8", "dimension": "3", "sizes": "5 7 1", "encoding": "raw"}
POSITION = {"space directions": "(0.3,0.1,0) (-0.1,0.3,0) (0,0,2)", "space origin": "(1,-2,3.5)"}


def nrrd(path: Path, pixels: bytes = RAW, end: str = "\n", **fields: str | None) -> Path:
    """A file with these fields, underscores for spaces; None leaves a field out."""
    said = {**FIELDS, **{key.replace("_", " "): value for key, value in fields.items()}}
    lines = [f"{key}: {value}" for key, value in said.items() if value is not None]
    path.write_bytes(end.join(["NRRD0004", *lines, "", ""]).encode() + pixels)
    return path


def read(path: Path) -> tuple[Any, Any]:
    """Voxels, and the matrix from their indices to LPS."""
    return read_volume(path, 400, 1000)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dimension": "2", "sizes": "5 7", "spacings": "0.3 0.4"},
        {"spacings": "0.3 0.4 nan"},
        {"space": "left-posterior-superior", **POSITION},
        {"space": "right-anterior-superior", **POSITION},
        {"space": "left-anterior-superior", **POSITION},
        {"space": "RAS", **POSITION},
        {"space dimension": "3", **POSITION},
        {
            "space": "LPS",
            "kinds": "domain domain domain",
            "space units": '"mm" "mm" "mm"',
            "content": "a mask",
            **POSITION,
        },
    ],
)
def test_a_mask_lies_where_itk_lays_it(fields: dict[str, str], tmp_path: Path) -> None:
    path = nrrd(tmp_path / "m.nrrd", **fields)
    voxels, to_lps = read(path)
    volume = itk.imread(str(path), itk.UC)
    assert voxels.shape == (*volume.shape[::-1], 1)[:3]
    np.testing.assert_array_equal(voxels.ravel(order="F"), np.asarray(volume).ravel())
    number = volume.GetImageDimension()
    for index in ((0, 0, 0), (4, 0, 0), (0, 6, 0), (3, 2, 0)):
        position = list(volume.TransformIndexToPhysicalPoint(index[:number]))
        np.testing.assert_allclose((to_lps @ [*index, 1])[:number], position, atol=1e-6)


@pytest.mark.parametrize("form", [1, 2])
@pytest.mark.parametrize("codes", [(0, 1), (1, 0), (1, 1), (2, 1)])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti(suffix: str, codes: tuple[int, int], form: int, tmp_path: Path) -> None:
    turned = np.linalg.qr(np.array([[3, 1, 0], [-1, 4, 0], [0, 1, 2.0]]))[0]
    turned *= np.sign(np.linalg.det(turned))
    affine = nib.affines.from_matvec(turned @ np.diag([0.3, 0.4, 2]), [5, 6, 7])
    image = (nib.Nifti1Image if form == 1 else nib.Nifti2Image)(VOXELS, affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    path = tmp_path / f"m{suffix}"
    nib.save(image, path)
    voxels, to_lps = read(path)
    np.testing.assert_array_equal(voxels, VOXELS)
    np.testing.assert_allclose(to_lps, np.diag([-1, -1, 1, 1]) @ affine, atol=1e-5)
    if form == 1:
        np.testing.assert_allclose(to_lps, voxels_to_lps(path)[1], atol=1e-5)


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [("gzip", gzip.compress(RAW, mtime=0)), ("gz", gzip.compress(RAW, mtime=0)), ("raw", RAW + b"more")],
)
def test_encodings(encoding: str, pixels: bytes, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(nrrd(tmp_path / "m.nrrd", pixels, encoding=encoding))[0], VOXELS)


def test_numbers_of_two_bytes(tmp_path: Path) -> None:
    for endian, order in (("little", "<"), ("big", ">")):
        pixels = VOXELS.astype(f"{order}i2").tobytes(order="F")
        voxels, _ = read(nrrd(tmp_path / "m.nrrd", pixels, type="short", endian=endian))
        np.testing.assert_array_equal(voxels, VOXELS)
    with pytest.raises(ValueError, match="endian"):
        read(nrrd(tmp_path / "m.nrrd", pixels, type="short"))


def test_lines_of_slicer(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "m.nrrd", end="\r\n")
    np.testing.assert_array_equal(read(path)[0], VOXELS)
    head, pixels = nrrd(tmp_path / "m.nrrd").read_bytes().split(b"\n\n", 1)
    path.write_bytes(head + b"\n# a comment\nSegment0_ID:=data file: x\n\n" + pixels)
    np.testing.assert_array_equal(read(path)[0], VOXELS)


@pytest.mark.parametrize(
    "fields",
    [
        {"data file": "/etc/passwd"},
        {"datafile": "LIST"},
        {"DATA FILE": "x"},
        {"Data File": "x"},
        {"dimension": "16", "sizes": "5 7" + " 1" * 14},
        {"dimension": "4", "sizes": "5 7 1 1"},
        {"dimension": "3", "sizes": "5 7"},
        {"dimension": None},
        {"sizes": "99999 99999 1"},
        {"sizes": "5 7 2"},
        {"sizes": "0 7 1"},
        {"sizes": "-5 7 1"},
        {"sizes": "5 7 1e9"},
        {"type": "block"},
        {"type": "double", "endian": "little"},  # fewer bytes than that
        *({"encoding": encoding} for encoding in ("zrl", "ascii", "hex", "bzip2")),
        {"byte skip": "-1"},
        {"line skip": "1"},
        {"kinds": "RGB-color domain domain", "sizes": "3 5 7"},
        {"space directions": "(0,0,0) (0,0,0) (0,0,0)"},
        {"space directions": "(nan,0,0) (0,1,0) (0,0,1)"},
        {"space directions": "(1,0,0) (0,1,0)"},
        {"space directions": "(nan,nan,nan) (0,1,0) (0,0,1)", "space": "left-posterior-superior"},
        {"space directions": "(1,0,0) (0,1,0) none", "space": "left-posterior-superior"},
        {"space origin": "none", "space directions": "(1,0,0) (0,1,0) (0,0,1)", "space": "left-posterior-superior"},
        {"space origin": "(1,2,3) (4,5,6)", "space directions": "(1,0,0) (0,1,0) (0,0,1)"},
        {"spacings": "1 1 0"},
        {"spacings": "1e999 1 1"},
        {"made up": "1"},
        {"Type": "uint8"},  # twice
        {"content": "a\rdata file: x"},
        {"space": "right-posterior-superior", **POSITION},
        {"space": "scanner-xyz", **POSITION},
    ],
)
def test_a_header_is_known_fields_in_a_known_form(fields: dict[str, str | None], tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(RAW)
    with pytest.raises(ValueError, match="mask"):
        read(nrrd(tmp_path / "m.nrrd", **fields))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"NRRD0004",
        b"NRRD0004\n",
        b"NRRD0004\rtype: uint8\rdimension: 2\rsizes: 5 7\rencoding: raw\rdata file: x\r\r",
        b"NRRD0004\n# " + b"y" * 70_000 + b"\ntype: uint8\ndimension: 2\nsizes: 5 7\nencoding: raw\n\n",
        b"NRRD0004\n# c\rdata file: x\ntype: uint8\ndimension: 2\nsizes: 5 7\nencoding: raw\n\n",
        b"\x89HDF\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n",
        b"ObjectType = Image\nNDims = 2\nElementDataFile = x\n",
    ],
)
@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz"])
def test_content_and_suffix_agree(head: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(head + RAW)
    with pytest.raises(ValueError, match="mask"):
        read(path)


def test_a_header_of_nifti_that_is_damaged(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(VOXELS, np.eye(4)), tmp_path / "m.nii")
    good = (tmp_path / "m.nii").read_bytes()
    for position in range(0, 352, 3):
        for value in (127, 255)[position % 2 :]:
            (tmp_path / "m.nii").write_bytes(good[:position] + bytes([value]) + good[position + 1 :])
            try:
                assert read(tmp_path / "m.nii")[0].size <= 400
            except ValueError as error:
                assert "mask" in str(error)


@pytest.mark.parametrize("form", ["gzip", "nii.gz"])
def test_damage_in_packed_pixels_is_seen(form: str, tmp_path: Path) -> None:
    """A stream that is read to the last pixel only never comes to its checksum."""
    path = tmp_path / "m.nii.gz"
    if form == "nii.gz":
        nib.save(nib.Nifti1Image(VOXELS, np.eye(4)), path)
        good, start = path.read_bytes(), 10
    else:
        path = tmp_path / "m.nrrd"
        packed = gzip.compress(RAW, mtime=0)
        good = nrrd(path, packed, encoding=form).read_bytes()
        start = len(good) - len(packed) + 10
    for position in range(start, len(good)):
        path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with contextlib.suppress(ValueError):
            np.testing.assert_array_equal(read(path)[0], VOXELS)
    path.write_bytes(good[:-1])
    with pytest.raises(ValueError, match="cut short"):
        read(path)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_voxels_that_are_no_numbers(value: str, tmp_path: Path) -> None:
    voxels = np.where(VOXELS, 1, float(value)).astype("<f4")  # background that is no number was a finding
    with pytest.raises(ValueError, match="no numbers"):
        read(nrrd(tmp_path / "m.nrrd", voxels.tobytes(order="F"), type="float", endian="little"))
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "m.nii")
    with pytest.raises(ValueError, match="no numbers"):
        read(tmp_path / "m.nii")


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_what_unpacks_to_more_is_not_unpacked(suffix: str, tmp_path: Path) -> None:
    bomb, path = gzip.compress(bytes(2**26), 1, mtime=0), tmp_path / f"m{suffix}"
    if suffix == ".nrrd":
        nrrd(path, bomb, encoding="gzip", sizes="8192 8192 1")
    else:
        path.write_bytes(bomb)
    start = time.perf_counter()
    with pytest.raises(ValueError, match="mask"):
        read(path)
    assert time.perf_counter() - start < 0.5
