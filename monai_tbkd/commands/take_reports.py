"""``take_reports``: what annotators have sent from OHIF, as labels of the images that they are about."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from monai_tbkd.commands.pacs import open_archive

if TYPE_CHECKING:
    from monai_tbkd.label.report_intake import ReportIntake


def run(args: argparse.Namespace) -> int:
    """Take in, and say what."""
    if (args.url is None) == (args.reports is None):
        raise ValueError("expected one of --url, of a PACS, and --reports, files.")
    from monai_tbkd.bundle import IMAGES_FAILED, with_extra

    with_extra(("take_reports",), "highdicom", "dicom")
    intake, seen = _from_files(args) if args.url is None else _from_archive(args)
    counts = intake.counts
    faults = counts["fault"] + seen["unreadable"]
    sys.stdout.write(
        f"{counts['taken']} labels taken, {counts['known']} there already, {counts['left_alone']} images left alone, "
        f"{counts['no_label'] + seen['of_something_else']} reports that are no labels, {faults} left out.\n"
    )
    return IMAGES_FAILED if faults else 0


def _from_files(args: argparse.Namespace) -> tuple[ReportIntake, Counter[str]]:
    from monai_tbkd.label.label_export import open_store
    from monai_tbkd.label.report_intake import ReportIntake

    intake = ReportIntake(*open_store(args.store), args.replace)
    intake.take(_files(args.reports))
    return intake, Counter()


def _from_archive(args: argparse.Namespace) -> tuple[ReportIntake, Counter[str]]:
    archive, query = open_archive(args)
    from dicomweb_client import DICOMwebClient

    from monai_tbkd.label.image_sources import PacsSource
    from monai_tbkd.label.label_folder import LABELS_FOLDER, PACS_IMAGES, LabelFolder, is_pacs_store, mark_pacs_store
    from monai_tbkd.label.report_intake import ReportIntake
    from monai_tbkd.pacs import AnnotatorReports

    if args.store.is_dir() and any(args.store.iterdir()) and not is_pacs_store(args.store):
        raise ValueError(f"{args.store} is no store of a PACS; expected APP/pacs/..., or a new folder.")
    archive.check()
    args.store.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark_pacs_store(args.store)
    # Its log tells of every request, with what is searched for: at times the patient.
    logging.getLogger("dicomweb_client").setLevel(logging.ERROR)
    source = PacsSource(DICOMwebClient(args.url, session=archive.session), args.store / PACS_IMAGES)
    intake = ReportIntake(LabelFolder(args.store / LABELS_FOLDER), source, args.replace)
    reports = AnnotatorReports(archive, query, args.without_words)
    for found in reports.studies():
        with tempfile.TemporaryDirectory(prefix="reports_") as scratch:
            intake.take(reports.fetch(found, Path(scratch)))
    reports.counts["unreadable"] += archive.truncated
    return intake, reports.counts


def _files(paths: list[Path]) -> Iterator[Path]:
    """DICOM files among files and in folders; a file that is named itself is always given."""
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path}: there is no such file or folder; check the path.")
        if not path.is_dir():
            yield path
            continue
        for each in sorted(path.rglob("*")):
            if each.is_file() and _is_dicom(each):
                yield each


def _is_dicom(path: Path) -> bool:
    from monai_tbkd.data.readers.file_format import HEAD_BYTES, sniff_format

    with path.open("rb") as file:
        return sniff_format(file.read(HEAD_BYTES)) == "dicom"
