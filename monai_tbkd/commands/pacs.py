"""The ``pacs`` command: images out of an archive, results back into it."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import shutil
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_tbkd.pacs import Archive, ArchiveRun, StudyQuery

logger = logging.getLogger(__name__)

STOPPED = 130
_LONGEST = 15.0
_CLEARING = 2.0
"""Seconds after a signal in which another one changes nothing, since images are being removed."""


def run(args: argparse.Namespace) -> int:
    """Search, infer, store."""
    refuse_negative(limit=args.limit, watch=args.watch)
    archive, query = open_archive(args)
    from monai_tbkd.pacs import ArchiveError, ArchiveGoneError, ArchiveRefusalError, ArchiveRun

    work = ArchiveRun(archive, query, args.output, args.config, _overrides(args))
    again, watching = args.again, False
    before = _stop_by_signals(archive, work)
    try:
        while True:
            try:
                archive.check()
                status = _pass(work, args, again)
                again, watching = False, args.watch is not None
            except ArchiveError as error:
                # An error from the start on has to be mended; later it may be of a restart. A password may be locked.
                passing = watching and isinstance(error.__cause__, ArchiveRefusalError)
                if args.watch is None or not (passing or isinstance(error, ArchiveGoneError)):
                    raise
                logger.warning("%s Looking again in %g seconds.", error, args.watch)
            if args.watch is None:
                return status
            wait(args.watch)
    except KeyboardInterrupt:
        logger.info("Stopped. The same command goes on.")
        return STOPPED
    finally:
        work.close()
        for number, handler in before.items():
            signal.signal(number, handler)


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


def wait(seconds: float) -> None:
    """Let time pass between two looks into the archive."""
    time.sleep(seconds)


def _stop_by_signals(archive: Archive, work: ArchiveRun) -> dict[int, Any]:
    """Let SIGTERM and the end of the terminal do what Ctrl-C does, and let none wait for the archive.

    Where a thread still waits for the archive `_LONGEST` seconds after a signal, the folder of images is removed and
    the program ended.

    Returns:
        The handlers before.
    """
    heard_at = -_CLEARING

    def stop(*_: Any) -> None:
        nonlocal heard_at
        archive.give_up()
        if time.monotonic() - heard_at > _CLEARING:
            heard_at = time.monotonic()
            if _is_program():
                last = threading.Timer(_LONGEST, _end, [work])
                last.daemon = True
                last.start()
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores SIGHUP
    return {number: signal.signal(number, stop) for number in heard}


def _pass(work: ArchiveRun, args: argparse.Namespace, again: bool) -> int:
    """Go through the archive once, or list what would be done, and give the exit status."""
    from monai_tbkd.bundle import IMAGES_FAILED

    if args.dry_run:
        images, counts = work.look(again)
        sys.stdout.write("".join(f"{image.address.path}\n" for image in images if image.error is None))
        errors = [image.error for image in images if image.error is not None]
        for error in errors:
            logger.warning("%s", error)
        failed = len(errors)
    else:
        counts = work.once(args.limit, again)
        failed = counts["failed"] + counts["skipped_failed"]
    logger.info(
        "%d studies, %d images: %d had results, %d were refused or damaged before, %d %s.",
        counts["studies"], counts["images"], counts["with_results"], counts["skipped"], counts["given"],
        "to do" if args.dry_run else "tried",
    )  # fmt: skip
    return IMAGES_FAILED if failed or work.archive.truncated else 0


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    from monai_tbkd.bundle import literal, set_option

    given: dict[str, Any] = dict(set_option(option) for option in args.settings)
    if args.ckpt_dir is not None:
        given["ckpt_dir"] = literal(str(args.ckpt_dir.absolute()))
    if args.results:
        given["dicom_output"] = args.results
    if args.report_refused:
        given["report_refused"] = True
    return given


def _is_program() -> bool:
    """Whether this process is the command and no program that calls it."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return getattr(spec, "name", "") == "monai_tbkd.__main__"


def _end(work: ArchiveRun) -> None:
    shutil.rmtree(work.image_folder, ignore_errors=True)
    os._exit(STOPPED)
