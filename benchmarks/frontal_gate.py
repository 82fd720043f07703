"""How often the gate for untagged pictures is wrong, on real images, phantom images and other pictures.

    python benchmarks/frontal_gate.py --real_data DIR            # measure the gate of the package
    python benchmarks/frontal_gate.py --fit                      # fit it anew, on phantom images and synthetic pictures

DIR holds ``TBX11K/``, ``nih/`` and ``dicom/`` (see CONTRIBUTING.md). scikit-image's pictures come with its package,
which nothing else here needs: ``pip install --no-deps scikit-image``.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import frontal_gate_fit
import matplotlib
import numpy as np
import pydicom
from in_turns import write_table
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from scipy import ndimage
from scipy.stats import beta
from tqdm import tqdm

from monai_tbkd.data import ImageError
from monai_tbkd.data.gate.frontal_gate import FrontalGate
from monai_tbkd.data.phantom import CLASS_NAMES, CUE_KINDS, ShortcutSpec, make_image
from monai_tbkd.data.readers import decode_image
from monai_tbkd.data.readers.dicom_rules import ImageRules

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "frontal_gate.csv"
WEIGHTS = HERE.parent / "monai_tbkd" / "data" / "gate" / "frontal_gate.npz"

Array = NDArray[Any]
Images = dict[str, list[Array]]


class State(NamedTuple):
    """What is done to an upright image, and what the gate should then say."""

    change: Callable[[Array], Array]
    kind: str


def _jpeg(image: Array) -> Array:
    low, high = np.percentile(image, (0.5, 99.5))
    gray = np.clip((image - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    kept = io.BytesIO()
    Image.fromarray(gray).save(kept, "JPEG", quality=30)
    return np.asarray(Image.open(kept))


def _gamma(exponent: float) -> Callable[[Array], Array]:
    return lambda image: ((image - image.min()) / np.ptp(image)) ** exponent


def _small(image: Array) -> Array:
    small = Image.fromarray(np.asarray(image, dtype=np.float32))
    return np.asarray(small.resize((128, 128), Image.Resampling.BOX))


def _bordered(bright: bool) -> Callable[[Array], Array]:
    def change(image: Array) -> Array:
        depth = [(round(side * 0.1),) * 2 for side in image.shape]
        return np.pad(image, depth, constant_values=image.max() if bright else image.min())

    return change


def _cropped(image: Array) -> Array:
    height, width = (round(side * 0.08) for side in image.shape)
    return image[height:-height, width:-width]


def _rotated(angle: float) -> Callable[[Array], Array]:
    return lambda image: ndimage.rotate(image.astype(np.float32), angle, reshape=False, order=1, mode="nearest")


STATES = {
    "upright": State(lambda image: image, "frontal"),
    "mirrored (not to be caught)": State(lambda image: image[:, ::-1], "frontal"),
    "JPEG of quality 30": State(_jpeg, "frontal"),
    "gamma 0.5": State(_gamma(0.5), "frontal"),
    "gamma 2": State(_gamma(2), "frontal"),
    "128 pixels": State(_small, "frontal"),
    "black border of 10 %": State(_bordered(False), "frontal"),
    "white border of 10 %": State(_bordered(True), "frontal"),
    "cropped by 8 % at each side": State(_cropped, "frontal"),
    "rotated by 8 degrees": State(_rotated(8), "frontal"),
    "upside down (turned by 180 degrees)": State(lambda image: image[::-1, ::-1], "upside_down"),
    "flipped top to bottom": State(lambda image: image[::-1], "upside_down"),
    "turned by 90 degrees": State(np.rot90, "turned"),
    "turned by 270 degrees": State(lambda image: np.rot90(image, 3), "turned"),
    "inverted": State(lambda image: image.max() - image, "inverted"),
    "inverted and upside down": State(lambda image: image.max() - image[::-1, ::-1], "inverted"),
    "right half": State(lambda image: image[:, : image.shape[1] // 2], "not_a_chest_image"),
    "left half": State(lambda image: image[:, image.shape[1] // 2 :], "not_a_chest_image"),
    "upper left quarter": State(lambda image: image[: image.shape[0] // 2, : image.shape[1] // 2], "not_a_chest_image"),
}

# The test set of DICOM files holds a few images several times, and one whose tag was changed so that it is inverted.
_SAME_IMAGE = ("RG1_J2KR", "RG1_JLSN", "RG2_JPLY", "RG3_JLSL", "RG3_JPLL", "RG3_JPLY", "RG3_RLE", "vlut_04")
_PYDICOM = (
    "CT_small", "MR_small", "693_J2KI", "JPEG2000", "GDCMJ2K_TextGBR", "examples_rgb_color", "examples_jpeg2k",
    "examples_overlay", "examples_palette", "examples_ybr_color",
)  # fmt: skip
_WRONG_TAG = "Fake_MONOHR1"
_ANY_TAGS = ImageRules(min_age=0, secondary_capture=True, any_view=True, any_body_part=True)


def real_images(root: Path) -> Images:
    """Frontal images by source."""
    images: Images = {"TBX11K": [_gray(path) for path in sorted((root / "TBX11K" / "imgs").rglob("*.png"))]}
    with open(root / "nih" / "manifest.csv", newline="", encoding="utf-8") as manifest:
        rows = list(csv.DictReader(manifest))
    for view in ("PA", "AP"):
        images[f"NIH {view}"] = [_gray(root / "nih" / row["image"]) for row in rows if row["view"] == view]
    images["DICOM"] = [image for name, image in _dicom(root / "dicom" / "chest") if name != _WRONG_TAG]
    return images


def phantom_images() -> Images:
    """Phantom images that the gate was not fitted on."""
    cues = ShortcutSpec(kinds=CUE_KINDS)
    return {
        f"phantom, {size} pixels": [
            make_image(CLASS_NAMES[i % 3], i, size, cues if i % 2 else None).image for i in range(100_000, 100_100)
        ]
        for size in (96, 512)
    }


def other_pictures(root: Path) -> Images:
    """Pictures that are no chest images, by source."""
    found: Images = {
        "other body parts, DICOM": [image for _, image in _dicom(root / "dicom" / "other_cr")],
        "jaw and test pattern, DICOM": [image for _, image in _dicom(root / "dicom" / "lut")],
    }
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    found["CT, MR, ultrasound and text in pydicom's tests"] = [_slice(folder / f"{name}.dcm") for name in _PYDICOM]
    folder = Path(matplotlib.get_data_path()) / "sample_data"
    found["matplotlib's pictures"] = [
        _gray(path) for kind in ("jpg", "png") for path in sorted(folder.glob(f"*.{kind}"))
    ]
    photographs = _scikit_image()
    if photographs:
        found["scikit-image's pictures"] = photographs
        found["scikit-image's pictures, nine parts of each"] = [part for image in photographs for part in _nine(image)]
    for number, make in enumerate(frontal_gate_fit.NOT_IMAGES):
        rngs = [np.random.default_rng((77, number, i)) for i in range(300)]
        found[f"synthetic: {make.__name__.replace('_', ' ')}"] = [np.asarray(make(rng)) for rng in rngs]
    return found


def _slice(path: Path) -> Array:
    """The first frame, gray."""
    data = pydicom.dcmread(path)
    pixels = data.pixel_array.astype(np.float64)
    color = int(data.get("SamplesPerPixel", 1)) > 1
    if int(data.get("NumberOfFrames", 1)) > 1:
        pixels = pixels[0]
    return pixels.mean(-1) if color else pixels


def _gray(path: Path) -> Array:
    return np.asarray(Image.open(path).convert("L"))


def _dicom(folder: Path) -> Iterator[tuple[str, Array]]:
    for path in sorted(folder.glob("*.dcm")):
        if path.stem in _SAME_IMAGE:
            continue
        try:
            yield path.stem, decode_image(path, rules=_ANY_TAGS).pixels
        except ImageError as error:  # a test set of files holds some that no decoder reads
            print(f"left out: {path.name}: {error.reason}")


def _scikit_image() -> list[Array]:
    package = importlib.util.find_spec("skimage")  # not imported, so that it needs nothing of its own
    if package is None or package.origin is None:
        print("scikit-image is not installed: its pictures are left out (pip install --no-deps scikit-image)")
        return []
    found = []
    for path in sorted((Path(package.origin).parent / "data").iterdir()):
        try:
            found.append(np.asarray(Image.open(path).convert("L")))
        except (UnidentifiedImageError, OSError):
            continue
    return found


def _nine(image: Array) -> list[Array]:
    height, width = (side // 2 for side in image.shape)
    corners = [(row * height // 2, column * width // 2) for row in range(3) for column in range(3)]
    return [image[row : row + height, column : column + width] for row, column in corners]


def measure(gate: FrontalGate, images: Images, states: list[str]) -> list[dict[str, Any]]:
    """A row for each state of each source's images."""
    rows = []
    for state in states:
        for source, originals in images.items():
            change, kind = STATES[state]
            kinds = [gate(change(image)).kind for image in tqdm(originals, desc=f"{state}, {source}", disable=None)]
            rows.append(_row(state, source, kind, kinds))
    return rows


