"""``python -m monai.bundle run`` on inference.yaml as a process of its own, with the tiny model of `trained`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.csv_cells import read_table
from tests.conftest import REPOSITORY, config_files
from tests.processes import Finished, Program


def overrides(images: Path, out: Path, models: Path, **more: Any) -> dict[str, Any]:
    """What is turned in the config, by its keys."""
    given: dict[str, Any] = {"dataset_dir": str(images), "output_dir": str(out), "ckpt_dir": str(models)}
    given |= {"device": "$torch.device('cpu')", "batch_size": 1}
    given["check_frontal"] = "off"  # the images are noise, which the gate would refuse
    # boxes on every image, since the little model's scores are nearly the same
    given |= {"score_threshold": 0.0, "map_threshold": 0.5, "threshold_mode": "relative"}
    return given | {"num_workers": 2} | more


def inference_command(images: Path, out: Path, models: Path, **more: Any) -> list[str]:
    """The command line after ``python``; `more` by the config's keys."""
    command = ["-m", "monai.bundle", "run", "--config_file", str(config_files("inference"))]
    given = overrides(images, out, models, **more)
    return [*command, *(word for key, value in given.items() for word in (f"--{key}", str(value)))]


def environment(scratch: Path) -> dict[str, str]:
    """Of the process: one thread each, and nothing written outside of the test's folder."""
    kept = {key: value for key, value in os.environ.items() if key != "TBKD_TRACEBACK"}
    return kept | {
        "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), "HOME": str(scratch), "MPLCONFIGDIR": str(scratch),
    }  # fmt: skip


@dataclass(frozen=True)
class Watched(Finished):
    """How a run ended, and its memory.

    Attributes:
        peak_bytes: the most memory that it and its workers had together, pages they share counted once; 0 where the
            system does not tell.
    """

    peak_bytes: int


def start_inference(images: Path, out: Path, models: Path, **more: Any) -> Program:
    """Start a run; overrides of the config by keyword."""
    return Program(inference_command(images, out, models, **more), out.parent, environment(out.parent))


def run_inference(images: Path, out: Path, models: Path, **more: Any) -> Finished:
    """Run to the end; overrides of the config by keyword."""
    return start_inference(images, out, models, **more).wait()


def watch_inference(images: Path, out: Path, models: Path, **more: Any) -> Watched:
    """Run to the end in a process that shares no memory with others, and watch its memory."""
    process = subprocess.Popen(
        [sys.executable, *inference_command(images, out, models, **more)], cwd=out.parent,
        env=environment(out.parent), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
    )  # fmt: skip
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    try:
        text, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    watcher.join()
    return Watched(process.returncode, text, peak[0])


def rows_of(out: Path) -> list[dict[str, str]]:
    """The rows of predictions.csv, after a look whether predictions.json has the same."""
    rows = read_table(out / "predictions.csv")[1]
    images = json.loads((out / "predictions.json").read_text(encoding="utf-8"))["images"]
    assert [image["name"] for image in images] == [row["name"] for row in rows]
    assert [image["reason"] or "" for image in images] == [row["reason"] for row in rows]
    return rows


def _watch(process: subprocess.Popen[str], peak: list[int]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(_memory(pid) for pid in _family(process.pid)))
        time.sleep(0.1)


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [member for child in task.read_text().split() for member in _family(int(child))]
        except OSError:  # it has just ended
            continue
    return found


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
