"""``verify_bundle``: the Model Zoo's checks of a bundle's folder, offline."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter

from monai_tbkd.packaging.bundle_verification import verify
from monai_tbkd.packaging.zoo_rules import ERROR


def run(args: argparse.Namespace) -> int:
    """Check, and print each finding as it comes."""
    found = []
    with tempfile.TemporaryDirectory(prefix="verify_bundle_") as work:
        for finding in verify(args.folder, work, args.hashes, args.schema, args.runs, args.images, run=not args.no_run):
            found.append(finding)
            sys.stdout.write(f"{finding.level:8} {finding.check:12} {finding.text}\n")
            sys.stdout.flush()
    levels = Counter(finding.level for finding in found)
    sys.stdout.write(f"{args.folder}: " + ", ".join(f"{number} {level}" for level, number in levels.items()) + "\n")
    if args.report is not None:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([finding._asdict() for finding in found], indent=2) + "\n"
        args.report.write_text(text, encoding="utf-8")
    return 1 if levels[ERROR] else 0
