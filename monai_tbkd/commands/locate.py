"""The ``locate`` command: find tuberculosis on images, a line each."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import textwrap
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Events
from monai.bundle import ConfigParser
from tqdm import tqdm

from monai_tbkd.bundle import IMAGES_FAILED, bundle_files, literal, released_model, set_option
from monai_tbkd.bundle.config_files import find_config
from monai_tbkd.bundle.locations import called
from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.data.readers.image_folder import list_images
from monai_tbkd.data.readers.reason_codes import ImageWarning
from monai_tbkd.metrics.calibrated_threshold import BEFORE_USE
from monai_tbkd.results.prediction_table import DONE, OVERVIEW, PredictionTable
from monai_tbkd.transforms import notice_of

PIPE_CLOSED, STOPPED = 141, 130
_FEW = 4  # so many images are done before worker processes would have started


def run(args: argparse.Namespace) -> int:
    """Locate and return the exit status; ValueError and OSError are for the user to mend."""
    with tempfile.TemporaryDirectory(prefix="tbkd_") as scratch:
        if args.open and args.output is None:
            args.output = Path(tempfile.mkdtemp(prefix="tbkd_page_"))  # the browser reads it later
        parser = _config(args, args.output or Path(scratch))
        try:
            status = _infer(parser, args)
        except KeyboardInterrupt:
            sys.stderr.write("Stopped.\n")
            return STOPPED
        except BrokenPipeError:  # nobody reads on, as after ``| head``
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # the interpreter flushes it at exit
            return PIPE_CLOSED
        except Exception as error:  # the parser wraps what this package refuses
            cause = plain_cause(error)
            if cause is None:
                raise
            raise cause from error
    if args.open:
        page = (args.output / OVERVIEW).absolute()
        sys.stderr.write(f"{page}\n")
        webbrowser.open(page.as_uri())
    return status


def _config(args: argparse.Namespace, output: Path) -> ConfigParser:
    """Read inference.yaml and apply the command line."""
    models = released_model() if args.ckpt_dir is None else args.ckpt_dir.absolute()
    source = [literal(image) for image in args.images]
    number = len(list_images(args.images, leave_out=output))
    configs = bundle_files() / "configs"
    parser = ConfigParser()
    parser.read_config(str(find_config(configs, "inference")))
    parser.update({
        "bundle_root": literal(str(configs.parent)),
        "ckpt_dir": literal(str(models)),
        "dataset_dir": source if len(source) > 1 else source[0],
        "output_dir": literal(str(output.absolute())),
        "draw_overlays": args.output is not None,
        "draw_reports": args.output is not None,
        "progress_bar": number > 1 and sys.stderr.isatty(),
        **({"num_workers": 0} if number <= _FEW else {}),
        **dict(map(set_option, args.settings)),
    })  # fmt: skip
    return parser


def _infer(parser: ConfigParser, args: argparse.Namespace) -> int:
    get = parser.get_parsed_content
    get("initialize")
    table: PredictionTable = get("predictions")
    _introduce(str(get("model_version")), Path(get("ckpt_dir")))
    written = 0

    def write_lines() -> None:
        nonlocal written
        for row in table.rows[written:]:
            tqdm.write(line_of(row), file=sys.stdout)  # above the bar, where there is one
        sys.stdout.flush()
        written = len(table.rows)

    if get("images_to_do"):
        evaluator = get("evaluator")
        evaluator.logger.setLevel(logging.CRITICAL if args.quick else logging.INFO)
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, write_lines)
        evaluator.run()
    else:
        table.finish()
        write_lines()
    return IMAGES_FAILED if table.failed else 0


def line_of(row: Mapping[str, Any]) -> str:
    """Write a row as a line for a person.

    Example:
        >>> row = dict(name="a.png", status="done", score_0_100=83.1, threshold_0_100=52.0, decision="TB suggestive",
        ...            boxes=[[52.2, 38, 97, 120.6, 0.9]], warnings=None)
        >>> line_of(row)
        'a.png: 83.1, TB suggestive (threshold 52), box 52 38 97 121'
    """
    name = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(row["name"]))
    if row["status"] != DONE:
        detail = str(row["detail"]).removeprefix(f"{row['path']}: ").removesuffix(f" ({row['reason']}).")
        return f"{name}: {row['status']}, {row['reason']}: {detail}"
    words = [f"{row['score_0_100']:.1f}"]
    if row["decision"] is None:
        words.append(f"no decision ({row['detail']})")
    else:
        words.append(f"{row['decision']} (threshold {row['threshold_0_100']:g})")
        words += [f"box {' '.join(f'{edge:.0f}' for edge in box[:4])}" for box in row["boxes"]]
    warnings = [each for each in str(row["warnings"] or "").split("; ") if each not in ("", ImageWarning.UNTAGGED)]
    if warnings:  # of a picture everybody sees that it has no tags
        words.append(f"warning {' '.join(warnings)}")
    return f"{name}: {', '.join(words)}"


def _introduce(version: str, models: Path) -> None:
    """Tell a person at a terminal which model it is and how to use its scores."""
    if not sys.stderr.isatty():
        return
    notice = notice_of(version)
    text = f"{version} ({called(models)}). {notice[0].upper()}{notice[1:]}. {BEFORE_USE}"
    sys.stderr.write(textwrap.fill(text, min(100, os.get_terminal_size(sys.stderr.fileno()).columns or 100)) + "\n\n")
