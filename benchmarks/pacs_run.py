"""A whole run of ``python -m monai_tbkd pacs`` against Orthanc: how long, how much memory, what is lost or doubled.

    python benchmarks/pacs_run.py --ckpt_dir MODELS --config configs/demo.yaml [--real FOLDER]

It needs Debian's orthanc and orthanc-dicomweb. Images are phantoms of 1400 x 1700 pixels, 12 bits, as CR and DX, half
of them MONOCHROME1, one or two to a study, beside laterals, hands and children, which are refused. `--real` adds a
folder of other DICOM files. First an undisturbed run, the same again, and the same from another folder, as by a
second machine. Then a fresh archive of the same images, and on the way through it the program is killed (SIGKILL)
three times and the server twice; when it has come to its end, it is started once more. Rows of runs that `--runs`
leaves out stay in the table. CPU time is that of the program (user and system), with one thread; the machine may have
other work.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from in_turns import children_seconds, memory, replace_rows
from phantom_dicom import phantom_image
from pydicom.uid import generate_uid

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
from tests.pacs.archive_images import DX, results_by_image  # noqa: E402
from tests.pacs.orthanc_server import SC, SEG, SR, OrthancServer  # noqa: E402

COLUMNS = ("run", "measurement", "value", "unit")
SHAPE = (1700, 1400)
REFUSED = {"ViewPosition": "LL"}, {"BodyPartExamined": "HAND"}, {"PatientAge": "009Y"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_dir", type=Path, required=True)
    parser.add_argument("--config", type=Path, nargs="*", default=[])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--refused", type=int, default=20)
    parser.add_argument("--real", type=Path, help="folder of DICOM files that go into the archive too")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "benchmarks" / "results" / "pacs_run.csv")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = write_images(folder / "images", args.images, args.refused)
        real = sorted(path for path in args.real.rglob("*.dcm")) if args.real else []
        for run, measure in RUNS.items():
            if run not in args.runs:
                continue
            server = OrthancServer(folder / run).start()
            try:
                server.upload(*images, *real)
                held = fingerprints(server)

                def tell(measurement: str, value: float, unit: str, run: str = run) -> None:
                    rows.append({"run": run, "measurement": measurement, "value": f"{value:.6g}", "unit": unit})
                    print(run, measurement, f"{value:.6g}", unit, flush=True)

                tell("objects in the archive before", len(held), "objects")
                measure(args, server, folder / run, tell)
                after = fingerprints(server)
                tell("images changed or gone", sum(after.get(uid) != before for uid, before in held.items()), "images")
                count_results(server, [uid_of(path) for path in images[: args.images]], tell)
            finally:
                server.kill()
    replace_rows(args.output, COLUMNS, "run", args.runs, rows, lambda row: list(RUNS).index(row["run"]))


def undisturbed(args: argparse.Namespace, server: OrthancServer, folder: Path, tell: Callable[..., None]) -> None:
    for turn, out in (("first run", "out"), ("second run", "out"), ("second machine", "elsewhere")):
        before, cpu, began = len(server.instances()), children_seconds(), time.perf_counter()
        process = start(args, server, folder / out)
        memory = Memory(process.pid, folder / out / "predictions.csv")
        text = process.communicate()[0]
        seconds, used = time.perf_counter() - began, children_seconds() - cpu
        counts = tried(text)
        tell(f"{turn}: images tried", counts["tried"], "images")
        tell(f"{turn}: images with results before", counts["results"], "images")
        tell(f"{turn}: new objects", len(server.instances()) - before, "objects")
        tell(f"{turn}: wall time", seconds, "s")
        tell(f"{turn}: CPU time", used, "s")
        tell(f"{turn}: peak memory", memory.peak / 2**20, "MiB")
        tell_memory(turn, memory, tell)
        tell(f"{turn}: exit status", process.returncode, "")


def disturbed(args: argparse.Namespace, server: OrthancServer, folder: Path, tell: Callable[..., None]) -> None:
    kills = Counter[str]()
    for fraction in (0.15, 0.35, 0.55):  # the program
        process = start(args, server, folder / "out")
        wait_for(server, round(fraction * args.images), process)
        process.kill()
        process.communicate()
        kills["program"] += process.returncode == -9
    process = start(args, server, folder / "out")
    memory = Memory(process.pid, folder / "out" / "predictions.csv")
    for fraction in (0.7, 0.85):  # the server
        wait_for(server, round(fraction * args.images), process)
        server.kill()
        time.sleep(2)
        server.start()
        kills["server"] += process.poll() is None
    text = process.communicate()[0]
    tell("kills of the program", kills["program"], "kills")
    tell("kills of the server", kills["server"], "kills")
    tell("last run: images with results before", tried(text)["results"], "images")
    tell("last run: exit status", process.returncode, "")
    tell_memory("last run", memory, tell)
    before = len(server.instances())
    process = start(args, server, folder / "out")
    text = process.communicate()[0]
    tell("once more: images tried", tried(text)["tried"], "images")
    tell("once more: new objects", len(server.instances()) - before, "objects")
    tell("once more: exit status", process.returncode, "")
    with (folder / "out" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        names = Counter(row["name"] for row in csv.DictReader(file))
    tell("rows of the table", names.total(), "rows")
    tell("rows that are doubles", names.total() - len(names), "rows")


RUNS = {"undisturbed": undisturbed, "killed": disturbed}


def count_results(server: OrthancServer, wanted: list[str], tell: Callable[..., None]) -> None:
    for kind, sop_class in (("SR", SR), ("SC", SC), ("SEG", SEG)):
        found = results_by_image(server, sop_class)
        tell(f"{kind} objects of ours", found.total(), "objects")
        tell(f"phantom images without {kind}", sum(uid not in found for uid in wanted), "images")
        # of segmentations there are two: of the map, and of the boxes where there are any
        most = 2 if kind == "SEG" else 1
        tell(f"images with more {kind} than that", sum(number > most for number in found.values()), "images")


def start(args: argparse.Namespace, server: OrthancServer, output: Path) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "monai_tbkd", "pacs", "--url", server.url, "--output", str(output), "--ckpt_dir",
            str(args.ckpt_dir), "--patience", "60"]  # fmt: skip
    line += ["--config", *map(str, args.config)] if args.config else []
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(line, env=environment, text=True, stderr=subprocess.STDOUT, stdout=subprocess.PIPE)


def wait_for(server: OrthancServer, reports: int, process: subprocess.Popen[str]) -> None:
    while server.count("SR") < reports and process.poll() is None:
        time.sleep(0.5)


def tried(text: str) -> Counter[str]:
    found = re.search(r"(\d+) had results, (\d+) were refused or damaged before, (\d+) tried", text)
    assert found, text[-2000:]
    return Counter(results=int(found[1]), refused=int(found[2]), tried=int(found[3]))


class Memory:
    """What a process takes: the most at once, and its private memory by the rows of its table."""

    def __init__(self, pid: int, table: Path) -> None:
        self.peak, self.by_rows = 0, dict[int, int]()
        self._pid, self._table = pid, table
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            try:
                rows = self._rows()
                self.peak = max(self.peak, memory("VmHWM", self._pid))
                self.by_rows[rows] = max(self.by_rows.get(rows, 0), memory("RssAnon", self._pid))
            except OSError:  # it has ended
                return
            time.sleep(0.2)

    def _rows(self) -> int:
        return self._table.read_bytes().count(b"\n") - 1 if self._table.is_file() else -1


def tell_memory(turn: str, memory: Memory, tell: Callable[..., None]) -> None:
    """Private memory, the most of the five rows before, along the way."""
    for rows in range(25, max(memory.by_rows, default=0) + 1, 25):
        near = [used for at, used in memory.by_rows.items() if rows - 5 < at <= rows]
        if near:
            tell(f"{turn}: private memory after {rows} images", max(near) / 2**20, "MiB")


def fingerprints(server: OrthancServer) -> dict[str, str]:
    return {each["SOPInstanceUID"]: hashlib.md5(server.file(each["ID"])).hexdigest() for each in server.instances()}


def uid_of(path: Path) -> str:
    return generate_uid(entropy_srcs=["pacs_run", path.stem])


def write_images(folder: Path, images: int, refused: int) -> list[Path]:
    """Images that are to be scored, then those that are to be refused."""
    folder.mkdir()
    written = []
    for number in range(images + refused):
        study = f"study {number // 2 if number % 3 else number}"  # a second image in some studies
        path = folder / f"image {number}.dcm"
        elements = {
            "SOPInstanceUID": uid_of(path),
            "StudyInstanceUID": generate_uid(entropy_srcs=["pacs_run", study]),
            "SeriesInstanceUID": generate_uid(entropy_srcs=["pacs_run", study, str(number % 2)]),
            "PatientID": study,
            **(DX if number % 2 else {}),
            **(REFUSED[number % len(REFUSED)] if number >= images else {}),
        }
        written.append(phantom_image(path, number, SHAPE, inverted=number % 4 > 1, **elements))
    return written


if __name__ == "__main__":
    main()
