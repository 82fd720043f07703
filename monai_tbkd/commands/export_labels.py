"""``export_labels``: what annotators have drawn, as boxes in image pixels."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from monai_tbkd.bundle.plain_errors import IMAGES_FAILED
from monai_tbkd.label.label_export import collect_labels, write_coco, write_manifest


def run(args: argparse.Namespace) -> int:
    """Write and say what."""
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
