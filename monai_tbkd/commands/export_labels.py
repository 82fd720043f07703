"""``export_labels``: what annotators have drawn, as boxes in image pixels."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    p = subparsers.add_parser(
        "export_labels",
        help="write the labels of a MONAI Label app as boxes in image pixels",
        description=(
            "Write the finished labels of a MONAI Label app (boxes of 3D Slicer, CVAT's shapes, masks, our own JSON) "
            "as one JSON file of boxes in image pixels, as TBX11K's, and as a table to train on. No server is needed. "
            "Ends with 3 where a label could not be read. Research use only, not for diagnosis."
        ),
    )
    p.add_argument("store", type=Path, metavar="FOLDER", help="the folder of images, or APP/pacs/... of a PACS")
    p.add_argument("--output", type=Path, required=True, metavar="DIR", help="gets labels.json and manifest.csv")
    p.add_argument("--tag", default="final", help="which labels (default final)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write and say what."""
    from monai_tbkd.bundle.plain_errors import IMAGES_FAILED
    from monai_tbkd.label.label_export import collect_labels, write_coco, write_manifest

    export = collect_labels(args.store, args.tag)
    args.output.mkdir(parents=True, exist_ok=True)
    write_coco(args.output / "labels.json", export)
    write_manifest(args.output / "manifest.csv", export)
    kinds = Counter(label.class_name for label in export.labels.values())
    boxes = sum(len(label.boxes) for label in export.labels.values())
    said = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    sys.stdout.write(
        f"{len(export.labels)} labeled images ({said}), {boxes} boxes, {len(export.faults)} labels left out. "
        f"Written to {args.output}/labels.json and manifest.csv.\n"
    )
    return IMAGES_FAILED if export.faults else 0
