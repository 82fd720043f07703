"""How many planted copies of images check_data finds, and how many pairs it calls copies that are none.

    python benchmarks/duplicates.py --real_data DIR

DIR holds TBX11K/ and nih/, in which no image is a copy of another. Phantom images are made. Of each set, the images
and, one kind at a time, copies of some of them are compared as one data set.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from in_turns import write_table
from PIL import Image

from monai_tbkd.data import list_images
from monai_tbkd.data.audit.duplicates import DUPLICATE_KINDS, find_duplicates
from monai_tbkd.data.audit.image_scan import scan_images
from monai_tbkd.data.phantom import write_phantom_dataset

RESULTS = Path(__file__).parent / "results" / "duplicates.csv"
PLANTED = {"real": 200, "phantom": 100}


def resized(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC
    )


def shifted(pixels_of_512: float) -> Callable[[Image.Image], Image.Image]:
    def shift(image: Image.Image) -> Image.Image:
        step = round(pixels_of_512 * image.width / 512)
        moved = Image.new("L", image.size)
        moved.paste(image, (step, step))
        return moved

    return shift


def cropped(fraction: float) -> Callable[[Image.Image], Image.Image]:
    def crop(image: Image.Image) -> Image.Image:
        x, y = round(fraction * image.width), round(fraction * image.height)
        return image.crop((x, y, image.width - x, image.height - y))

    return crop


def gamma(exponent: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.point([round(255 * (value / 255) ** exponent) for value in range(256)])


def labeled(image: Image.Image) -> Image.Image:
    """With a white label over the upper corner, a tenth of the image wide."""
    marked = image.copy()
    marked.paste(255, (image.width // 20, image.height // 20, image.width * 3 // 20, image.height // 10))
    return marked


# How a copy is made, the suffix it is saved under, and the options of saving.
COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], str, dict[str, int]]] = {
    "saved again as PNG": (lambda image: image, ".png", {"compress_level": 1}),
    "JPEG, quality 90": (lambda image: image, ".jpg", {"quality": 90}),
    "JPEG, quality 60": (lambda image: image, ".jpg", {"quality": 60}),
    "resized to 0.5": (resized(0.5), ".png", {}),
    "resized to 1.5": (resized(1.5), ".png", {}),
    "shifted by 2 of 512 pixels": (shifted(2), ".png", {}),
    "shifted by 5 of 512 pixels": (shifted(5), ".png", {}),
    "shifted by 10 of 512 pixels": (shifted(10), ".png", {}),
    "shifted by 15 of 512 pixels": (shifted(15), ".png", {}),
    "cropped by 3 % on each side": (cropped(0.03), ".png", {}),
    "gamma 0.7": (gamma(0.7), ".png", {}),
    "gamma 1.5": (gamma(1.5), ".png", {}),
    "mirrored": (lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), ".png", {}),
    "cropped by 3 %, gamma 1.5, JPEG 75": (lambda image: gamma(1.5)(cropped(0.03)(image)), ".jpg", {"quality": 75}),
    "a label burnt in": (labeled, ".png", {}),
    # Beyond what is looked for.
    "cropped by 6 % on each side": (cropped(0.06), ".png", {}),
    "shifted by 30 of 512 pixels": (shifted(30), ".png", {}),
    "turned by 3 degrees": (lambda image: image.rotate(3, Image.Resampling.BICUBIC), ".png", {}),
    "gray values inverted": (lambda image: image.point([255 - value for value in range(256)]), ".png", {}),
}


def measure(name: str, images: list[str], workers: int, scratch: Path) -> list[dict[str, object]]:
    originals = scan_images(images, workers)
    chosen = np.random.default_rng(0).permutation(len(images))[: PLANTED[name]].tolist()
    rows: list[dict[str, object]] = []
    for kind in ("none", "same file", *COPIES):
        copies = []
        for number in chosen if kind != "none" else ():
            source = Path(images[number])
            if kind == "same file":
                copies.append(shutil.copy(source, scratch / f"{number}{source.suffix}"))
                continue
            make, suffix, options = COPIES[kind]
            copies.append(str(scratch / f"{number}{suffix}"))
            with Image.open(source) as image:
                make(image.convert("L")).save(copies[-1], **options)
        scans = [*originals, *scan_images(copies, workers)]
        begin = time.perf_counter()
        pairs = find_duplicates(scans)
        seconds = time.perf_counter() - begin
        planted = {(number, len(images) + position) for position, number in enumerate(chosen[: len(copies)])}
        found = {(pair.first, pair.second): pair.kind for pair in pairs if pair.kind in DUPLICATE_KINDS}
        hits = [found[pair] for pair in planted if pair in found]
        row: dict[str, object] = {"images": name, "copies": kind, "planted": len(planted), "found": len(hits)}
        row["found_as"] = " ".join(
            f"{each.replace(' ', '_')}:{hits.count(each)}" for each in DUPLICATE_KINDS if each in hits
        )
        row |= {"false_pairs": len(found) - len(hits), "pairs_compared": len(scans) * (len(scans) - 1) // 2}
        row["alike_pairs_among_originals"] = sum(pair.kind == "alike" and pair.second < len(images) for pair in pairs)
        rows.append(row | {"seconds_to_compare": round(seconds, 1)})
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()))
        for copy in copies:
            Path(copy).unlink()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real_data", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder, "copies")
        scratch.mkdir()
        counts = {"health": 100, "sick": 50, "tb": 150}
        phantoms = write_phantom_dataset(
            Path(folder, "phantoms"), n_train=counts, n_val=dict.fromkeys(counts, 0), size=256
        )
        sets = {
            "real": [image["image"] for root in ("TBX11K/imgs", "nih") for image in list_images(args.real_data / root)],
            "phantom": [image["image"] for image in list_images(phantoms / "imgs")],
        }
        rows = [row for name, images in sets.items() for row in measure(name, images, args.workers, scratch)]
    write_table(RESULTS, list(rows[0]), rows)


if __name__ == "__main__":
    main()
