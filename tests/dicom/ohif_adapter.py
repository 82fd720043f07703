"""What Cornerstone3D's adapter, and with it OHIF, makes of a structured report.

python -m tests.dicom.ohif_adapter REPORT IMAGE      prints it as a table
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest

FOLDER = Path(__file__).parent / "ohif"


@dataclass(frozen=True)
class Rectangle:
    """One rectangle as the adapter gives it back."""

    tool: str
    box: tuple[float, float, float, float]
    """xmin, ymin, xmax, ymax in image coordinates, 0 at the image's edge."""
    label: str
    finding: str
    numbers: list[tuple[str, float]]


def build_adapter(folder: Path) -> Path:
    """Bundle the adapter for Node; the test is skipped where Node or the packages are absent."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: OHIF's adapter cannot be run")
    esbuild = FOLDER / "node_modules" / ".bin" / "esbuild"
    if not esbuild.exists():
        pytest.skip(f"the adapter is not installed: run npm ci --ignore-scripts in {FOLDER}")
    bundle = folder / "adapter_rectangles.cjs"
    command = [esbuild, FOLDER / "adapter_rectangles.mjs", "--bundle", "--platform=node", "--format=cjs",
               f"--outfile={bundle}", "--log-level=error"]  # fmt: skip
    subprocess.run(command, check=True, cwd=FOLDER, timeout=300)
    return bundle


def rectangles(bundle: Path, pairs: Sequence[tuple[Path, Path]], folder: Path) -> list[list[Rectangle]]:
    """Run pairs of (report, image) through the adapter; the rectangles of each."""
    images = []
    for report, image in pairs:
        ds = pydicom.dcmread(image, stop_before_pixels=True)
        spacing = [float(v) for v in ds.get("PixelSpacing") or (1.0, 1.0)]
        size = {"rows": ds.Rows, "columns": ds.Columns, "spacing": spacing}
        images.append({"report": str(report), "uid": ds.SOPInstanceUID, **size})
    listing = folder / "images.json"
    listing.write_text(json.dumps(images))
    done = subprocess.run(["node", bundle, listing], check=True, capture_output=True, text=True, timeout=300)
    return [[_rectangle(found) for found in of_image] for of_image in json.loads(done.stdout)]


def _rectangle(found: dict[str, Any]) -> Rectangle:
    x, y = zip(*found["points"], strict=True)
    assert len(found["points"]) == 4
    numbers = [(name, value) for name, value in found["numbers"]]
    return Rectangle(found["tool"], (min(x), min(y), max(x), max(y)), found["label"], found["finding"], numbers)


def print_table(report: Path, image: Path) -> None:
    """The rectangles of one report, as a table in Markdown."""
    with tempfile.TemporaryDirectory() as scratch:
        (found,) = rectangles(build_adapter(Path(scratch)), [(report, image)], Path(scratch))
    lines = ["| tool | xmin | ymin | xmax | ymax | label | finding | number |", "|---|---|---|---|---|---|---|---|"]
    for each in found:
        edges = " | ".join(f"{edge:.2f}" for edge in each.box)
        numbers = ", ".join(f"{name} {value:g}" for name, value in each.numbers)
        lines.append(f"| {each.tool} | {edges} | {each.label} | {each.finding} | {numbers} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    print_table(Path(sys.argv[1]), Path(sys.argv[2]))