def measure_others(gate: FrontalGate, others: Images) -> list[dict[str, Any]]:
    """A row for each source of pictures that are no chest images."""
    return [
        _row("not a chest image", source, "not_a_chest_image", [gate(np.asarray(image)).kind for image in images])
        for source, images in others.items()
    ]


def _row(picture: str, source: str, kind: str, kinds: list[str]) -> dict[str, Any]:
    """Wrong verdicts with their 95 % interval after Clopper and Pearson."""
    n, wanted = len(kinds), kind == "frontal"
    wrong = sum((found == "frontal") != wanted for found in kinds)
    low = float(beta.ppf(0.025, wrong, n - wrong + 1)) if wrong else 0.0
    high = float(beta.ppf(0.975, wrong + 1, n - wrong)) if wrong < n else 1.0
    return {
        "picture": picture, "source": source, "error": "false refusal" if wanted else "false acceptance",
        "n": n, "errors": wrong, "rate": round(wrong / max(n, 1), 4), "low": round(low, 4), "high": round(high, 4),
        "named_right": sum(found == kind for found in kinds),
    }  # fmt: skip


def print_table(rows: list[dict[str, Any]]) -> None:
    """The rows as markdown."""
    print("| picture | source | error | n | errors | rate [95 % interval] | kind named right |")
    print("|---|---|---|---|---|---|---|")
    for r in rows:
        rate = f"{100 * r['rate']:.1f} % [{100 * r['low']:.1f}, {100 * r['high']:.1f}]" if r["n"] else "not measured"
        cells = (r["picture"], r["source"], r["error"], r["n"], r["errors"], rate, r["named_right"])
        print("| " + " | ".join(map(str, cells)) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real_data", type=Path, help="folder of real images to measure on")
    parser.add_argument("--fit", action="store_true", help=f"fit anew and write {WEIGHTS.name}; 4 minutes")
    parser.add_argument("--output", type=Path, default=RESULTS, help="CSV of the measured rates")
    args = parser.parse_args()
    if not (args.fit or args.real_data):
        parser.error("nothing to do: give --fit, or --real_data DIR")
    if args.fit:
        upright, others = frontal_gate_fit.phantom_looks(), frontal_gate_fit.other_looks()
        frontal_gate_fit.save(frontal_gate_fit.fit(upright, others), WEIGHTS)
    if not args.real_data:
        return
    gate = FrontalGate()
    rows = measure(gate, {**real_images(args.real_data), **phantom_images()}, list(STATES))
    wrong_tag = [image for name, image in _dicom(args.real_data / "dicom" / "chest") if name == _WRONG_TAG]
    rows.append(_row("inverted by a wrong tag", "DICOM", "inverted", [gate(image).kind for image in wrong_tag]))
    rows += measure_others(gate, other_pictures(args.real_data))
    rows.append(_row("lateral", "none were at hand", "not_a_chest_image", []))
    write_table(args.output, list(rows[0]), rows)
    print_table(rows)


if __name__ == "__main__":
    main()
