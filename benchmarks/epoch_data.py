"""What an epoch's films cost: read each time, from MONAI's PersistentDataset, from its CacheDataset; and what is kept.

    python benchmarks/epoch_data.py

Phantom films of 512 pixels as PNG go through preprocessing.yaml, as for a network that is trained whole (with no random
change but the mirror), and come out in batches of 16, normalized, as the network takes them. CPU time of one thread for
one pass over all films, each way in turn. The last way is MONAI's tutorials': load, three channels, scale, resize, all
cached in 32 bits. Times and bytes a film are carried over to the 8,400 films that TBX11K has in train and val: an epoch
of them is not run.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path
from typing import Any

import torch
from in_turns import RESULTS, Way, in_turns, median, number_row, rows, write
from monai.bundle import ConfigParser
from monai.data import CacheDataset, Dataset, PersistentDataset, list_data_collate
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    RandFlipd,
    RepeatChanneld,
    Resized,
    ScaleIntensityd,
)

from monai_tbkd.bundle import bundle_files
from monai_tbkd.data.phantom import write_phantom_dataset
from monai_tbkd.transforms import NormalizeFilm, PlainFilmd, RandMirrorFilmd

BASE = "read each time"
TBX11K = 8400
BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=48)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=RESULTS / "performance.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("monai").setLevel(logging.ERROR)
    config = ConfigParser()
    config.read_config(str(bundle_files() / "configs" / "preprocessing.yaml"))
    config.update({"image_size": args.size, "lung_crop": False})
    keep, to_network = config.get_parsed_content("preprocessing"), NormalizeFilm()
    change = Compose([PlainFilmd("image"), RandMirrorFilmd("image")])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        third = args.films // 3
        counts = {"health": third, "sick": third, "tb": args.films - 2 * third}
        write_phantom_dataset(folder / "data", n_train=counts, n_val={"health": 0, "sick": 0, "tb": 1}, size=512)
        items = [{"image": str(p)} for p in sorted((folder / "data" / "imgs").rglob("*.png"))][: args.films]
        kept = {
            BASE: Dataset(items, keep),
            "PersistentDataset": PersistentDataset(items, keep, cache_dir=folder / "cache"),
            "CacheDataset": CacheDataset(items, keep, progress=False, num_workers=0),
        }
        size = (args.size, args.size)
        tutorials = CacheDataset(
            items,
            Compose([
                LoadImaged(keys="image"), EnsureChannelFirstd(keys="image"), RepeatChanneld(keys="image", repeats=3),
                ScaleIntensityd(keys="image"), Resized(keys="image", spatial_size=size),
                RandFlipd(keys="image", prob=0.5, spatial_axis=1),
            ]),
            progress=False, num_workers=0,
        )  # fmt: skip
        first = kept["CacheDataset"][0]["image"]
        theirs = tutorials[0]["image"]

        def epoch(data: Any, ours: bool) -> Way:
            def run() -> None:
                for start in range(0, len(items), BATCH):
                    films = [data[index] for index in range(start, min(start + BATCH, len(items)))]
                    batch = list_data_collate([change(film) for film in films] if ours else films)["image"]
                    if ours:
                        to_network(batch)

            return run

        ways = {way: epoch(data, True) for way, data in kept.items()}
        ways["CacheDataset, the tutorials' way"] = epoch(tutorials, False)
        found = in_turns(ways, args.pairs)
        on_disk = sum(p.stat().st_size for p in (folder / "cache").glob("*.pt")) / len(items)
    subject = f"an epoch's films, {args.size} pixels"
    made = rows("epoch_data", subject, found, BASE)
    for way, seconds in found.items():
        made.append(number_row("epoch_data", f"{subject}: {TBX11K} films", way,
                               median(seconds).value / len(items) * TBX11K, "s CPU"))  # fmt: skip
    memory = {
        "CacheDataset": first.element_size() * first.numel(), "PersistentDataset, on disk": on_disk,
        "CacheDataset, the tutorials' way": theirs.element_size() * theirs.numel(),
    }  # fmt: skip
    made += [number_row("epoch_data", f"{subject}: {TBX11K} films", way, size * TBX11K / 2**30, "GiB")
             for way, size in memory.items()]  # fmt: skip
    write("epoch_data", made, args.output)


if __name__ == "__main__":
    main()
