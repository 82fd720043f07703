from __future__ import annotations

import gzip
from pathlib import Path

import itk
import numpy as np
import pytest

from monai_tbkd.data import ReasonCode
from monai_tbkd.data.readers import decode_image
from monai_tbkd.data.readers.itk_header import HEADER_BYTES, read_header
from tests.data.images_by_hand import refusal

PIXELS = np.arange(64 * 48, dtype=np.uint8).reshape(48, 64)
NRRD = "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 64 48\nencoding: raw\n"
METAIMAGE = "ObjectType = Image\nNDims = 2\nBinaryData = True\nDimSize = 64 48\nElementType = MET_UCHAR\n"


def nrrd(folder: Path, header: str) -> Path:
    path = folder / "image.nrrd"
    path.write_bytes(header.encode("latin-1") + b"\n" + PIXELS.tobytes())
    return path


def metaimage(folder: Path, header: str, last: str = "ElementDataFile = LOCAL\n") -> Path:
    path = folder / "image.mha"
    path.write_bytes(header.encode("latin-1") + last.encode() + PIXELS.tobytes())
    return path


@pytest.mark.parametrize(
    "more",
    [
        "",
        "# a comment\n#\n",
        "0010|0010:=kept by ITK\nmodality:=DX\n",
        "endian: little\ncontent: Thorax, p.a. (Stanzmaß 3)\n",
        "spacings: 0.139 1.4e-1\nkinds: domain domain\ncenters: cell cell\nlabels: \"x\" \"y\"\nunits: \"mm\" \"mm\"\n",
        "axis mins: 0 nan\naxis maxs: 1 NaN\nmin: 0\nmax: 255\nold min: -1\n",
        "space dimension: 2\nspace directions: (1,0) (0,1.5e0)\nspace origin: (0, -3.25)\n",
    ],
)  # fmt: skip
def test_known_nrrd_fields_are_read(tmp_path: Path, more: str) -> None:
    path = nrrd(tmp_path, NRRD + more)
    assert np.array_equal(decode_image(path).pixels, PIXELS)
    fields, start = read_header(path, "nrrd")
    assert fields["sizes"] == "64 48"
    assert path.read_bytes()[start:] == PIXELS.tobytes()


@pytest.mark.parametrize(
    "more",
    [
        "",
        "ITK_InputFilterName = MetaImageIO\n0008|0060 = DX\n",
        "TransformMatrix = 1 0 0 1\nOffset = 0 -3.5\nCenterOfRotation = 0 0\nElementSpacing = 0.139 0.139\n",
        "AnatomicalOrientation = ??\nBinaryDataByteOrderMSB = False\nCompressedData = False\nComment = p.a.\n",
    ],
)
def test_known_metaimage_fields_are_read(tmp_path: Path, more: str) -> None:
    assert np.array_equal(decode_image(metaimage(tmp_path, METAIMAGE + more)).pixels, PIXELS)


