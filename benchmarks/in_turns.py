"""Ways to do the same, timed in turns, and tables of results: what the measurements of this folder share.

Each round runs every way once, in an order that moves on from round to round, and a ratio is taken within a round, so
that whatever else the machine does meets both sides. Time is CPU time of the process (all its threads), which holds
no waiting; with one thread it is what the work costs on an idle machine. A median stands with its 95 % interval, by
ranks (no assumption on the distribution).
"""

from __future__ import annotations

import csv
import os
import platform
import re
import resource
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scipy.stats import binom

RESULTS = Path(__file__).parent / "results"
COLUMNS = ("benchmark", "measurement", "way", "base", "value", "low", "high", "unit", "pairs", "machine")
Way = Callable[[], Any]


class Median(NamedTuple):
    """With the ends of its 95 % interval."""

    value: float
    low: float
    high: float
    number: int


def median(values: Sequence[float]) -> Median:
    """The median and its interval by ranks; below six values the interval is the range."""
    ordered, n = sorted(values), len(values)
    rank = max(int(binom.ppf(0.025, n, 0.5)) - 1, 0)
    return Median(statistics.median(ordered), ordered[rank], ordered[n - 1 - rank], n)


def in_turns(ways: Mapping[str, Way], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """CPU seconds of each way in each round; the first rounds are not counted."""
    names = list(ways)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(warm_up + rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            before = time.process_time()
            ways[name]()
            seconds = time.process_time() - before
            if number >= warm_up:
                found[name].append(seconds)
    return found


def rows(benchmark: str, measurement: str, found: Mapping[str, Sequence[float]], base: str) -> list[dict[str, Any]]:
    """The base in milliseconds and the others as ratios to it, round by round."""
    made = [_row(benchmark, measurement, base, "", median([1000 * s for s in found[base]]), "ms CPU")]
    for name, seconds in found.items():
        if name != base:
            ratio = median([a / b for a, b in zip(seconds, found[base], strict=True)])
            made.append(_row(benchmark, measurement, name, base, ratio, "times"))
    return made


def _row(benchmark: str, measurement: str, way: str, base: str, found: Median, unit: str) -> dict[str, Any]:
    values = {"value": f"{found.value:.4g}", "low": f"{found.low:.4g}", "high": f"{found.high:.4g}"}
    return {"benchmark": benchmark, "measurement": measurement, "way": way, "base": base, **values, "unit": unit,
            "pairs": found.number, "machine": machine()}  # fmt: skip


def number_row(benchmark: str, measurement: str, way: str, value: float, unit: str, number: int = 1) -> dict[str, Any]:
    """A number without a spread."""
    return _row(benchmark, measurement, way, "", Median(value, value, value, number), unit)


def machine() -> str:
    """The class of the processor and how many of it there are."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    flags = ""
    if info.is_file():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in lines.items()}
        name = fields.get("model name", name)
        known = {"avx512_vnni": "VNNI", "avx512_bf16": "BF16", "amx_tile": "AMX"}
        flags = " ".join(word for flag, word in known.items() if flag in fields.get("flags", "").split())
    return f"{name}, {os.cpu_count()} CPUs{', ' + flags if flags else ''}"


def memory(key: str, pid: int | str = "self") -> int:
    """Bytes of a process by Linux: ``RssAnon`` is private, ``VmRSS`` resident, ``VmHWM`` the most resident so far."""
    found = re.search(rf"{key}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def children_seconds() -> float:
    """CPU seconds, user and system, of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> None:
    """Write rows, by column or in order, as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [[row[name] for name in columns] if isinstance(row, Mapping) else row for row in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *lines])


def replace_rows(
    path: Path,
    columns: Sequence[str],
    column: str,
    replaced: Collection[str],
    made: Sequence[Mapping[str, Any]],
    order: Callable[[Mapping[str, Any]], int] | None = None,
) -> None:
    """Write rows into a table in the place of those that have one of some values in a column.

    Args:
        path: the table, as CSV; there may be none yet.
        columns: of the table.
        column: by which rows are told apart.
        replaced: its values whose former rows go.
        made: the new rows; after the others, unless there is an order.
        order: of a row.
    """
    kept: list[Mapping[str, Any]] = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            kept = [row for row in csv.DictReader(file) if row[column] not in replaced]
    rows = [*kept, *made]
    if order is not None:
        rows.sort(key=order)
    write_table(path, columns, rows)


def write(benchmark: str, made: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Put a benchmark's rows in the place of its former ones in the table, and print them."""
    replace_rows(path, COLUMNS, "benchmark", [benchmark], made)
    for row in made:
        spread = "" if row["low"] == row["high"] else f" [{row['low']}, {row['high']}]"
        of = f" of {row['base']}" if row["base"] else ""
        print(f"{row['measurement']} | {row['way']} | {row['value']}{spread} {row['unit']}{of} | n {row['pairs']}")
