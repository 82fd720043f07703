"""What fuzz.py feeds: parsers of files and values from users, valid examples, and random damage to them."""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from nibabel import Nifti1Image
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_tbkd.bundle import choices, truth
from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.data import CXRReader, load_datalist
from monai_tbkd.data.lists.image_shards import parse_shard
from monai_tbkd.data.lists.kaggle_csv import load_kaggle_csv
from monai_tbkd.data.lists.manifest import load_manifest
from monai_tbkd.data.lists.saved_boxes import read_saved_boxes
from monai_tbkd.data.lists.saved_maps import read_map, read_saved_scores
from monai_tbkd.data.lists.tbx11k import read_json_annotations, read_xml_annotation
from monai_tbkd.data.lists.yolo import load_yolo
from monai_tbkd.data.readers import ImageLimits, decode_image, whole_image_size
from monai_tbkd.data.readers.dicom_rules import ImageRules
from monai_tbkd.dicom import BoxFinding, ImageFinding, SourceImage, read_box_report, structured_report
from monai_tbkd.engines import load_operating_point
from monai_tbkd.label.cvat_labels import read_cvat_xml
from monai_tbkd.label.image_label import read_label
from monai_tbkd.metrics.calibrated_threshold import load_threshold
from monai_tbkd.packaging.file_hashes import differences
from monai_tbkd.transforms import CheckFrontal, MapToBoxes, ResizeImage
from tests.data.golden_dicom import write_image

NUMBERS = [0, 1, -1, 2, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), 2**63, 10**400, 0.5, -0.0, 1e-320, 1e308]
NOT_NUMBERS = [float("nan"), float("inf"), float("-inf")]
WORDS = [
    "", " ", "\0", "tb", "health", "TB", "none", "null", "nan", "inf", "1e999", "-1", "0", "0x10", "1_000", "\u0663", "true",  # noqa: E501
    "../../etc/passwd", "/etc/passwd", "/dev/zero", "..", ".", "~", "~root/x", "a" * 300, "a" * 70000, "\U0001f480", "\ud800",  # noqa: E501
    "\u202e", "%s%n", "$@x", "$import os", "=cmd", "a\nb", "a\r\nb", '"', "'", ",", ";", "9" * 5000, "[[0,0,1,1]]", "{}",  # noqa: E501
]  # fmt: skip
ODD: list[Any] = [
    *NUMBERS,
    *NOT_NUMBERS,
    *WORDS,
    None,
    True,
    False,
    [],
    {},
    [[]],
    [None],
    [0, 0],
    {"a": 1},
    (1, 2),
    b"x",
]
TOKENS = [
    b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>", b"<!ENTITY a '&b;&b;&b;&b;&b;&b;&b;&b;'>", b"&a;", b"&#x10FFFF;",  # noqa: E501
    b"&#0;", b"<![CDATA[", b"]]>", b"<?xml version='1.0' encoding='utf-16'?>", b"<?xml version='1.0' encoding='utf-7'?>",  # noqa: E501
    b"<a>" * 3000, b"<object/>", b"<xmin>nan</xmin>", b"[" * 5000, b"{\"a\":" * 3000, b"NaN", b"Infinity", b"1e999", b"\0",  # noqa: E501
    b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b'"', b"'", b",", b":", b"-", b"null", b"9" * 6000, b"\\ud800",  # noqa: E501
    b"&x;" * 50, b"!!python/object/apply:os.system ['true']", b"*a", b"&a [*a]", b"? ", b"../", b"/dev/zero", b"\x80\x04.",  # noqa: E501
]  # fmt: skip
_EDGE_BYTES = [
    b"\0",
    b"\1",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
]

Mutation = Callable[[random.Random, bytes], bytes]