@pytest.mark.parametrize("suffix", ["mha", "nrrd"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_itk_writes_is_read_with_its_metadata(tmp_path: Path, suffix: str, packed: bool) -> None:
    image = itk.image_from_array(np.repeat(PIXELS[None].astype(np.int16), 1, axis=0))
    image.SetSpacing([0.139, 0.139, 1.0])
    image.SetOrigin([-12.5, 1e-7, 300.0])
    image["0008|0060"], image["ITK_note"] = "DX", "kept"
    itk.imwrite(image, str(tmp_path / f"image.{suffix}"), compression=packed)
    assert sorted(decode_image(tmp_path / f"image.{suffix}").pixels.shape) == [48, 64]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (NRRD + "data file: outside.raw\n", ReasonCode.NOT_AN_IMAGE),
        (NRRD + "datafile: outside.raw\n", ReasonCode.NOT_AN_IMAGE),
        (NRRD + "DATA FILE: LIST\noutside.raw\n", ReasonCode.CORRUPT),
        (NRRD + "Data File : outside.raw\n", ReasonCode.NOT_AN_IMAGE),
        (NRRD.replace("\n", "\r") + "data file: outside.raw\r\r", ReasonCode.CORRUPT),
        (NRRD + "content: a\rdata file: outside.raw\n", ReasonCode.CORRUPT),
        (NRRD + "content: a\x0bdata file: outside.raw\n", ReasonCode.CORRUPT),
        (NRRD + "content: a\x00b\n", ReasonCode.CORRUPT),
        ("NRRD0004\n" + "# y\n" * (HEADER_BYTES // 4) + NRRD[9:] + "data file: outside.raw\n", ReasonCode.CORRUPT),
        (NRRD + "pixels: outside.raw\n", ReasonCode.NOT_AN_IMAGE),
        (NRRD + "byte skip: -1\n", ReasonCode.CORRUPT),
        (NRRD + "sizes: 48 64\n", ReasonCode.CORRUPT),
        (NRRD.replace("raw", "zrl"), ReasonCode.CORRUPT),
        (NRRD.replace("2", "3"), ReasonCode.CORRUPT),
        (NRRD.replace("dimension: 2", "dimension: 16").replace("64 48", "64 48" + 14 * " 1"), ReasonCode.MULTI_FRAME),
        (NRRD.replace("64 48", "64 x"), ReasonCode.CORRUPT),
        # beyond a buffer of ITK's
        (NRRD + f"spacings:{' 1' * 1000}\n", ReasonCode.CORRUPT),
        (NRRD + f"space dimension: 2\nspace origin: ({'9' * 1000},0)\n", ReasonCode.CORRUPT),
        (NRRD + f"kinds: {'x' * 2000}\n", ReasonCode.CORRUPT),
    ],
)
def test_other_nrrd_headers_are_refused(tmp_path: Path, header: str, expected: ReasonCode) -> None:
    (tmp_path / "outside.raw").write_bytes(PIXELS.tobytes())
    assert refusal(nrrd(tmp_path, header)) is expected


@pytest.mark.parametrize(
    ("header", "last", "expected"),
    [
        (METAIMAGE, "ElementDataFile = outside.raw\n", ReasonCode.NOT_AN_IMAGE),
        (METAIMAGE, "elementdatafile = LIST\noutside.raw\n", ReasonCode.NOT_AN_IMAGE),
        (METAIMAGE + "ElementDataFile = LOCAL\rElementDataFile = outside.raw\n", "", ReasonCode.CORRUPT),
        (METAIMAGE + "Comment = a\rElementDataFile = outside.raw\n", "ElementDataFile = LOCAL\n", ReasonCode.CORRUPT),
        (METAIMAGE + "ElementDataFile : outside.raw\n", "ElementDataFile = LOCAL\n", ReasonCode.CORRUPT),
        (METAIMAGE + "Tube = 1\n", "ElementDataFile = LOCAL\n", ReasonCode.NOT_AN_IMAGE),
        (METAIMAGE.replace("64 48", "64 48 1"), "ElementDataFile = LOCAL\n", ReasonCode.CORRUPT),
        (METAIMAGE + "HeaderSize = -1\n", "ElementDataFile = LOCAL\n", ReasonCode.CORRUPT),
        (METAIMAGE + "HeaderSize = 12\n", "ElementDataFile = LOCAL\n", ReasonCode.CORRUPT),
        (METAIMAGE.replace("ObjectType = Image", "ObjectType = Tube"), "ElementDataFile = LOCAL\n", ReasonCode.CORRUPT),
    ],
)
def test_other_metaimage_headers_are_refused(tmp_path: Path, header: str, last: str, expected: ReasonCode) -> None:
    (tmp_path / "outside.raw").write_bytes(PIXELS.tobytes())
    assert refusal(metaimage(tmp_path, header, last)) is expected


def test_content_of_another_format_is_not_read_by_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "image.nrrd").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(4096))
    assert refusal(tmp_path / "image.nrrd") is ReasonCode.NOT_AN_IMAGE
    (tmp_path / "image.nrrd").write_bytes(gzip.compress(b"\x89HDF\r\n\x1a\n" + bytes(4096)))
    assert refusal(tmp_path / "image.nrrd") is ReasonCode.NOT_AN_IMAGE
