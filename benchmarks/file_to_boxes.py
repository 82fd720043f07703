"""From a file to boxes in its pixels: this package beside what a user would write with a CAM library.

    python benchmarks/peer_environment.py DIR                                # once: grad-cam and TorchCAM
    DIR/bin/python benchmarks/file_to_boxes.py IMAGES_OR_FOLDERS...

The programs are in `programs/`: each reads PNG or DICOM (VOI window, MONOCHROME1), runs its network at 384 pixels and
gives score and boxes in the image's pixels. With pytorch-grad-cam and TorchCAM: a ResNet-50 in torchvision's form
(random weights, which cost the same), the map by the method of the library's first example, a threshold and
`scipy.ndimage.label`. Ours: the released model, which reads with all checks, finds the lungs with a network of its
own and runs an EfficientNet-Lite0 on that crop; so this compares programs, and `one_pass.py` the maps alone.

Each program has a process of its own with one thread, and each image goes through all of them in turns. Counted:
CPU time of an image (a ratio within the image; only images that all of them read) and CPU time to be ready, both with
the process that our files are decoded in; the peak of resident memory (`resource.getrusage`), and that of this other
process; and the program's lines that are neither blank nor comments.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from in_turns import RESULTS, memory, number_row, rows, write

PROGRAMS = Path(__file__).parent / "programs"
WAYS = {"ours": "of_monai_tbkd", "pytorch-grad-cam": "of_grad_cam", "TorchCAM": "of_torchcam"}
BENCHMARK, MEASUREMENT = "file_to_boxes", "file to boxes, {} images"


def reader_processes() -> list[Path]:
    """This process's own children, in /proc: our files are decoded in one."""
    return [
        Path("/proc", pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()
    ]


def cpu_seconds() -> float:
    tasks = [task for process in reader_processes() for task in process.glob("task/*/schedstat")]
    return time.process_time() + sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def peaks_of_memory() -> tuple[int, int]:
    """Bytes of this process, and of those that decode for it (forked, so most of it is shared with this one)."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return own, sum(memory("VmHWM", process.name) for process in reader_processes())


def child(program: str) -> None:
    """Answer the path of each line with seconds, boxes and the process's peak of memory so far."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what decoders print
    import torch

    torch.set_num_threads(1)
    sys.path.insert(0, str(PROGRAMS))
    if program != WAYS["ours"]:
        importlib.import_module("stand_in").install()
    boxes_of = importlib.import_module(program).boxes_of
    print(json.dumps({"seconds": cpu_seconds()}), file=answers)
    for line in sys.stdin:
        before, score, boxes = cpu_seconds(), None, []
        try:
            score, boxes = boxes_of(line.rstrip("\n"))
        except Exception as error:
            print(f"{program}: {line}{error!r}", file=sys.stderr)
        seconds = cpu_seconds() - before
        found = {"seconds": seconds, "read": score is not None, "boxes": len(boxes), "peaks": peaks_of_memory()}
        print(json.dumps(found), file=answers)


@contextmanager
def running(way: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A child process of a program, in a folder with its weights."""
    repository = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": repository}
    command = [sys.executable, str(Path(__file__).resolve()), "--child", WAYS[way]]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
        env=environment,
    ) as process:  # fmt: skip
        yield process
        process.stdin.close()  # type: ignore[union-attr]


def answer(process: subprocess.Popen[str], path: Path | None = None) -> dict[str, Any]:
    if path is not None:
        process.stdin.write(f"{path}\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    line = process.stdout.readline()  # type: ignore[union-attr]
    if not line:
        raise RuntimeError(f"{process.args!r} ended at {path}.")
    return json.loads(line)  # type: ignore[no-any-return]


def lines_of(program: str) -> int:
    text = (PROGRAMS / f"{program}.py").read_text(encoding="utf-8").splitlines()
    return sum(1 for line in text if line.strip() and not line.lstrip().startswith("#"))


def measure(images: list[Path], rounds: int, folder: Path) -> list[dict[str, Any]]:
    ways = list(WAYS)
    with running(ways[0], folder) as a, running(ways[1], folder) as b, running(ways[2], folder) as c:
        processes = dict(zip(ways, (a, b, c), strict=True))
        ready = {way: answer(process)["seconds"] for way, process in processes.items()}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        own, readers, boxes, unread = (dict.fromkeys(ways, 0) for _ in range(4))
        for process in processes.values():
            answer(process, images[0])  # warms up
        for number, image in enumerate(images * rounds):
            start = number % len(ways)
            found = {way: answer(processes[way], image) for way in ways[start:] + ways[:start]}
            for way, of_way in found.items():
                own[way], readers[way] = of_way["peaks"]  # so far
                boxes[way] += of_way["boxes"]
                unread[way] += not of_way["read"]
                if all(each["read"] for each in found.values()):  # else they did not do the same work
                    seconds[way].append(of_way["seconds"])
    what = MEASUREMENT.format(len(images))
    made = rows(BENCHMARK, what, seconds, "ours")
    for way in ways:
        made += [
            number_row(BENCHMARK, "CPU seconds to be ready", way, ready[way], "s CPU"),
            number_row(BENCHMARK, "peak memory", way, own[way] / 2**20, "MiB", len(images)),
            number_row(BENCHMARK, "peak memory, reading process", way, readers[way] / 2**20, "MiB", len(images)),
            number_row(BENCHMARK, "lines of the program", way, lines_of(WAYS[way]), "lines"),
            number_row(BENCHMARK, "boxes drawn", way, boxes[way] / rounds, "boxes", len(images)),
            number_row(BENCHMARK, "images without a score", way, unread[way] / rounds, "images", len(images)),
        ]
    return made


def compare(args: argparse.Namespace) -> None:
    import torch

    sys.path.insert(0, str(PROGRAMS))
    images: list[Path] = []
    for source in args.images:
        found = sorted(p for p in source.rglob("*") if p.suffix in (".png", ".dcm")) if source.is_dir() else [source]
        images += [path.resolve() for path in found[:: max(len(found) // args.limit, 1)][: args.limit]]
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        network = importlib.import_module("stand_in").ResNet50(num_classes=2)
        torch.save(network.state_dict(), Path(folder) / "resnet50_tb.pt")
        write(BENCHMARK, measure(images, args.rounds, Path(folder)), args.output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", type=Path, help="PNG and DICOM (.dcm), and folders of them")
    parser.add_argument("--limit", type=int, default=20, help="images of a folder, spread over it")
    parser.add_argument("--rounds", type=int, default=1, help="times that each image goes through")
    parser.add_argument("--output", type=Path, default=RESULTS / "performance.csv")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child)
    else:
        compare(args)


if __name__ == "__main__":
    main()
