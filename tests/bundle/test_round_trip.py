"""A bright block in a corner of an image comes out as a box at that corner: from a file of any format to its pixels.

Preprocessing and postprocessing are those of inference.yaml. In place of the network stands a rule that can be followed
by hand: the logit of a cell is high where the preprocessed picture is bright around the place that the cell looks at.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from PIL import Image

from monai_tbkd.data import ImageTurn
from monai_tbkd.transforms.network_input import IMAGENET_MEAN, IMAGENET_STD
from tests.conftest import REPOSITORY
from tests.data.golden_dicom import write_image

pytestmark = pytest.mark.bundle

# An image of 192 x 320 pixels (height x width) is brought to 256 x 256, by 4/3 down and by 4/5 across. A block of 72 x
# 80 of its pixels becomes one of 96 x 64, so that its inner edges, e, are multiples of the stride and of the grid's
# cells.
HEIGHT, WIDTH = 192, 320
SIDE, STRIDE, CELL = 256, 8, 4
BLOCK = (72, 80)
# Why nothing but the resize's rounding is left: cell i of the map looks at pixel 8 i, and its logit is +8 where the
# mean of the pixels 8 i - 4 to 8 i + 3 is bright, -8 where it is dark. At an edge e the cell e / 8 sees 4 pixels of
# each, so the map passes through 0 at pixel e (blurred by the resize, but alike on both sides). The grid's cells that
# meet at e have their middles at e - 2.5 and e + 1.5: one on either side, so the mask ends at e. Back on the image, e
# is an edge of the block exactly; what is allowed is half a pixel of the image.
TOLERANCE = 0.5
CORNERS = ("upper left", "upper right", "lower left", "lower right")


class Brightness(torch.nn.Module):
    """A map in logits from the picture itself, each cell centered where a cell of a ResNet is."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        gray = image[:, :1] * IMAGENET_STD[0] + IMAGENET_MEAN[0]  # 0-1 again
        padded = F.pad(gray, (STRIDE // 2, STRIDE // 2, STRIDE // 2, STRIDE // 2), mode="replicate")
        return 16 * F.avg_pool2d(padded, STRIDE, STRIDE)[:, :, : SIDE // STRIDE, : SIDE // STRIDE] - 8


@cache
def chain() -> tuple[Any, Any]:
    """Preprocessing and postprocessing as inference.yaml has them, with the numbers of this file."""
    parser = ConfigParser()
    parser.read_config(REPOSITORY / "bundle" / "configs" / "inference.yaml")
    numbers = {
        "image_size": SIDE, "output_stride": STRIDE, "grid": SIDE // CELL, "check_frontal": "off", "min_side": 16,
        "lung_crop": False,
        "thresholds": {"map_threshold": 0.5, "score_threshold": 0.0, "mode": "absolute", "id": "test"},
    }  # fmt: skip
    for key, value in numbers.items():
        parser[key] = value
    return parser.get_parsed_content("preprocessing"), parser.get_parsed_content("postprocessing")


def boxes_of(path: Path) -> list[list[float]]:
    """The boxes that predictions would have: in the image's pixels as they are stored."""
    before, after = chain()
    item = before({"image": str(path), "name": path.name})
    size = torch.as_tensor(item["image"].meta["original_size"])
    with torch.no_grad():
        tb_map = Brightness()(item["image"].as_tensor()[None])[0]
    found = after({"pred": tb_map, "original_size": size, "inside": item["inside"]})
    assert found["tb_map"].shape == (1, SIDE // CELL, SIDE // CELL)
    turn = ImageTurn.from_text(item["image"].meta["turn"])
    return turn.boxes_as_stored(found["pred_boxes"].tolist(), size.tolist())


def block_at(corner: str) -> list[int]:
    """Where the block is, on the upright image: xmin, ymin, xmax, ymax."""
    left, top = ("left" in corner) or (WIDTH - BLOCK[1]), ("upper" in corner) or (HEIGHT - BLOCK[0])
    x, y = (0 if left is True else left), (0 if top is True else top)
    return [x, y, x + BLOCK[1], y + BLOCK[0]]


def image(corner: str, high: int) -> NDArray[Any]:
    """Upright: dark, with a bright block in one corner."""
    xmin, ymin, xmax, ymax = block_at(corner)
    pixels = np.full((HEIGHT, WIDTH), high // 20, dtype=np.uint8 if high < 256 else np.uint16)
    pixels[ymin:ymax, xmin:xmax] = high
    return pixels


def picture(file_format: str, high: int = 250, **options: Any) -> Callable[[Path, str], Path]:
    def write(path: Path, corner: str) -> Path:
        Image.fromarray(image(corner, high)).save(path, format=file_format, **options)
        return path

    return write


def exif_rotated(path: Path, corner: str) -> Path:
    """Stored lying on its side, with the tag that says so (6: turn clockwise by 90 degrees to stand it up)."""
    exif = Image.Exif()
    exif[274] = 6
    lying = Image.fromarray(image(corner, 250)).transpose(Image.Transpose.ROTATE_90)
    lying.save(path, format="JPEG", exif=exif, quality=95)
    return path


def dicom(photometric: str, orientation: list[str]) -> Callable[[Path, str], Path]:
    def write(path: Path, corner: str) -> Path:
        upright = image(corner, 4000)
        # Written out by hand for each: where the rows run to the patient's right, or the columns to the head.
        stored = {"LF": upright, "RF": upright[:, ::-1], "LH": upright[::-1], "FL": upright.T}["".join(orientation)]
        stored = 4095 - stored if photometric == "MONOCHROME1" else stored
        return write_image(
            path,
            np.ascontiguousarray(stored),
            12,
            PhotometricInterpretation=photometric,
            PatientOrientation=orientation,
        )

    return write


def nifti(
    voxels: Callable[[NDArray[Any]], NDArray[Any]], affine: NDArray[Any], gz: bool
) -> Callable[[Path, str], Path]:
    def write(path: Path, corner: str) -> Path:
        named = path.with_suffix(".nii")
        nib.save(nib.Nifti1Image(np.ascontiguousarray(voxels(image(corner, 4000))), affine), named)
        path.write_bytes(gzip.compress(named.read_bytes()) if gz else named.read_bytes())
        return path

    return write


def by_itk(suffix: str, slices: bool) -> Callable[[Path, str], Path]:
    def write(path: Path, corner: str) -> Path:
        array = image(corner, 4000)
        itk.imwrite(itk.image_from_array(array[None] if slices else array), str(path.with_suffix(f".{suffix}")))
        return path.with_suffix(f".{suffix}")

    return write


def as_indices(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels.T  # NIfTI's first axis is x


def as_slice(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels.T[..., None]


def as_coronal(pixels: NDArray[Any]) -> NDArray[Any]:
    """x to the patient's right as in RAS+, z to the head: an upright image has both the other way round."""
    return np.flip(pixels.T, axis=(0, 1))[:, None, :]


# one millimeter in front of the origin, so that it says more than "indices"
CORONAL = np.array([[0.2, 0, 0, -32], [0, 1, 0, 1], [0, 0, 0.2, -20], [0, 0, 0, 1.0]])

FORMATS: dict[str, Callable[[Path, str], Path]] = {
    "PNG of 8 bits": picture("PNG"),
    "PNG of 16 bits": picture("PNG", 60_000),
    "JPEG": picture("JPEG", quality=95),
    "JPEG turned by EXIF": exif_rotated,
    "TIFF": picture("TIFF", 60_000),
    "BMP": picture("BMP"),
    "DICOM MONOCHROME2": dicom("MONOCHROME2", ["L", "F"]),
    "DICOM MONOCHROME1": dicom("MONOCHROME1", ["L", "F"]),
    "DICOM R F": dicom("MONOCHROME2", ["R", "F"]),
    "DICOM L H": dicom("MONOCHROME1", ["L", "H"]),
    "DICOM F L": dicom("MONOCHROME2", ["F", "L"]),
    "NIfTI, two axes": nifti(as_indices, np.eye(4), gz=False),
    "NIfTI, one slice, gzip": nifti(as_slice, np.eye(4), gz=True),
    "NIfTI, coronal": nifti(as_coronal, CORONAL, gz=False),
    "NIfTI, coronal, gzip": nifti(as_coronal, CORONAL, gz=True),
    "MetaImage": by_itk("mha", slices=False),
    "MetaImage, one slice": by_itk("mha", slices=True),
    "NRRD": by_itk("nrrd", slices=False),
    "NRRD, one slice": by_itk("nrrd", slices=True),
}


def as_stored(box: list[int], name: str) -> list[int]:
    """Where a box of the upright image is in the stored pixels; by hand for the DICOM orientations, else the same."""
    xmin, ymin, xmax, ymax = box
    if name == "DICOM R F":
        return [WIDTH - xmax, ymin, WIDTH - xmin, ymax]
    if name == "DICOM L H":
        return [xmin, HEIGHT - ymax, xmax, HEIGHT - ymin]
    if name == "DICOM F L":
        return [ymin, xmin, ymax, xmax]
    if name == "JPEG turned by EXIF":
        return [ymin, WIDTH - xmax, ymax, WIDTH - xmin]
    return box


def pairs() -> list[tuple[str, str]]:
    """All corners where the image may be turned, and in turn one of them where only the file differs."""
    found = []
    for number, name in enumerate(FORMATS):
        turned = name.startswith("DICOM") or name in ("JPEG turned by EXIF", "NIfTI, two axes", "NIfTI, coronal")
        found += [(name, corner) for corner in (CORNERS if turned else CORNERS[number % 4 :][:1])]
    return found


@pytest.mark.parametrize(("name", "corner"), pairs())
def test_the_block_comes_out_as_a_box_at_its_corner(name: str, corner: str, tmp_path: Path) -> None:
    (found,) = boxes_of(FORMATS[name](tmp_path / "image", corner))
    expected = as_stored(block_at(corner), name)
    off = np.abs(np.array(found) - expected)
    assert off.max() <= TOLERANCE, (found, expected)
    # The image's own edges are met exactly.
    length = {"DICOM F L": (HEIGHT, WIDTH), "JPEG turned by EXIF": (HEIGHT, WIDTH)}.get(name, (WIDTH, HEIGHT))
    at_edge = [e in (0, length[position % 2]) for position, e in enumerate(expected)]
    assert sum(at_edge) == 2
    assert off[at_edge].max() == 0


def on_canvas(path: Path, canvas: int) -> list[int]:
    """The image on a plain canvas of 400 x 700 pixels, and where the block is on it."""
    # no line of a radiograph is plain, and its grays change from pixel to pixel
    ramps = sum(np.ogrid[:HEIGHT, :WIDTH]) // 12 + np.random.default_rng(0).integers(0, 3, (HEIGHT, WIDTH))
    picture = np.full((400, 700), canvas, dtype=np.uint8)
    picture[100 : 100 + HEIGHT, 300 : 300 + WIDTH] = np.clip(image("lower left", 200) + ramps, 0, 255)
    Image.fromarray(picture).save(path)
    xmin, ymin, xmax, ymax = block_at("lower left")
    return [300 + xmin, 100 + ymin, 300 + xmax, 100 + ymax]


@pytest.mark.parametrize("canvas", [0, 255])
def test_on_a_canvas_the_box_is_where_the_image_is(canvas: int, tmp_path: Path) -> None:
    expected = on_canvas(tmp_path / "screenshot.png", canvas)
    (found,) = boxes_of(tmp_path / "screenshot.png")
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_on_a_canvas_the_evaluation_meets_the_true_boxes(tmp_path: Path) -> None:
    path, grid = tmp_path / "screenshot.png", SIDE // CELL
    box = on_canvas(path, 0)
    parser = ConfigParser()
    parser.read_config(REPOSITORY / "bundle" / "configs" / "train.yaml")
    numbers = {"image_size": SIDE, "output_stride": STRIDE, "grid": grid, "min_side": 16}
    parser.update({**numbers, "lung_crop": False, "keep_features": False})
    before = [parser.get_parsed_content(name) for name in ("preprocessing", "validate::preprocessing")]
    item: Any = {"image": str(path), "name": path.name, "boxes": [box], "size": [400, 700], "tb": 1.0}
    for step in before:
        item = step(item)
    with torch.no_grad():
        item["pred"] = Brightness()(item["image"].as_tensor()[None])[0]
    found = parser.get_parsed_content("validate::postprocessing")(item)
    mask, truth = found["tb_mask"].bool(), found["true_mask"].bool()
    assert mask.shape == truth.shape == (1, grid, grid)
    assert (mask & truth).sum() > 0.8 * (mask | truth).sum()
