"""The ``pacs`` command: images out of an archive, results back into it."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_tbkd.commands.archive_options import SECRETS, add_archive_options, open_archive, refuse_negative

if TYPE_CHECKING:
    from monai_tbkd.pacs import Archive, ArchiveRun

logger = logging.getLogger(__name__)

STOPPED = 130
_LONGEST = 15.0
_CLEARING = 2.0
"""Seconds after a signal in which another one changes nothing, since images are being removed."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    p = subparsers.add_parser(
        "pacs",
        help="find chest images without results in a PACS, infer, store the results in their studies",
        description="Find CR and DX chest images without our results in a DICOMweb archive, infer, and store DICOM "
        f"results in their studies. Run it again to go on: what has results is skipped. {SECRETS} Research use only, "
        "not for diagnosis.",
    )
    add_archive_options(p)
    p.add_argument(
        "--output", type=Path, required=True, help="folder for predictions.csv; the image in work lies in it"
    )
    p.add_argument("--ckpt_dir", type=Path, help="folder with model.pt (default: the released model)")
    p.add_argument("--config", nargs="+", action="extend", default=[], type=Path, metavar="YAML", help="recipes "
                   "that lie over inference.yaml")  # fmt: skip
    p.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings", help="other "
                   "keys of inference.yaml, like threshold_file=threshold.json")  # fmt: skip
    p.add_argument("--results", nargs="+", metavar="KIND", help="DICOM objects to store for each image: sr and some "
                   "of seg_map, seg_boxes, sc, gsps (default: all but gsps)")  # fmt: skip
    p.add_argument("--report_refused", action="store_true", help="store a report for each image that is refused or "
                   "damaged, too; it has no score and says why")  # fmt: skip
    p.add_argument("--again", action="store_true", help="look again at the images that were refused or damaged before")
    p.add_argument("--dry_run", action="store_true", help="list the images that would be done, and do nothing")
    p.add_argument("--limit", type=int, help="do at most this many images")
    p.add_argument("--watch", type=float, metavar="SECONDS", help="look again this long after each pass, until stopped")
    p.set_defaults(run=run)


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
