"""The memory of data sets whose images are listed and not loaded, by their number.

    python benchmarks/listed_images.py [--images 1000 100000]

The images are hard links to a few phantom images, so that each has a path and a header of its own to be read. In a
process for each: the data list of a ``manifest.csv`` (half of the images with TB and a box each); the training's data
sets of ``train.yaml`` with ``demo.yaml`` on it, with ``cache_rate`` 0; and the images that ``inference.yaml`` finds in
the folder. The figure is the private memory (RssAnon) after it, less that of the same process before it. No image is
decoded.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
from in_turns import memory, write_table  # noqa: E402
from monai.bundle import ConfigParser  # noqa: E402

from monai_tbkd.data import load_datalist  # noqa: E402
from monai_tbkd.data.lists.manifest import write_manifest  # noqa: E402
from monai_tbkd.data.phantom import write_phantom_dataset  # noqa: E402

COLUMNS = ("listed", "images", "measurement", "value", "unit")
CONFIGS = REPOSITORY / "bundle" / "configs"
BOX = [[30.0, 30.0, 60.0, 60.0]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 100000])
    parser.add_argument("--output", type=Path, default=REPOSITORY / "benchmarks" / "results" / "listed_images.csv")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)  # in a process of its own: what, and the folder
    args = parser.parse_args()
    if args.measure:
        print(f"RESULT {measured(LISTED[args.measure[0]], Path(args.measure[1])):.6g}")
        return
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for number in args.images:
            folder = link_images(Path(name), number)
            for what in LISTED:
                line = [sys.executable, __file__, "--measure", what, str(folder)]
                text = subprocess.run(line, check=True, text=True, stdout=subprocess.PIPE).stdout
                used = float(re.search(r"RESULT (\S+)", text)[1])  # type: ignore[index]
                for measurement, value, unit in (("memory", used / 2**20, "MiB"), ("an image", used / number, "bytes")):
                    row = (what, number, measurement, f"{value:.4g}", unit)
                    rows.append(dict(zip(COLUMNS, row, strict=True)))
                    print(*row, flush=True)
    write_table(args.output, COLUMNS, rows)


def link_images(folder: Path, number: int) -> Path:
    """So many images, in folders of a thousand, and a table of them."""
    source = write_phantom_dataset(folder / "source", {"health": 6, "tb": 6}, {"tb": 1}, size=128)
    images = sorted((source / "imgs").rglob("*.png"))
    root = folder / f"{number} images"
    listed = []
    for index in range(number):
        path = root / "images" / f"site{index // 1000:04d}" / f"patient{index:08d}_frontal.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(images[index % len(images)], path)
        sick = index % 2 == 1
        listed.append((str(path), "tb" if sick else "health", BOX if sick else []))
    write_manifest(root / "manifest.csv", listed)
    return root


def measured(make: Callable[[Path], Any], folder: Path) -> float:
    """Private memory in bytes that something takes, as long as it is held."""
    before = memory("RssAnon")
    held = make(folder)
    gc.collect()
    after = memory("RssAnon")
    del held
    return after - before


def _training(folder: Path) -> Any:
    files = [CONFIGS / "train.yaml", REPOSITORY / "configs" / "demo.yaml"]
    parser = _parsed(files, dataset_dir=str(folder / "manifest.csv"), cache_rate=0.0, num_workers=0, min_side=16)
    return [parser, *(parser.get_parsed_content(key) for key in ("train::dataset", "validate::dataset"))]


def _inference(folder: Path) -> Any:
    parser = _parsed(
        [CONFIGS / "inference.yaml"], dataset_dir=str(folder / "images"), output_dir=str(folder / "out"), num_workers=0
    )
    return [parser, parser.get_parsed_content("images")]


def _parsed(files: list[Path], **overrides: Any) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(file) for file in files])
    parser.update({**overrides, "progress_bar": False})
    return parser


LISTED: dict[str, Callable[[Path], Any]] = {
    "data list": lambda folder: load_datalist(str(folder / "manifest.csv"), 1, select=0.15, test=0.2),
    "training": _training,
    "inference": _inference,
}


if __name__ == "__main__":
    main()
