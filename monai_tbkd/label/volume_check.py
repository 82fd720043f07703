"""Headers of images that were sent: known fields in a known form, before another reader sees them.

ITK, which reads MetaImage and NRRD images, opens other files that a header names, and ends the process at some headers.
"""

from __future__ import annotations

import re
from pathlib import Path

from monai_tbkd.label.mask_volume import nrrd_fields

_HEADER_BYTES = 2**16
_META = re.compile(r"([A-Za-z_]+)\s*=\s*(.*?)\s*")
_META_KEYS = {
    "ObjectType", "ObjectSubType", "NDims", "Name", "ID", "ParentID", "Color", "Comment", "BinaryData",
    "BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData", "CompressedDataSize", "TransformMatrix",
    "TransformType", "Rotation", "Orientation", "Offset", "Position", "Origin", "CenterOfRotation",
    "AnatomicalOrientation", "ElementSpacing", "ElementSize", "ElementMin", "ElementMax", "ElementNumberOfChannels",
    "ElementType", "DimSize", "HeaderSize", "Modality", "SequenceID", "ITK_InputFilterName", "ElementDataFile",
}  # fmt: skip


def check_volume(path: Path) -> None:
    """See that a MetaImage or NRRD file is one image in one file.

    Args:
        path: ``.mha`` or ``.nrrd``; other files are left to their readers.

    Raises:
        ValueError: fields that are not known, another file in the header, or more than three axes.
    """
    if path.suffix not in (".mha", ".nrrd"):
        return
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    fields = nrrd_fields(head, "image")[0] if path.suffix == ".nrrd" else _meta_fields(head)
    axes = fields.get("dimension", fields.get("NDims", ""))
    sizes = fields.get("sizes", fields.get("DimSize", "")).split()
    if axes not in ("2", "3") or len(sizes) != int(axes) or not all(re.fullmatch("[0-9]{1,6}", each) for each in sizes):
        raise ValueError(f"The image has {axes[:20]!r} axes of {' '.join(sizes)[:60]!r} pixels; expected one image.")


def _meta_fields(head: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in head.split(b"\n"):
        text = line.removesuffix(b"\r").decode("utf-8", "replace")
        field = _META.fullmatch(text)
        if field is None or field[1] not in _META_KEYS or field[1] in fields or not text.isprintable():
            raise ValueError(f"The image's header has the line {text[:60]!r}; expected known fields, once each.")
        fields[field[1]] = field[2]
        if field[1] == "ElementDataFile":
            if field[2] != "LOCAL" or fields.get("HeaderSize", "0") != "0":
                raise ValueError("The image keeps its pixels elsewhere; expected them behind the header, in one file.")
            return fields
    raise ValueError(f"The image's header has no end within {_HEADER_BYTES} bytes; save it again.")
