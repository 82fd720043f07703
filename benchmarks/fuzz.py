"""Feed every parser damaged files and impossible values; only errors of this package's own may come out.

    python benchmarks/fuzz.py --cases 100000
    python benchmarks/fuzz.py --cases 1000 --target dicom png --seed 3
    python benchmarks/fuzz.py --target dicom --only 4711        # one case again, with its traceback

A case passes where the parser answers, or refuses with an error that this package raises itself: a ``raise`` of
a ``ValueError`` or ``OSError`` (``ImageError`` and ``DatalistError`` are such) in one of its own files.
Anything else is a fault: another exception, one that a library let slip through, more seconds than ``--seconds``, more
memory than ``--memory``, or the end of the process. Case number N of a target is the same for the same seed.
Each target runs in a process of its own, which is started anew behind a case that ended it.
"""

from __future__ import annotations

import argparse
import linecache
import logging
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from in_turns import replace_rows

RESULTS = Path(__file__).parent / "results" / "fuzz.csv"
COLUMNS = (
    "target", "group", "seed", "cases", "answered", "refused", "faults", "slowest_seconds", "memory_growth_mib",
    "cpu_seconds",
)  # fmt: skip
Fault = tuple[int, str]


class HangError(BaseException):
    """A case that takes too long; not an Exception, so that no parser swallows it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="of each target")
    parser.add_argument("--target", nargs="+", help="some of the targets or groups; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="this case alone, with its traceback")
    parser.add_argument("--seconds", type=float, default=20.0, help="more than that is a hang")
    parser.add_argument("--memory", type=int, default=2048, help="MiB beyond what the program takes itself")
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    from fuzz_targets import TARGETS

    wanted = args.target or list(TARGETS)
    names = [name for name, each in TARGETS.items() if name in wanted or each.group in wanted]
    unknown = set(wanted) - set(TARGETS) - {each.group for each in TARGETS.values()}
    if unknown or not names:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; targets are {', '.join(TARGETS)}.")
    failed = 0
    for name in names:
        row, faults = run_target(name, args)
        failed += len(faults)
        print(" | ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        kinds = Counter(text for _, text in faults)
        for text, number in kinds.most_common(12):
            print(f"  {number} x, first case {next(case for case, each in faults if each == text)}: {text}", flush=True)
        if args.only is None:
            replace_rows(args.output, COLUMNS, "target", [name], [row])
    return 1 if failed else 0


def run_target(name: str, args: argparse.Namespace) -> tuple[dict[str, Any], list[Fault]]:
    """All cases of a target, in a process that is started again where a case ended it."""
    from fuzz_targets import TARGETS

    context = multiprocessing.get_context("fork")
    first, last = (0, args.cases) if args.only is None else (args.only, args.only + 1)
    counts, slowest, grown, cpu, faults = Counter[str](), 0.0, 0, 0.0, list[Fault]()
    current = context.Value("q", first)
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    scratch = tempfile.TemporaryDirectory(dir=memory)
    draw = TARGETS[name].make(Path(scratch.name))
    while first < last:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=work, args=(draw, name, args, first, last, current, theirs))
        child.start()
        theirs.close()
        while True:
            try:
                kind, *rest = ours.recv()
            except EOFError:
                break
            if kind == "fault":
                faults.append((rest[0], rest[1]))
            else:
                counts.update(rest[0])
                slowest, grown, cpu = max(slowest, rest[1]), max(grown, rest[2]), cpu + rest[3]
        child.join()
        first = last
        if child.exitcode:
            faults.append((current.value, f"the process ended with {child.exitcode}"))
            first = current.value + 1
    scratch.cleanup()
    row = dict(
        zip(
            COLUMNS,
            (
                name, TARGETS[name].group, args.seed, args.cases, counts["answered"], counts["refused"], len(faults),
                f"{slowest:.2f}", grown, f"{cpu:.0f}",
            ),
        )
    )  # fmt: skip
    return row, faults


def work(draw: Any, name: str, args: argparse.Namespace, first: int, last: int, current: Any, pipe: Any) -> None:
    """Cases one after the other; counts go out now and then, faults at once."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if args.only is None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries in C write there
    signal.signal(signal.SIGALRM, stop)
    counts, slowest, cpu = Counter[str](), 0.0, time.process_time()
    for _ in range(3):  # what libraries load at first is not the case's memory
        outcome(draw(random.Random("warm up")), args.seconds, False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + args.memory * 2**20, resource.RLIM_INFINITY))
    for case in range(first, last):
        current.value = case
        run = draw(random.Random(f"{args.seed}/{name}/{case}"))
        start = time.perf_counter()
        kind, text = outcome(run, args.seconds, args.only is not None)
        seconds = time.perf_counter() - start
        slowest = max(slowest, seconds)
        if kind == "fault" or seconds > args.seconds:
            pipe.send(("fault", case, text or f"{seconds:.1f} seconds"))
        else:
            counts[kind] += 1
        if case % 500 == 499 or case == last - 1:
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
            now = time.process_time()
            pipe.send(("counts", counts, slowest, grown, now - cpu))
            counts, cpu = Counter(), now
    pipe.close()


def outcome(run: Any, seconds: float, show: bool) -> tuple[str, str]:
    """``answered``, ``refused`` or ``fault``, and what there is to say of it."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        run()
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if show:
            traceback.print_exc()
        fault = fault_of(error)
        return ("fault", fault) if fault else ("refused", "")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "answered", ""


def fault_of(error: BaseException) -> str:
    """Why an error is not one of ours; empty where it is."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    inside = "monai_tbkd" in Path(last.filename).parts
    raised = linecache.getline(last.filename, last.lineno or 0).strip().startswith("raise ")
    if isinstance(error, (ValueError, OSError)) and inside and raised:
        try:
            if str(error).strip():
                return ""
        except Exception as other:
            return f"{type(error).__name__} whose text cannot be made: {type(other).__name__}"
    ours = next((frame for frame in reversed(frames) if "monai_tbkd" in Path(frame.filename).parts), last)
    return f"{type(error).__name__} at {Path(ours.filename).name}:{ours.lineno}: {str(error)[:80]!r}"[:160]


def stop(*_: object) -> None:
    raise HangError("too many seconds")


if __name__ == "__main__":
    sys.exit(main())
