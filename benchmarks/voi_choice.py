"""Why the first VOI LUT or window is applied: which choice makes DICOM images look like the pictures people train on.

    python benchmarks/voi_choice.py --real_data DIR

DIR holds TBX11K/imgs/tb, nih/ and dicom/chest. Two measurements, both after the stretch to 8 bits that every image goes
through: (1) real DICOM chest images read both ways, and how far their histograms are from the mean histogram of images
that came as pictures (Wasserstein distance in gray levels); (2) pictures put back behind a sigmoid window, as a
modality sends them, and read both ways: how far each reading is from the picture.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from in_turns import write_table
from scipy.stats import wasserstein_distance

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_tbkd.data import ImageRules
from monai_tbkd.data.readers import decode_image
from monai_tbkd.transforms import ImageTo8Bit
from tests.data.golden_dicom import write_image

EVERYTHING = ImageRules(min_age=0, secondary_capture=True, any_view=True, any_body_part=True)
GRAYS = np.arange(256)


def as_seen(path: Path, voi: str) -> np.ndarray:
    """The image's 8 bits, as the network's preprocessing makes them."""
    pixels = decode_image(path, voi=voi, rules=EVERYTHING).pixels
    return ImageTo8Bit()(torch.from_numpy(pixels)[None])[0].numpy()


def histogram(image: np.ndarray) -> np.ndarray:
    return np.bincount(image.ravel(), minlength=256) / image.size


def behind_a_window(picture: np.ndarray, path: Path, center: float = 2048, width: float = 1500) -> None:
    """Store 12-bit values that a sigmoid window (PS3.3 C.11.2.1.3.1) shows as the picture."""
    shown = np.clip(picture / 255, 1 / 512, 1 - 1 / 512)
    stored = np.rint(center - width / 4 * np.log(1 / shown - 1)).clip(0, 4095).astype(np.uint16)
    write_image(path, stored, 12, WindowCenter=center, WindowWidth=width, VOILUTFunction="SIGMOID")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real_data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=100, help="pictures of each source (default 100)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "voi_choice.csv")
    args = parser.parse_args()
    sources = {
        "TBX11K": sorted((args.real_data / "TBX11K" / "imgs" / "tb").glob("*.png"))[:: max(1, 600 // args.images)],
        "NIH": sorted((args.real_data / "nih").rglob("*.png"))[:: max(1, 400 // args.images)],
    }
    pictures = {name: [as_seen(p, "first") for p in paths[: args.images]] for name, paths in sources.items()}
    typical = np.mean([histogram(image) for images in pictures.values() for image in images], axis=0)

    def distance(image: np.ndarray) -> float:
        return float(wasserstein_distance(GRAYS, GRAYS, histogram(image), typical))

    rows = []
    spread = [distance(image) for images in pictures.values() for image in images]
    rows.append(["pictures to their mean histogram", len(spread), f"{np.median(spread):.1f}", "", ""])
    for path in sorted((args.real_data / "dicom" / "chest").glob("*.dcm")):
        first, none = as_seen(path, "first"), as_seen(path, "none")
        change = float(np.abs(first.astype(float) - none).mean())
        rows.append([f"DICOM {path.stem[:20]}", 1, f"{distance(first):.1f}", f"{distance(none):.1f}", f"{change:.2f}"])
    with tempfile.TemporaryDirectory() as folder:
        for name, images in pictures.items():
            off: dict[str, list[float]] = {"first": [], "none": []}
            for image in images:
                behind_a_window(image.astype(float), Path(folder) / "image")
                for voi, values in off.items():
                    values.append(float(np.abs(as_seen(Path(folder) / "image", voi).astype(float) - image).mean()))
            means = [f"{np.mean(values):.2f}" for values in off.values()]
            rows.append([f"{name} behind a sigmoid window, off the picture", len(images), *means, ""])
    header = ["what (gray levels of 255)", "n", "first", "none", "first to none"]
    write_table(args.output, header, rows)
    for row in [header, *rows]:
        print(" | ".join(map(str, row)))


if __name__ == "__main__":
    main()
