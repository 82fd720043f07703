"""OHIF's adapter recovers every box with its score, on images of odd sizes, turned images too."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from monai_tbkd.dicom import BoxFinding, write_structured_report
from tests.dicom.dicom_images import finding, odd_image
from tests.dicom.ohif_adapter import build_adapter, rectangles

pytestmark = pytest.mark.system

SIZES = ((41, 57), (57, 41), (301, 258), (2021, 1757), (130, 1999))
"""Rows x columns."""
ELEMENTS: tuple[dict[str, object], ...] = (
    {},
    {"PixelSpacing": [0.2, 0.2]},
    {"PixelSpacing": [0.143, 0.2]},
    {"PixelSpacing": [0.168, 0.168], "PatientOrientation": ["R", "H"]},
    {"PatientOrientation": None},
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_adapter(tmp_path_factory.mktemp("adapter"))


def boxes_on(rows: int, columns: int, number: int) -> list[tuple[float, float, float, float, float]]:
    """Boxes with fractions of pixels; the first is the whole image, the second one pixel in the last corner."""
    draw = np.random.default_rng(rows * 10000 + columns)
    boxes = [(0.0, 0.0, float(columns), float(rows), 0.9876), (columns - 1.0, rows - 1.0, columns, rows, 0.5)]
    for _ in range(number - 2):
        x, y = np.sort(draw.uniform(0, columns, 2)), np.sort(draw.uniform(0, rows, 2))
        score = round(float(draw.uniform()), 4)
        boxes.append((round(x[0], 2), round(y[0], 2), round(x[1] + 0.01, 2), round(y[1] + 0.01, 2), score))
    return [(a, b, min(c, columns), min(d, rows), s) for a, b, c, d, s in boxes]


def test_every_box_comes_back_with_its_score(bundle: Path, tmp_path: Path) -> None:
    pairs, expected = [], []
    for number, ((rows, columns), elements) in enumerate(zip(SIZES, ELEMENTS, strict=True)):
        image = odd_image(tmp_path / f"image{number}.dcm", rows, columns, **elements)
        boxes = boxes_on(rows, columns, 8)
        write_structured_report(tmp_path / f"report{number}.dcm", image, finding(*boxes))
        pairs.append((tmp_path / f"report{number}.dcm", image))
        expected.append([BoxFinding(*box) for box in boxes])
    found = rectangles(bundle, pairs, tmp_path)
    assert [len(of_image) for of_image in found] == [8] * len(SIZES)
    for (rows, columns), of_image, boxes in zip(SIZES, found, expected, strict=True):
        for rectangle, box in zip(of_image, boxes, strict=True):
            assert rectangle.tool == "RectangleROI"
            # graphic data and the adapter's vectors are 32-bit floats
            tolerance = 1e-6 * max(rows, columns) + 1e-4
            assert rectangle.box == pytest.approx((box.xmin, box.ymin, box.xmax, box.ymax), abs=tolerance)
            assert rectangle.numbers == [("Certainty of Finding", pytest.approx(100 * box.score))]
            said = re.match(r"TB ([\d.]+) of 100, research use only, not for diagnosis$", rectangle.label)
            assert said is not None
            assert float(said[1]) == pytest.approx(100 * box.score, abs=0.005)
            assert rectangle.finding == "Tuberculosis"


def test_an_image_without_boxes_gives_none(bundle: Path, tmp_path: Path) -> None:
    image = odd_image(tmp_path / "image.dcm", 41, 57)
    write_structured_report(tmp_path / "report.dcm", image, finding())
    assert rectangles(bundle, [(tmp_path / "report.dcm", image)], tmp_path) == [[]]
