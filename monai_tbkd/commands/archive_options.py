"""How commands are told of an archive."""

from __future__ import annotations

import argparse
import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monai_tbkd.pacs import Archive, StudyQuery

SECRETS = (
    "Secrets come from the environment: TBKD_PACS_USER and TBKD_PACS_PASSWORD, or TBKD_PACS_TOKEN; "
    "TBKD_PACS_KEY_PASSWORD."
)


def add_archive_options(p: argparse.ArgumentParser, required: bool = True) -> None:
    """Add where the archive is, what is asked of it, and how the connection is secured."""
    p.add_argument("--url", required=required, help="of the archive's DICOMweb, like https://host:8042/dicom-web")
    p.add_argument("--query", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="which studies and "
                   "series, like StudyDate=20260101-20261231 BodyPartExamined=CHEST")  # fmt: skip
    p.add_argument("--patience", type=float, default=120, metavar="SECONDS", help="how long to wait for an "
                   "archive that has gone away (default 120)")  # fmt: skip
    p.add_argument("--ca_file", type=Path, metavar="PEM", help="certificates of the authorities that are trusted")
    p.add_argument("--client_cert", type=Path, metavar="PEM", help="own certificate, for archives that ask for one")
    p.add_argument("--client_key", type=Path, metavar="PEM", help="its key, if it is not in the same file")


def open_archive(args: argparse.Namespace) -> tuple[Archive, StudyQuery]:
    """Open the archive of a command line, and read what is asked of it; nothing is asked yet.

    Raises:
        ValueError: a package is missing, or an option is wrong.
        OSError: a file is missing.
    """
    lacking = [each for each in ("dicomweb_client", "highdicom") if importlib.util.find_spec(each) is None]
    if lacking:
        raise ValueError(f"{' and '.join(lacking)} is not installed; run pip install 'monai_tbkd[pacs]'.")
    from monai_tbkd.pacs import Archive, StudyQuery, archive_session

    refuse_negative(patience=args.patience)
    query = StudyQuery.parse(args.query)
    session = archive_session(args.url, args.ca_file, args.client_cert, args.client_key)
    return Archive(args.url, session, args.patience), query


def refuse_negative(**values: float | None) -> None:
    """Refuse numbers below 0, and what is no number or without end, by a ValueError."""
    for name, value in values.items():
        if value is not None and not 0 <= value < threading.TIMEOUT_MAX:
            raise ValueError(f"{name} is {value}; expected 0 or more.")
