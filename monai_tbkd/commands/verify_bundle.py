"""``verify_bundle``: the Model Zoo's checks of a bundle's folder, offline."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    p = subparsers.add_parser(
        "verify_bundle",
        help="check a bundle's folder as the Model Zoo would, offline",
        description="Check a bundle's folder as the Model Zoo would: files and sizes, metadata, references of configs, "
        "the network's input and output, TorchScript, properties, and every config run with small numbers. Configs are "
        "code: use it on folders that you trust, or with --hashes. Ends with 1 where something is wrong.",
    )
    p.add_argument("folder", type=Path, metavar="DIR", help="the bundle")
    p.add_argument(
        "--hashes", type=Path, metavar="FILE", help="list of its files with SHA-256, compared before all else"
    )
    p.add_argument("--schema", type=Path, metavar="FILE", help="the published metadata schema (nothing is downloaded)")
    p.add_argument(
        "--runs", type=Path, metavar="FILE", help="which configs to run with what overrides; for other bundles"
    )
    p.add_argument(
        "--images", type=Path, metavar="DIR", help="data set for the runs (default for ours: phantom images)"
    )
    p.add_argument("--no_run", action="store_true", help="look at files alone and run nothing of the bundle")
    p.add_argument("--report", type=Path, metavar="JSON", help="write what was found")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, and print each finding as it comes."""
    from monai_tbkd.packaging.bundle_verification import verify
    from monai_tbkd.packaging.zoo_rules import ERROR

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
