"""Trainings that are killed (SIGKILL) and gone on with, against unbroken ones: do weights, curves or metrics differ?

    python benchmarks/kill_training.py [--kills 21] [--seed 0]

Teacher, student and control are trained through ``monai.bundle`` on a few phantom films, and evaluated, in three ways:
without workers, with two workers, and on kept features. Each way is gone three times: unbroken, unbroken
once more (is one seed one result?), and killed at random moments, each time followed by the same command. In each way
one kill of each stage comes while its state is written to the disk: the half-written file is then still there. Every
process has one thread of a CPU. `--output` gets a row for each kill and for each comparison; a value other than 0 in a
comparison is a fault, and the exit status is then 1.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from in_turns import write_table
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
from monai_tbkd.data.phantom import write_phantom_dataset  # noqa: E402
from monai_tbkd.handlers.training_state import training_state_path  # noqa: E402
from monai_tbkd.networks import ActivationMapNet  # noqa: E402
from monai_tbkd.networks.weights import load_plain  # noqa: E402

COLUMNS = ("way", "run", "what", "stage", "seconds", "epochs_kept", "value")
STAGES = {"teacher": "teacher.pt", "student": "model.pt", "control": "control.pt"}
EPOCHS = 5
SMALL = {
    "image_size": 96, "min_side": 16, "max_epochs": EPOCHS, "batch_size": 8, "grid": 64, "select": 0.34,
    "bootstrap_resamples": 50, "overlays": 4, "device": "$torch.device('cpu')", "progress_bar": False,
    "learning_rate": 1e-3, "val_interval": 1,
}  # fmt: skip
WHOLE = {"num_workers": 0, "network_def#last_stage": "layer3"}
WAYS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "no workers": (["demo"], WHOLE),
    "two workers": (["demo"], {**WHOLE, "num_workers": 2}),
    "kept features": ([], {"num_workers": 0, "network_def#backbone": "resnet18"}),
}
"""By way the recipe over train.yaml, and settings."""
MOST_SECONDS = 900


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=21, help="of all ways together")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--output", type=Path, default=REPOSITORY / "benchmarks" / "results" / "kill_training.csv")
    args = parser.parse_args()
    table = Table(args.output)
    moments = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        films = write_phantom_dataset(
            Path(name) / "films",
            n_train={"health": 24, "sick": 12, "tb": 36},
            n_val={"health": 3, "sick": 2, "tb": 5},
            size=128,
            shortcut_kinds=("letter",),
        )
        torch.manual_seed(0)  # features of a random backbone are features as well
        torch.save(ActivationMapNet("resnet18").backbone.state_dict(), Path(name) / "backbone.pt")
        for number, way in enumerate(args.ways):
            share = (args.kills + number) // len(args.ways)
            measure(way, share, moments, films, Path(name) / f"{number}", table)
    sys.exit(1 if table.faults else 0)


def measure(way: str, kills: int, moments: random.Random, films: Path, folder: Path, table: Table) -> None:
    """Go one way three times and compare."""
    runs = [Run(way, name, films, folder / name) for name in ("unbroken", "unbroken again", "killed")]
    for run in runs[:2]:
        run.finish()
    killed = runs[2]
    for number in range(kills):
        stage = list(STAGES)[number * len(STAGES) // kills]
        first = number == 0 or stage != list(STAGES)[(number - 1) * len(STAGES) // kills]
        table.add(way, killed.name, **killed.kill(stage, runs[0].epoch_seconds(stage), moments.random(), first))
    killed.finish()
    for run in runs[1:]:
        for what, value in differences(runs[0], run).items():
            table.add(way, run.name, what=what, value=value)


@dataclass
class Run:
    """One folder that teacher, student and control are trained into.

    Attributes:
        way: key of `WAYS`.
        name: of the run in the table.
        films: the data set.
        folder: for everything.
    """

    way: str
    name: str
    films: Path
    folder: Path

    def finish(self) -> None:
        """Train what is left to the end, and evaluate."""
        for stage, configs in (("all", ["train"]), ("control", ["train"]), ("all", ["train", "evaluate"])):
            process = self._start(stage, configs)
            if process.wait(timeout=MOST_SECONDS):
                text = (self.folder / "log").read_text(errors="replace")
                raise SystemExit(f"{self.way}, {self.name}: {stage} ended with {process.returncode}\n{text[-3000:]}")

    def kill(self, stage: str, epoch_seconds: float, moment: float, writing: bool) -> dict[str, Any]:
        """Start the command of a stage and kill it and its workers.

        Args:
            stage: in which it is killed, if it is not over before.
            epoch_seconds: that its epochs took in an unbroken run.
            moment: where in a stretch as long as the rest of the stage takes, 0-1.
            writing: while the state of the epoch in work then is written, instead of then.

        Returns:
            The row of the table.
        """
        if self._epochs(stage) == EPOCHS:
            return {"what": "over before the kill", "stage": stage, "epochs_kept": EPOCHS}
        rest = moment * (EPOCHS - self._epochs(stage))
        process = self._start("control" if stage == "control" else "all", ["train"])
        began = self._wait(process, stage, 1 + int(rest) if writing else 0)
        if not writing:
            time.sleep(rest * epoch_seconds)
        over = process.poll() is not None
        if not over:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        written = "kill while the state is written" if self._part(stage).exists() else "kill"
        return {
            "what": "over before the kill" if over else written,
            "stage": stage,
            "seconds": time.monotonic() - began,
            "epochs_kept": self._epochs(stage),
        }

    def epoch_seconds(self, stage: str) -> float:
        """How long an epoch of a stage took, by the clock of its curves."""
        found = _events(self.folder / "tensorboard" / stage).Scalars("train/lr")
        return (found[-1].wall_time - found[0].wall_time) / (len(found) - 1) * len(found) / EPOCHS

    def _wait(self, process: subprocess.Popen[bytes], stage: str, writes: int) -> float:
        """Until the stage takes its steps, or its state is written for so many times; since when it takes steps."""
        events, part = self.folder / "tensorboard" / stage, self._part(stage)
        part.unlink(missing_ok=True)  # of the kill before
        before = set(events.glob("*"))
        while process.poll() is None and set(events.glob("*")) <= before:
            time.sleep(0.002)
        began = time.monotonic()
        for write in range(writes):
            while process.poll() is None and not part.exists():
                pass
            while write + 1 < writes and part.exists():
                pass
        return began

    def _epochs(self, stage: str) -> int:
        if not self._state(stage).is_file():
            return EPOCHS if self._checkpoint(stage).with_suffix(".json").is_file() else 0
        return int(load_plain(self._state(stage))["epoch"])

    def _checkpoint(self, stage: str) -> Path:
        return self.folder / "models" / STAGES[stage]

    def _state(self, stage: str) -> Path:
        return training_state_path(self._checkpoint(stage))

    def _part(self, stage: str) -> Path:
        return self._state(stage).with_name(self._state(stage).name + ".part")

    def _start(self, stage: str, configs: list[str]) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        recipes, own = WAYS[self.way]
        files = [str(REPOSITORY / "bundle" / "configs" / f"{name}.yaml") for name in configs]
        files += [str(REPOSITORY / "configs" / f"{name}.yaml") for name in recipes]
        given = {"dataset_dir": self.films, "ckpt_dir": self.folder / "models", "output_dir": self.folder}
        given |= {**SMALL, **own, "stage": stage}
        if not recipes:
            given["weights"] = self.films.parent / "backbone.pt"
        line = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(files)]
        line += [word for key, value in given.items() for word in (f"--{key}", str(value))]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(line, env=environment, stdout=log, stderr=log, start_new_session=True)


def differences(expected: Run, found: Run) -> dict[str, int]:
    """What differs between two runs, each as a count that should be 0."""
    counts = {"tensors that differ": 0, "records that differ": 0, "curve points and pictures that differ": 0}
    counts |= {"curve points twice": 0, "metrics files that differ": 0}
    for stage, checkpoint in STAGES.items():
        one, other = (run.folder / "models" / checkpoint for run in (expected, found))
        first, second = load_plain(one), load_plain(other)
        counts["tensors that differ"] += sum(
            key not in first or key not in second or not torch.equal(first[key], second[key])
            for key in first.keys() | second.keys()
        )
        counts["records that differ"] += (
            one.with_suffix(".json").read_bytes() != other.with_suffix(".json").read_bytes()
        )
        points, others = (list(curves(run.folder / "tensorboard" / stage)) for run in (expected, found))
        counts["curve points and pictures that differ"] += len(set(points) ^ set(others))
        steps = [point[:2] for point in others]
        counts["curve points twice"] += len(steps) - len(set(steps))
    for name in ("metrics.json", "films.csv", "models/operating_point.json"):
        counts["metrics files that differ"] += (expected.folder / name).read_bytes() != (
            found.folder / name
        ).read_bytes()
    there = [{p.name for p in (run.folder / "models").iterdir()} for run in (expected, found)]
    return counts | {"files more or less beside the models": len(there[0] ^ there[1])}


def curves(folder: Path) -> Iterator[tuple[str, int, Any]]:
    """Tag, step and value of all that was written for TensorBoard."""
    found = _events(folder)
    for tag in found.Tags()["scalars"]:
        yield from ((tag, each.step, each.value) for each in found.Scalars(tag))
    for tag in found.Tags()["images"]:
        yield from ((tag, each.step, each.encoded_image_string) for each in found.Images(tag))


def _events(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


class Table:
    """Rows that are written as they come."""

    def __init__(self, path: Path) -> None:
        self.path, self.faults = path, 0
        self.rows: list[dict[str, Any]] = []

    def add(self, way: str, run: str, **row: Any) -> None:
        """Write a row, and count it where it tells of a fault."""
        seconds = {"seconds": f"{row['seconds']:.2f}"} if "seconds" in row else {}
        made = {**dict.fromkeys(COLUMNS, ""), "way": way, "run": run, **row, **seconds}
        self.rows.append(made)
        self.faults += bool(row.get("value"))
        write_table(self.path, COLUMNS, self.rows)
        print(", ".join(str(value) for value in made.values() if value != ""), flush=True)


if __name__ == "__main__":
    main()
