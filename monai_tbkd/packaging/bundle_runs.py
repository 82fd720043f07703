"""Run every config of a bundle with numbers that make it small, from another working directory."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.packaging.config_checks import config_files
from monai_tbkd.packaging.zoo_rules import ERROR, OK, SKIPPED, WARNING, Finding

logger = logging.getLogger(__name__)

LAUNCHER = Path(__file__).with_name("launcher.py")
OWN_RUNS = Path(__file__).with_name("own_runs.yaml")
_LONGEST_SECONDS = 1800
_RAISED = re.compile(r"(\[rank\d+\]:\s*)?[\w.]+(Error|Exception)(: |$)")
_ROOT_CAUSE = re.compile(r"Root Cause.*?rank\s*: (?P<rank>\d+).*?exitcode\s*: (?P<code>[^\n]+)", re.DOTALL)


def read_runs(path: Path, positions: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Read which configs to run with what overrides.

    Args:
        path: YAML or JSON with a list ``runs``; each has ``configs``, and optionally ``run_id``, ``overrides``,
            ``workflow`` (``train`` or ``inference``), ``processes``, ``unless`` (an id that must not be true) and
            ``skip`` (why it can't be run here).
        positions: folders that stand for ``{name}`` in overrides.

    Raises:
        ValueError: the file is not of this form.
    """

    def placed(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {key: placed(value) for key, value in node.items()}
        if isinstance(node, list):
            return [placed(value) for value in node]
        for name, folder in positions.items():
            node = node.replace(f"{{{name}}}", str(folder)) if isinstance(node, str) else node
        return node

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    runs = content.get("runs") if isinstance(content, Mapping) else None
    if not isinstance(runs, list) or not all(isinstance(run, Mapping) and run.get("configs") for run in runs):
        raise ValueError(f"{path}: expected a list 'runs' of mappings with 'configs'.")
    return [{**run, "overrides": placed(run.get("overrides") or {})} for run in runs]


def run_configs(
    root: Path, runs: Sequence[Mapping[str, Any]], chains: Mapping[str, Sequence[str]], work: Path
) -> list[Finding]:
    """Run configs (see `read_runs`), and check the properties of those that are a training or an inference.

    `chains` are of each config, to know which no run covers.
    """
    files = config_files(root)
    found: list[Finding] = []
    covered: set[str] = set()
    for number, run in enumerate(runs):
        names = list(run["configs"])
        title = f"{' + '.join(names)}, {run.get('run_id', 'run')}"
        absent = [name for name in names if name not in files]
        if absent:
            found.append(Finding("run", SKIPPED, f"{title}: the bundle has no config {', '.join(absent)}."))
            continue
        covered.add(names[-1])
        values = {k: v for name in names for k, v in read_config(files[name]).items()} | run["overrides"]
        reason = run.get("skip")
        if run.get("unless") and str(values.get(run["unless"])).lower() == "true":
            reason = f"not for a bundle with {run['unless']}"
        if reason:
            found.append(Finding("run", SKIPPED, f"{title}: {reason}."))
            continue
        paths = [str(files[name]) for name in names]
        found.append(_run(root, title, paths, run, work))
        if run.get("workflow") and found[-1].level == OK:
            found.append(_properties(root, title, paths, run, work / f"properties_{number}.json"))
    for name in sorted(set(chains) - covered):
        found.append(Finding("run", WARNING, f"{' + '.join(chains[name])}: not run; there are no overrides for it."))
    return found


def launch(root: Path, arguments: Sequence[str], work: Path, processes: int = 1) -> subprocess.CompletedProcess[str]:
    """Start a program with the bundle's own code or none, see `launcher`; several processes by torchrun.

    Args:
        root: the bundle.
        arguments: a module, a script or a check, and its arguments.
        work: the working directory.
        processes: how many.
    """
    work.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore"]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "TBKD_TRACEBACK")}
    return subprocess.run(
        [*command, str(LAUNCHER), str(root), *arguments], cwd=work, env={**kept, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=_LONGEST_SECONDS,
    )  # fmt: skip


def _run(root: Path, title: str, paths: Sequence[str], run: Mapping[str, Any], work: Path) -> Finding:
    arguments = ["monai.bundle", "run", str(run.get("run_id", "run"))]
    for key, value in {"config_file": list(paths), **run["overrides"]}.items():
        arguments += [f"--{key}", value if isinstance(value, str) else repr(value)]
    logger.info("running %s", title)
    try:
        done = launch(root, arguments, work / "elsewhere", int(run.get("processes", 1)))
    except subprocess.TimeoutExpired:
        return Finding("run", ERROR, f"{title}: not done after {_LONGEST_SECONDS} seconds.")
    if done.returncode:
        return Finding("run", ERROR, f"{title}: ended with status {done.returncode}: {_why(done.stdout)}")
    return Finding("run", OK, f"{title}: runs from another working directory.")


def _why(output: str) -> str:
    """Return the line that gives the reason: our own error, or else the first exception of a chain.

    Of a process among several that is a line with its rank before it, or, where it could print nothing, the exit code
    or signal of the one that failed first; torchrun's own exception says only that one did.
    """
    lines = [line for line in output.splitlines() if line.strip()] or [""]
    own = [line for line in reversed(lines) if line.startswith("error:")]
    raised = [line for line in lines if _RAISED.match(line) and "ChildFailedError" not in line]
    root = _ROOT_CAUSE.search(output)
    if root:  # what the others raise is that they lost the one that failed
        raised = [line for line in raised if line.startswith(f"[rank{root['rank']}]:") or not line.startswith("[rank")]
        raised.append(f"process {root['rank']} ended with exit code {root['code']}")
    return [*own, *raised, lines[-1]][0]


def _properties(root: Path, title: str, paths: Sequence[str], run: Mapping[str, Any], result: Path) -> Finding:
    wanted = json.dumps([list(paths), run["workflow"], run["overrides"]])
    launch(root, ["check_properties", str(result), wanted], result.parent)
    answer = json.loads(result.read_text(encoding="utf-8")) if result.is_file() else {"error": "came to no end."}
    if answer.get("error"):
        return Finding("properties", ERROR, f"{title}: check_properties: {answer['error']}")
    if answer["missing"]:
        return Finding("properties", ERROR, f"{title}: missing or wrong: {', '.join(answer['missing'])}.")
    return Finding("properties", OK, f"{title}: has every property of a {run['workflow']} workflow.")
