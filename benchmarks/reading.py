"""What reading images costs: beside a bare decode by the same library, and beside the tutorials' way to keep them.

    python benchmarks/reading.py

Images are made here: a slope with detector noise, of 512 x 512 and 2000 x 2000 pixels. Everything is CPU time of one
thread, each way run after the other in every repeat; ratios are taken within a repeat, and the median is given with the
quartiles. The reader's checks (checksums, tags, size, finite values) are in its time; so is the turn to rows first.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gdcm
import nibabel as nib
import numpy as np
import pydicom
import torch
from in_turns import write_table
from monai.bundle import ConfigParser
from monai.data import CacheDataset, list_data_collate
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    RepeatChanneld,
    Resized,
    ScaleIntensityd,
)
from monai.utils import set_determinism
from PIL import Image
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    generate_uid,
)

from monai_tbkd.bundle import bundle_files
from monai_tbkd.data.readers import decode_image
from monai_tbkd.transforms import NormalizeImage

COLUMNS = ("measurement", "image", "side", "median", "low", "high", "unit", "repeats")
Way = Callable[[], Any]
BATCH = 16
# MONAI's transform in place of each of ours, with what it has to be told besides
STOCK: dict[str, tuple[str, dict[str, Any]]] = {
    "monai_tbkd.transforms.RandMirrorImaged": ("monai.transforms.RandFlipd", {"spatial_axis": 1}),
    "monai_tbkd.transforms.RandAffineImaged": ("monai.transforms.RandAffined", {}),
    "monai_tbkd.transforms.RandGammaImaged": ("monai.transforms.RandAdjustContrastd", {}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 2000])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "reading.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("monai").setLevel(logging.ERROR)
    rows: list[tuple[Any, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        for side in args.sides:
            for name, (path, bare) in images(Path(folder), side).items():
                rows += reading(name, side, path, bare, args.repeats)
        for side in args.sides:
            rows += resizing(Path(folder) / f"png8 {side}", side, args.repeats)
        for side in (224, 512):
            rows += keeping(Path(folder) / f"png8 {args.sides[0]}", side, args.repeats)
    write_table(args.output, COLUMNS, rows)
    for row in rows:
        print(*row, sep=" | ")


# ---- images
# -----------------------------------------------------------------------------------------------------------


def images(folder: Path, side: int) -> dict[str, tuple[Path, Way]]:
    """An image in every format, and the bare decode of it by the library that our reader uses."""
    rows, columns = np.mgrid[0:side, 0:side]
    noise = np.random.default_rng(0).normal(0, 20, (side, side))
    gray = np.clip((rows + columns) / (2 * side) * 3500 + noise, 0, 4095).astype(np.uint16)
    made: dict[str, tuple[Path, Way]] = {}

    def add(name: str, write: Callable[[Path], object], decode: Callable[[Path], Any]) -> None:
        path = folder / f"{name} {side}"
        write(path)
        made[name] = path, lambda: decode(path)

    def pillow(path: Path) -> Any:
        return np.asarray(Image.open(path))

    def dicom(path: Path) -> Any:
        return pydicom.dcmread(path).pixel_array

    def nifti(path: Path) -> Any:
        return nib.Nifti1Image.from_filename(path).get_fdata()

    def save_nifti(path: Path) -> None:
        nib.save(nib.Nifti1Image(gray.T, np.eye(4)), folder / "a.nii")
        (folder / "a.nii").rename(path.with_suffix(".nii"))

    eight = Image.fromarray((gray >> 4).astype(np.uint8))
    add("png8", lambda path: eight.save(path, format="PNG"), pillow)
    add("png16", lambda path: Image.fromarray(gray).save(path, format="PNG"), pillow)
    add("jpeg", lambda path: eight.save(path, format="JPEG", quality=90), pillow)
    add("dicom", lambda path: save_dicom(path, gray), dicom)
    add("dicom jpeg 2000", lambda path: save_dicom(path, gray, JPEG2000Lossless), dicom)
    add("dicom jpeg-ls", lambda path: save_dicom(path, gray, JPEGLSLossless), dicom)
    save_nifti(folder / f"nifti {side}")
    path = folder / f"nifti {side}.nii"
    made["nifti"] = path, lambda: nifti(path)
    return made


def save_dicom(path: Path, stored: np.ndarray, syntax: str = ExplicitVRLittleEndian) -> None:
    ds = pydicom.Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    ds.Modality, ds.BodyPartExamined, ds.ViewPosition, ds.PatientAge = "CR", "CHEST", "PA", "040Y"
    ds.PatientOrientation = ["L", "F"]
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.add_new("PixelData", "OW", stored.tobytes())
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    if syntax == ExplicitVRLittleEndian:
        return
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise RuntimeError(f"GDCM does not write {syntax}.")
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.Write()


# ---- measurements ----------------------------------------------------------------------------------------------------


def seconds(
    ways: dict[str, Way], repeats: int, calls: int = 1, per: dict[str, int] | None = None
) -> dict[str, list[float]]:
    """CPU seconds of one image of each way, in every repeat; a first round is not counted.

    `calls` images are done each time; `per` says how many images one call of a way does, if not one.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            times = max(1, calls // (per or {}).get(name, 1))
            start = time.process_time()
            for _ in range(times):
                way()
            if repeat:
                found[name].append((time.process_time() - start) / times / (per or {}).get(name, 1))
    return found


def row(measurement: str, image: str, side: int, values: list[float], unit: str) -> tuple[Any, ...]:
    low, _, high = statistics.quantiles(values, n=4)
    return (measurement, image, side, *(f"{v:.3g}" for v in (statistics.median(values), low, high)), unit, len(values))


def ratio(measurement: str, image: str, side: int, over: list[float], under: list[float]) -> tuple[Any, ...]:
    return row(measurement, image, side, [a / b for a, b in zip(over, under)], "times")


def config(name: str, **numbers: Any) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(bundle_files() / "configs" / f"{name}.yaml")
    for key, value in {"image_size": 512, **numbers}.items():
        parser[key] = value
    return parser


def reading(name: str, side: int, path: Path, bare: Way, repeats: int) -> list[tuple[Any, ...]]:
    """The reader, and the whole preprocessing of inference.yaml (without its gate), beside the bare decode."""
    preprocessing = config("inference", check_frontal="off").get_parsed_content("preprocessing")
    ways = {"bare": bare, "reader": lambda: decode_image(path), "all": lambda: preprocessing({"image": str(path)})}
    found = seconds(ways, repeats)
    return [
        row("bare decode", name, side, [1000 * s for s in found["bare"]], "ms"),
        ratio("reader / bare decode", name, side, found["reader"], found["bare"]),
        ratio("reader and preprocessing / bare decode", name, side, found["all"], found["bare"]),
    ]


def resizing(path: Path, side: int, repeats: int) -> list[tuple[Any, ...]]:
    """Where the time of the preprocessing goes: its steps one by one, and MONAI's resize with anti-aliasing."""
    steps = config("inference", check_frontal="off").get_parsed_content("preprocessing").transforms
    inputs: list[Any] = [{"image": str(path)}]
    for step in steps:
        inputs.append(step(inputs[-1]))
    ways: dict[str, Way] = {
        f"{n} {type(step).__name__}": lambda n=n, step=step: step(inputs[n]) for n, step in enumerate(steps)
    }
    monai_resize = Resized(keys="image", spatial_size=(512, 512), mode="bilinear", anti_aliasing=True)
    ways["MONAI's Resized"] = lambda: monai_resize({"image": inputs[1]["image"].clone()})
    found = seconds(ways, repeats)
    return [row("step " + name, "png8", side, [1000 * s for s in found[name]], "ms") for name in ways]


def keeping(path: Path, side: int, repeats: int) -> list[tuple[Any, ...]]:
    """An image out of the cache and changed at random: ours, and as MONAI's tutorials do it.

    Theirs keeps what the network takes, three channels of float32, and MONAI's transforms change that. Ours keeps one
    channel of 8 bits, changes that, and makes three channels of it in the trainer, a batch at a time. Both are measured
    with a mirror alone and with all of train.yaml's changes (the same ones on both sides, under the same seed), as a
    image comes out of the data set, and as a batch of 16 images that the network takes.
    """
    named = path.with_name(f"{path.name} kept {side}.png")  # MONAI's own readers go by the suffix
    os.link(path, named)
    keep = config("preprocessing", image_size=side, min_side=16, lung_crop=False).get_parsed_content("preprocessing")
    ours = CacheDataset([{"image": str(path)}], keep, progress=False, num_workers=0)
    recipe = [
        LoadImaged(keys="image"),
        EnsureChannelFirstd(keys="image"),
        RepeatChanneld(keys="image", repeats=3),
        ScaleIntensityd(keys="image"),
        Resized(keys="image", spatial_size=(side, side)),
    ]
    whole = {"image_size": side, "keep_features": False}
    train, stock = config("train", **whole), config("train", **whole)
    nodes = [node for node in stock["train::random_transforms"] if node["_target_"] in STOCK]
    for node in nodes:
        node["_target_"], more = STOCK[node["_target_"]]
        node.update(more)
    stock["train::random_transforms"] = nodes
    every, stocks = (parser.get_parsed_content("train::random_transforms") for parser in (train, stock))
    plain, *mine = every
    to_network = NormalizeImage()
    changes = {"mirror": (mine[:1], stocks[:1]), "all changes": (mine, stocks)}
    theirs: dict[str, CacheDataset] = {}
    ways: dict[str, Way] = {}
    for name, (mine, stocks) in changes.items():
        steps = Compose([plain, *mine])
        theirs[name] = CacheDataset([{"image": str(named)}], Compose([*recipe, *stocks]), progress=False, num_workers=0)
        ways[f"{name}, ours"] = lambda steps=steps: steps(ours[0])
        ways[f"{name}, tutorials'"] = lambda name=name: theirs[name][0]
        ways[f"{name}, batch, ours"] = lambda steps=steps: to_network(
            list_data_collate([steps(ours[0]) for _ in range(BATCH)])["image"]
        )
        ways[f"{name}, batch, tutorials'"] = lambda name=name: list_data_collate(
            [theirs[name][0] for _ in range(BATCH)]
        )
    set_determinism(0)
    found = seconds(ways, 3 * repeats, calls=2 * BATCH, per={name: BATCH for name in ways if "batch" in name})
    set_determinism(None)
    size = [kept[0]["image"].element_size() * kept[0]["image"].numel() for kept in (theirs["mirror"], ours)]
    return [
        ("bytes kept, tutorials'", "png8", side, size[0], "", "", "bytes", 1),
        ("bytes kept, ours", "png8", side, size[1], "", "", "bytes", 1),
        ("bytes kept, tutorials' / ours", "png8", side, f"{size[0] / size[1]:.3g}", "", "", "times", 1),
        *(row("time per image, " + name, "png8", side, [1000 * s for s in found[name]], "ms") for name in ways),
        *(
            ratio(
                f"time per image, {name}, tutorials' / ours",
                "png8",
                side,
                found[f"{name}, tutorials'"],
                found[f"{name}, ours"],
            )
            for name in ("mirror", "mirror, batch", "all changes", "all changes, batch")
        ),
    ]


if __name__ == "__main__":
    main()
