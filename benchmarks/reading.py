"""What reading films costs: beside a bare decode by the same library, and beside the tutorials' way to keep them.

    python benchmarks/reading.py

Films are made here: a slope with detector noise, of 512 x 512 and 2000 x 2000 pixels. Everything is CPU time of one
thread, each way run after the other in every repeat; ratios are taken within a repeat, and the median is given with the
quartiles. The reader's checks (checksums, tags, size, finite values) are in its time; so is the turn to rows first.
"""

from __future__ import annotations

import argparse
import copy
import csv
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
from monai.bundle import ConfigParser
from monai.data import CacheDataset
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    RandFlipd,
    RepeatChanneld,
    Resized,
    ScaleIntensityd,
)
from PIL import Image
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    generate_uid,
)

from monai_tbkd.data.readers import decode_film
from monai_tbkd.packaging import bundle_files

COLUMNS = ("measurement", "film", "side", "median", "low", "high", "unit", "repeats")
Way = Callable[[], Any]


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
            for name, (path, bare) in films(Path(folder), side).items():
                rows += reading(name, side, path, bare, args.repeats)
        for side in args.sides:
            rows += resizing(Path(folder) / f"png8 {side}", side, args.repeats)
        rows += keeping(Path(folder) / f"png8 {args.sides[0]}", args.sides[0], args.repeats)
    with args.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    for row in rows:
        print(*row, sep=" | ")


# ---- films -----------------------------------------------------------------------------------------------------------


def films(folder: Path, side: int) -> dict[str, tuple[Path, Way]]:
    """A film in every format, and the bare decode of it by the library that our reader uses."""
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


def seconds(ways: dict[str, Way], repeats: int, calls: int = 1) -> dict[str, list[float]]:
    """CPU seconds of one call of each way, in every repeat; a first round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            start = time.process_time()
            for _ in range(calls):
                way()
            if repeat:
                found[name].append((time.process_time() - start) / calls)
    return found


def row(measurement: str, film: str, side: int, values: list[float], unit: str) -> tuple[Any, ...]:
    low, _, high = statistics.quantiles(values, n=4)
    return (measurement, film, side, *(f"{v:.3g}" for v in (statistics.median(values), low, high)), unit, len(values))


def ratio(measurement: str, film: str, side: int, over: list[float], under: list[float]) -> tuple[Any, ...]:
    return row(measurement, film, side, [a / b for a, b in zip(over, under)], "times")


def config(name: str, **numbers: Any) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(bundle_files() / "configs" / f"{name}.yaml")
    for key, value in {"image_size": 512, **numbers}.items():
        parser[key] = value
    return parser


def reading(name: str, side: int, path: Path, bare: Way, repeats: int) -> list[tuple[Any, ...]]:
    """The reader, and the whole preprocessing of inference.yaml (without its gate), beside the bare decode."""
    preprocessing = config("inference", check_frontal="off").get_parsed_content("preprocessing")
    ways = {"bare": bare, "reader": lambda: decode_film(path), "all": lambda: preprocessing({"image": str(path)})}
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
    """A film out of the cache, ready for the network but not augmented: ours, and MONAI's tutorials'.

    Theirs keeps what the network takes (three channels of float32); a random transform after it, as every training
    has, makes CacheDataset copy the film first. Ours keeps one channel of 8 bits, copies it and normalizes it.
    """
    data = [{"image": str(path)}]
    named = path.with_suffix(".png")  # MONAI's own readers go by the suffix
    os.link(path, named)
    train = config("train", num_workers=0)
    kept = CacheDataset(
        data, Compose(train.get_parsed_content("train::deterministic_transforms")), progress=False, num_workers=0
    )
    to_network = Compose(train.get_parsed_content("train::own_copy") + train.get_parsed_content("train::normalize"))
    recipe = [
        LoadImaged(keys="image"),
        EnsureChannelFirstd(keys="image"),
        RepeatChanneld(keys="image", repeats=3),
        ScaleIntensityd(keys="image"),
        Resized(keys="image", spatial_size=(512, 512)),
    ]
    theirs = CacheDataset([{"image": str(named)}], Compose(recipe), progress=False, num_workers=0)
    augmented = CacheDataset(
        [{"image": str(named)}], Compose([*recipe, RandFlipd(keys="image", prob=0.0)]), progress=False, num_workers=0
    )

    def plain() -> Any:  # the copy without MetaTensor's bookkeeping, for comparison
        film = kept[0]["image"].as_tensor().clone().float().div_(255)
        return (film - _MEAN).div_(_STD)

    ways: dict[str, Way] = {
        "theirs, copied": lambda: copy.deepcopy(theirs[0]),
        "theirs, in a training": lambda: augmented[0],
        "ours": lambda: to_network(kept[0]),
        "ours, copy alone": lambda: to_network.transforms[0](kept[0]),
        "ours on plain tensors": plain,
    }
    found = seconds(ways, repeats * 3, calls=30)
    monai = "theirs, in a training"
    size = [film["image"].element_size() * film["image"].numel() for film in (theirs[0], kept[0])]
    return [
        ("bytes kept, tutorials'", "png8", side, size[0], "", "", "bytes", 1),
        ("bytes kept, ours", "png8", side, size[1], "", "", "bytes", 1),
        ("bytes kept, tutorials' / ours", "png8", side, f"{size[0] / size[1]:.3g}", "", "", "times", 1),
        *(row("time per item, " + name, "png8", side, [1000 * s for s in found[name]], "ms") for name in ways),
        *(
            ratio(f"time per item, theirs in a training / {mine}", "png8", side, found[monai], found[mine])
            for mine in ("ours", "ours on plain tensors")
        ),
    ]


_MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(-1, 1, 1)
_STD = torch.tensor([0.229, 0.224, 0.225]).reshape(-1, 1, 1)


if __name__ == "__main__":
    main()
