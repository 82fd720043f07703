"""Headers of volumes that were sent as images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_tbkd.label.volume_check import check_volume

META = "ObjectType = Image\nNDims = 2\nBinaryData = True\nDimSize = 5 7\nElementType = MET_UCHAR\n"
META += "ElementDataFile = LOCAL\n"
NRRD = "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 5 7\nencoding: raw\n\n"


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_what_itk_writes_is_let_through(suffix: str, axes: int, kind: type, tmp_path: Path) -> None:
    import itk

    image = itk.image_from_array(np.ones((1, 7, 5)[3 - axes :], dtype=kind))
    image.SetSpacing([0.2, 0.3, 1][:axes])
    for compression in (True, False):
        itk.imwrite(image, str(tmp_path / f"a{suffix}"), compression=compression)
        check_volume(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".mha", META.replace("LOCAL", "/etc/passwd")),
        (".mha", META.replace("LOCAL", "LIST")),
        (".mha", META.replace("NDims = 2", "NDims = 16")),
        (".mha", META.replace("DimSize = 5 7", "DimSize = 5 7 1")),
        (".mha", META.replace("\n", "\r")),
        (".mha", META.replace("BinaryData = True", "Comment = a\rElementDataFile = /etc/passwd")),
        (".mha", META.replace("BinaryData = True", "NDims = 3")),
        (".mha", META.replace("BinaryData = True", "HeaderSize = -1")),
        (".mha", META.replace("BinaryData = True", "Other = 1")),
        (".mha", META.replace("ElementDataFile = LOCAL", "")),
        (".mha", "Comment = " + "y" * 70_000 + "\n" + META),
        (".nrrd", NRRD.replace("encoding: raw", "encoding: raw\ndata file: /etc/passwd")),
        (".nrrd", NRRD.replace("dimension: 2", "dimension: 16")),
        (".nrrd", NRRD.replace("dimension: 2\nsizes: 5 7", "dimension: 16\nsizes: 5 7" + " 1" * 14)),
        (".nrrd", NRRD.replace("\n", "\r")),
        (".nrrd", NRRD.replace("encoding: raw", "encoding: raw\n# a\rdata file: /etc/passwd")),
    ],
)
def test_other_headers_are_not(suffix: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(text.encode() + bytes(35))
    with pytest.raises(ValueError, match=r"image|mask"):
        check_volume(path)


def test_others_have_readers_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"anything")
    check_volume(tmp_path / "a.png")