def mutate_bytes(rng: random.Random, data: bytes, tokens: Sequence[bytes] = _EDGE_BYTES) -> bytes:
    """One to six changes: bits, bytes, edge values, cuts, repeats, swaps, what another format holds."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at, kind = rng.randrange(len(out) + 1), rng.randrange(9)
        span = rng.choice((1, 2, 4, 8, 16, 64, 256))
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = rng.randrange(256)
        elif kind == 2:
            token = rng.choice(tokens)
            out[at : at + len(token)] = token
        elif kind == 3:
            out[at:at] = rng.choice(tokens)
        elif kind == 4:
            del out[at : at + span]
        elif kind == 5:
            out[at:at] = out[at : at + span] * rng.choice((1, 1, 2, 20))
        elif kind == 6:
            other = rng.randrange(len(out) + 1)
            out[at : at + span] = out[other : other + span]
        elif kind == 7 and rng.random() < 0.5:
            del out[at:]
        elif kind == 8 and at < len(out):
            out[at : at + span] = rng.randbytes(span)
    return bytes(out)


def mutate_text(rng: random.Random, data: bytes) -> bytes:
    """As bytes, with pieces of XML, JSON, YAML and CSV that parsers have stumbled over."""
    return mutate_bytes(rng, data, TOKENS)


def mutate_json(rng: random.Random, data: bytes) -> bytes:
    """Half of the time the values of valid JSON, the other half its text."""
    if rng.random() < 0.5:
        return mutate_text(rng, data)
    content = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = _replace(rng, content)
    text = json.dumps(content, default=str)
    return text.encode("utf-8", "surrogatepass")


def _replace(rng: random.Random, node: Any) -> Any:
    if not isinstance(node, (dict, list)) or not node or rng.random() < 0.15:
        return rng.choice(ODD)
    if isinstance(node, list):
        at = rng.randrange(len(node))
        return node[:at] + rng.choice(([], [_replace(rng, node[at])], [node[at], node[at]])) + node[at + 1 :]
    key = rng.choice(list(node))
    out = dict(node)
    value = out.pop(key)
    kind = rng.randrange(5)
    if kind == 0:
        return out
    if kind == 1:
        return {**out, str(rng.choice(WORDS)): value}
    return {**out, key: _replace(rng, value)}


def mutate_table(rng: random.Random, data: bytes) -> bytes:
    """Half of the time the cells of a table, the other half its text."""
    if rng.random() < 0.5:
        return mutate_text(rng, data)
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    cells = lines[at].split(b",")
    cell = rng.randrange(len(cells))
    cells[cell : cell + rng.randrange(2)] = [str(rng.choice(ODD)).encode("utf-8", "surrogatepass")]
    lines[at] = b",".join(cells)
    return b"\n".join(lines)


def mutate_png(rng: random.Random, data: bytes) -> bytes:
    """Half of the time chunks with right checksums, or hardly anything would come past them."""
    if rng.random() < 0.5:
        return mutate_bytes(rng, data)
    chunks, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    i = rng.randrange(len(chunks))
    kind, body = chunks[i]
    if kind == b"IDAT" and rng.random() < 0.7:  # what is packed, and not the packing
        body = zlib.compress(mutate_bytes(rng, zlib.decompress(body)))
    elif rng.random() < 0.2:
        kind = rng.choice(
            (b"IEND", b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"zTXt", b"acTL", b"fcTL", b"fdAT", b"eXIf", b"XXXX")
        )
    elif rng.random() < 0.2:
        chunks.insert(i, chunks[rng.randrange(len(chunks))])
    else:
        body = mutate_bytes(rng, body)
    chunks[i] = (kind, body)
    out = data[:8]
    for kind, body in chunks:
        out += len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
    return out


# ------------------------------------------------------------ the parsers and valid examples
SIDE = 20
SIZES = {"tb/a.png": (SIDE, SIDE), "tb/b.png": (SIDE, SIDE)}
Case = Callable[[], object]
RULES, LIMITS = ImageRules(0, True, True, True), ImageLimits(min_side=1)


@dataclass(frozen=True)
class Target:
    """A parser.

    Args:
        group: what it counts for in the report.
        make: from a folder to work in and a generator, the next case; running the case may only raise errors of ours.
    """

    group: str
    make: Callable[[Path], Callable[[random.Random], Case]]


def of_file(suffix: str, seeds: Callable[[], list[bytes]], mutate: Mutation, parse: Callable[[Path], object]) -> Any:
    """A target that damages a file and has it read."""

    def make(folder: Path) -> Callable[[random.Random], Case]:
        valid, path = seeds(), folder / f"case{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)

        def draw(rng: random.Random) -> Case:
            path.write_bytes(mutate(rng, rng.choice(valid)))
            return lambda: parse(path)

        return draw

    return make


def read_image(path: Path) -> object:
    whole_image_size(path)
    return decode_image(path, limits=LIMITS, rules=RULES)


def gray(kind: Any = np.uint8) -> np.ndarray:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return (rows * 5 + columns * 3).astype(kind)


def pictures(form: str, **options: Any) -> list[bytes]:
    out = []
    modes = (np.uint8,) if form in ("JPEG", "BMP") else (np.uint8, np.uint16)
    for kind in modes:
        file = io.BytesIO()
        Image.fromarray(gray(kind)).save(file, format=form, **options)
        out.append(file.getvalue())
    return out


def dicoms() -> list[bytes]:
    """Explicit and implicit value representation, with a window, inverted, and compressed."""
    plain: dict[str, Any] = {"PixelSpacing": [0.2, 0.2], "RescaleSlope": "1", "RescaleIntercept": "0"}
    more = ({}, {"WindowCenter": "80", "WindowWidth": "100"}, {"PhotometricInterpretation": "MONOCHROME1"})
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "fuzz"
        out = [
            write_image(path, gray(np.uint16), 12, syntax=syntax, **{**plain, **extra}).read_bytes()
            for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
            for extra in more
        ]
    for syntax in (pydicom.uid.RLELossless, pydicom.uid.JPEGLSLossless):
        packed = pydicom.dcmread(io.BytesIO(out[0]))
        packed.compress(syntax, generate_instance_uid=False)
        file = io.BytesIO()
        pydicom.dcmwrite(file, packed, enforce_file_format=True)
        out.append(file.getvalue())
    return out


def reports() -> list[bytes]:
    """Of this program, and what OHIF makes of one: explicit and implicit value representation."""
    image = pydicom.dcmread(io.BytesIO(dicoms()[0]))
    found = ImageFinding(0.9, 0.5, "TB suggestive", (BoxFinding(1, 2, 9, 9, 0.8), BoxFinding(3, 3, 8, 19, 0.6)))
    report = structured_report(SourceImage.of(image), found)
    out = []
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        report.file_meta.TransferSyntaxUID = syntax
        file = io.BytesIO()
        pydicom.dcmwrite(file, report, enforce_file_format=True)
        out.append(file.getvalue())
    sent = Path(__file__).parents[1] / "tests" / "dicom" / "ohif"
    return [*out, *((sent / name).read_bytes() for name in ("sent.dcm", "non_tb.dcm", "shapes.dcm"))]


def niftis() -> list[bytes]:
    plain = [Nifti1Image(gray(kind), np.eye(4)).to_bytes() for kind in (np.uint8, np.int16, np.float32)]
    return [*plain, gzip.compress(plain[0], mtime=0)]


def itk_images() -> list[bytes]:
    body = gray().tobytes()
    nrrd = f"NRRD0004\ntype: uint8\ndimension: 2\nsizes: {SIDE} {SIDE}\nencoding: raw\n\n".encode() + body
    head = f"ObjectType = Image\nNDims = 2\nDimSize = {SIDE} {SIDE}\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    return [nrrd, head.encode() + body]


VOC = b"""<annotation><size><width>512</width><height>512</height></size><object><name>ActiveTuberculosis</name>
<bndbox><xmin>10.5</xmin><ymin>20</ymin><xmax>100</xmax><ymax>200</ymax></bndbox></object></annotation>"""
CVAT = b"""<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><image id="0" name="a.png"
width="20" height="20"><box label="tuberculosis" xtl="1" ytl="2" xbr="9.5" ybr="9"/><polygon label="ActiveTuberculosis"
points="1,1;5,1;5,7"/></image></annotations>"""
COCO = {
    "categories": [{"id": 1, "name": "ActiveTuberculosis"}],
    "images": [{"id": 1, "file_name": "tb/a.png", "height": SIDE, "width": SIDE}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 5, 6], "area": 30}],
}
RESULTS = [
    {"file_name": "tb/a.png", "bbox": [1, 2, 5, 6], "score": 0.5, "category_id": 1},
    {"image_id": 1, "bbox": [1, 2, 5, 6], "score": 0.25, "category_id": 1},
]
LABELS: list[Any] = [
    {"boxes": [{"label": "tuberculosis", "bbox": [1, 2, 9, 9]}, [1, 1, 4, 4]], "image_label": "tb"},
    {"markups": [{"type": "ROI", "coordinateSystem": "LPS", "center": [5, 5, 0], "size": [4, 4, 1], "orientation": [1, 0, 0, 0, 1, 0, 0, 0, 1]}]},  # noqa: E501
    [{"type": "rectangle", "label": "tuberculosis", "points": [1, 1, 5, 7]}],
    {"annotations": [{"annotation": {"elements": [{"label": "tuberculosis", "contours": [[[1, 1], [5, 5]]]}]}}]},
    {"image_label": "health"},
]  # fmt: skip
THRESHOLD = {
    "schema_version": 1, "threshold_0_100": 40.0, "chosen_by": "sensitivity=0.9", "model_version": "m",
    "input_kind": "picture", "calibration_set": {"name": "c", "sha256": "0", "images": 9},
}  # fmt: skip
MANIFEST = b'image,label,split,boxes,patient_id\na.png,tb,train,"[[1, 2, 9, 9]]",p1\nb.png,health,val,,p2\n'
KAGGLE = b"""fname,image_height,image_width,source,bbox,target,tb_type,image_type
a.png,20,20,train,"{'xmin': 1, 'ymin': 2, 'width': 5, 'height': 6}",tb,active_tb,tb
b.png,20,20,val,none,no_tb,none,healthy
"""
CONFIG = b"image_size: 192\nbackbone: resnet18\nthresholds: {map: 0.5}\nlist: [1, 2, '@image_size']\nrun: [$print(1)]\n"


def as_json(*contents: Any) -> Callable[[], list[bytes]]:
    return lambda: [json.dumps(each).encode() for each in contents]


def as_bytes(*contents: bytes) -> Callable[[], list[bytes]]:
    return lambda: list(contents)


def maps() -> list[bytes]:
    out = []
    for kind in (np.float32, np.uint8):
        file = io.BytesIO()
        np.save(file, gray(kind))
        out.append(file.getvalue())
    return out


def beside_images(inner: Any) -> Any:
    """The same with two images in the folder, for tables that name them."""

    def make(folder: Path) -> Callable[[random.Random], Case]:
        for path in (folder / "a.png", folder / "b.png", folder / "images" / "a.png", folder / "images" / "b.png"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pictures("PNG")[0])
        return inner(folder)

    return make


def saved_boxes(folder: Path) -> Callable[[random.Random], Case]:
    results, coco = folder / "results.json", folder / "coco.json"

    def draw(rng: random.Random) -> Case:
        one, other = json.dumps(RESULTS).encode(), json.dumps(COCO).encode()
        first = rng.random() < 0.7
        results.write_bytes(mutate_json(rng, one) if first else one)
        coco.write_bytes(other if first else mutate_json(rng, other))
        return lambda: read_saved_boxes(results, SIZES, coco, rng.choice((None, {1})))

    return draw


def operating_point(folder: Path) -> Callable[[random.Random], Case]:
    from monai_tbkd.networks.checkpoint import file_sha256

    model, point = folder / "model.pt", folder / "operating_point.json"
    model.write_bytes(b"weights")
    good = {
        "model_sha256": file_sha256(model), "map_threshold": 0.5, "score_threshold": 0.4, "mode": "absolute", "chosen_on": "x",  # noqa: E501
    }  # fmt: skip

    def draw(rng: random.Random) -> Case:
        point.write_bytes(mutate_json(rng, json.dumps(good).encode()))
        return lambda: load_operating_point(point, model)

    return draw


def yolo(folder: Path) -> Callable[[random.Random], Case]:
    for name in ("images", "labels"):
        (folder / name).mkdir()
    (folder / "images" / "a.png").write_bytes(pictures("PNG")[0])
    (folder / "val.txt").write_text("images/a.png\n")
    names = b"names: [active_tb, latent_tb]\npath: /content/set\nval: val.txt\ntrain: [images]\nbackground: sick\n"
    labels = b"0 0.5 0.5 0.2 0.3\n1 0.1 0.1 0.5 0.1 0.5 0.5\n"

    def draw(rng: random.Random) -> Case:
        first = rng.random() < 0.4
        (folder / "data.yaml").write_bytes(mutate_text(rng, names) if first else names)
        (folder / "labels" / "a.txt").write_bytes(labels if first else mutate_table(rng, labels))
        return lambda: load_yolo(folder)

    return draw


def values(folder: Path) -> Callable[[random.Random], Case]:
    """What stands behind a key of a config or an option of the command line."""
    (folder / "model.pt").write_bytes(b"weights")
    calls: list[Callable[[Any], object]] = [
        lambda v: truth(v, "flag"),
        lambda v: choices(v, ["sr"]),
        parse_shard,
        lambda v: CXRReader(voi=v),
        lambda v: CXRReader(min_age=v),
        lambda v: CXRReader(min_side=v),
        lambda v: CXRReader(max_pixels=v),
        lambda v: MapToBoxes((8, 8), threshold=v),
        lambda v: MapToBoxes((8, 8), mode=v),
        lambda v: MapToBoxes((8, 8), score_threshold=v),
        lambda v: MapToBoxes((8, 8), smallest_area=v),
        lambda v: MapToBoxes((8, 8), largest_number=v),
        lambda v: MapToBoxes((v, v)),
        lambda v: ResizeImage((v, v)),
        lambda v: CheckFrontal(v),
        lambda v: load_operating_point(folder / "none.json", folder / "model.pt", map_threshold=v),
        lambda v: load_operating_point(folder / "none.json", folder / "model.pt", score_threshold=v),
        lambda v: load_operating_point(folder / "none.json", folder / "model.pt", mode=v),
        lambda v: load_datalist(folder, layout=v),
        lambda v: load_datalist(v),
    ]

    def draw(rng: random.Random) -> Case:
        call, value = rng.choice(calls), rng.choice(ODD)
        if isinstance(value, str) and rng.random() < 0.5:
            cut = rng.randrange(len(value) + 1)
            value = value[:cut] + chr(rng.choice((rng.randrange(32, 127), rng.randrange(0x3000)))) + value[cut:]
        elif (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and rng.random() < 0.5
            and abs(value) < 1e300
        ):
            value = value * rng.choice((-1, 0.37, 3))
        return lambda: call(value)

    return draw


def a_label(folder: Path) -> Callable[[random.Random], Case]:
    image = folder / "a.png"
    image.write_bytes(pictures("PNG")[0])
    return of_file(".json", as_json(*LABELS), mutate_json, lambda path: read_label(path, image))(folder)


def hash_list(folder: Path) -> Callable[[random.Random], Case]:
    root = folder / "bundle"
    root.mkdir()
    (root / "a").write_bytes(b"")
    line = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n"
    return of_file(".txt", as_bytes(line), mutate_text, lambda path: differences(root, path))(folder)


TARGETS: dict[str, Target] = {
    "dicom": Target("reader", of_file(".dcm", dicoms, mutate_bytes, read_image)),
    "png": Target("reader", of_file(".png", lambda: pictures("PNG"), mutate_png, read_image)),
    "nifti": Target("reader", of_file(".nii", niftis, mutate_bytes, read_image)),
    "jpeg": Target("reader", of_file(".jpg", lambda: pictures("JPEG"), mutate_bytes, read_image)),
    "tiff": Target("reader", of_file(".tif", lambda: pictures("TIFF"), mutate_bytes, read_image)),
    "bmp": Target("reader", of_file(".bmp", lambda: pictures("BMP"), mutate_bytes, read_image)),
    "itk": Target("reader", of_file(".img", itk_images, mutate_bytes, read_image)),
    "voc_xml": Target("annotations", of_file(".xml", as_bytes(VOC), mutate_text, read_xml_annotation)),
    "coco_json": Target("annotations", of_file(".json", as_json(COCO), mutate_json, read_json_annotations)),
    "cvat_xml": Target(
        "annotations", of_file(".xml", as_bytes(CVAT), mutate_text, lambda p: read_cvat_xml(p, ["a.png"]))
    ),
    "label_json": Target("annotations", a_label),
    "box_report": Target("annotations", of_file(".dcm", reports, mutate_bytes, read_box_report)),
    "saved_boxes": Target("annotations", saved_boxes),
    "saved_map": Target("annotations", of_file(".npy", maps, mutate_bytes, read_map)),
    "saved_scores": Target(
        "annotations", of_file(".csv", as_bytes(b"name,score\ntb/a.png,0.5\nb,0.2\n"), mutate_table, read_saved_scores)
    ),
    "manifest": Target("tables", beside_images(of_file(".csv", as_bytes(MANIFEST), mutate_table, load_manifest))),
    "kaggle_csv": Target("tables", beside_images(of_file(".csv", as_bytes(KAGGLE), mutate_table, load_kaggle_csv))),
    "yolo": Target("tables", yolo),
    "threshold_json": Target(
        "config", of_file(".json", as_json(THRESHOLD), mutate_json, lambda path: load_threshold(path, "m"))
    ),
    "operating_point": Target("config", operating_point),
    "config_yaml": Target("config", of_file(".yaml", as_bytes(CONFIG), mutate_text, read_config)),
    "config_json": Target("config", of_file(".json", as_json({"a": 1, "b": [1, "@a"]}), mutate_json, read_config)),
    "hash_list": Target("config", hash_list),
    "values": Target("config", values),
}
