"""Python programs as processes of their own, started in a fraction of a second instead of ten.

Most of the start of ``python -m monai.bundle`` is the import of torch and MONAI. A server process imports them once and
forks for each program (multiprocessing's forkserver). Of the project nothing is imported beforehand: each program takes
it from its own path. A process can be killed, and has its exit status and output, like any other.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.ports import free_port

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["monai.bundle", "monai.engines", "monai.handlers", "torch.utils.tensorboard"])


@dataclass(frozen=True)
class Finished:
    """How a program ended.

    Attributes:
        status: exit status; below 0 the signal that ended it.
        text: what it wrote to both standard streams.
    """

    status: int
    text: str


@dataclass
class Program:
    """A running Python program.

    Args:
        words: ``-m MODULE ARGUMENT ...`` or ``SCRIPT ARGUMENT ...``, as after ``python``.
        cwd: its working directory.
        environment: its environment variables.
    """

    words: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]
    process: ForkServerProcess = field(init=False)

    def __post_init__(self) -> None:
        handle, name = tempfile.mkstemp()
        os.close(handle)
        self._output = Path(name)
        arguments = ([str(word) for word in self.words], str(self.cwd), dict(self.environment), name)
        self.process = _CONTEXT.Process(target=_run, args=arguments)
        self.process.start()

    @property
    def pid(self) -> int:
        """Its process, which leads a group of its own."""
        assert self.process.pid is not None
        return self.process.pid

    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.is_alive()

    def kill(self) -> int:
        """Kill it and the processes that it has started; its exit status."""
        while True:
            try:
                os.killpg(self.pid, signal.SIGKILL)
                break
            except ProcessLookupError:  # it has not yet made its group, or has ended
                if not self.running():
                    break
                time.sleep(0.001)
        return self.wait().status

    def wait(self, timeout: float = 240) -> Finished:
        """Wait for its end.

        Raises:
            TimeoutError: it runs for more than `timeout` seconds, and was killed.
        """
        self.process.join(timeout)
        if self.running():
            self.kill()
            raise TimeoutError(f"{' '.join(self.words)[:200]} did not end in {timeout} seconds.")
        text = self._output.read_text(errors="replace")
        assert self.process.exitcode is not None
        return Finished(self.process.exitcode, text)


def run_python(words: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout: float = 240) -> Finished:
    """Run a program to its end; see :class:`Program`."""
    return Program(words, cwd, environment).wait(timeout)


def run_ranks(words: Sequence[str], cwd: Path, environment: Mapping[str, str], processes: int) -> Finished:
    """Run several processes of one program, with the environment that torchrun gives to each.

    Returns:
        The status of the first that failed, or 0, and what all of them wrote.
    """
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    group |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    programs = [
        Program(words, cwd, {**environment, **group, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(processes)
    ]
    ended = [program.wait() for program in programs]
    status = next((each.status for each in ended if each.status), 0)
    return Finished(status, "".join(each.text for each in ended))


def _run(words: list[str], cwd: str, environment: dict[str, str], output: str) -> None:
    """Be the program, in the forked process."""
    os.setpgrp()
    with open(output, "wb", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    multiprocessing.set_start_method("fork", force=True)  # what a program has that was not started here
    warnings.simplefilter("ignore")
    library = [entry for entry in sys.path if "site-packages" in entry or entry.startswith(sys.base_prefix)]
    named = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    module = words[0] == "-m"
    sys.argv = words[1:] if module else words
    sys.path[:] = [cwd if module else str(Path(words[0]).parent), *named, *library]
    status = 0
    try:
        if module:
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        status = 1
    atexit._run_exitfuncs()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
