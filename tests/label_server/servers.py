"""Real servers on loopback: MONAI Label with our app, and Orthanc."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import requests
except ImportError:  # all tests here are skipped then, with the reason
    requests = None  # type: ignore[assignment]

from tests.ports import free_port

ORTHANC_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass
class LabelServer:
    """A running server."""

    url: str
    app: Path
    log: Path
    process: subprocess.Popen[bytes]

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        """Ask; a server that answers nothing within a minute has failed."""
        return requests.request(method, f"{self.url}{path}", timeout=60, **more)

    def info(self) -> dict[str, Any]:
        return self.request("GET", "/info/").json()

    def run_task(self, start: str, status: str, body: dict[str, Any] | None = None, seconds: float = 120) -> None:
        """Start a task in the background and wait until it is done."""
        answer = self.request("POST", start, json=body or {})
        assert answer.status_code == 200, answer.text
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            task = self.request("GET", status).json()
            if task["status"] not in ("SUBMITTED", "RUNNING"):
                assert task["status"] == "DONE", f"{task}\n{self.tail()}"
                return
            time.sleep(0.3)
        raise AssertionError(f"{start} took more than {seconds} s\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


@contextmanager
def label_server(
    app: Path,
    studies: str | Path,
    scratch: Path,
    conf: dict[str, str] | None = None,
    host: str = "127.0.0.1",
    **environment: str,
) -> Iterator[LabelServer]:
    """Start the documented command and wait until it answers."""
    port = free_port()
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(app), "--studies", str(studies)]
    command += ["--host", host, "--port", str(port), "--uvicorn_app", "monai_tbkd.label.server:app"]
    command += [word for key, value in (conf or {}).items() for word in ("--conf", key, value)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MONAI_LABEL", "TBKD"))}
    env = {**kept, "OMP_NUM_THREADS": "1", "HOME": str(scratch), **environment}
    log = scratch / f"server_{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=env, cwd=scratch, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    server = LabelServer(f"http://127.0.0.1:{port}", app, log, process)
    token = environment.get("TBKD_LABEL_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        _wait(f"{server.url}/info/", process, server.tail, headers)
        yield server
    finally:
        _stop(process)


@contextmanager
def orthanc(scratch: Path) -> Iterator[str]:
    """Start Orthanc with DICOMweb; gives its address."""
    port, folder = free_port(), scratch / "orthanc"
    folder.mkdir()
    settings = {
        "StorageDirectory": str(folder), "IndexDirectory": str(folder), "HttpPort": port, "RemoteAccessAllowed": False,
        "DicomServerEnabled": False, "AuthenticationEnabled": False, "Plugins": [str(ORTHANC_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["Orthanc", str(folder / "orthanc.json")], stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/system", process, lambda: log.read_text(errors="replace")[-2000:], {})
        yield f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


def why_no_orthanc() -> str:
    """Empty where Orthanc can be started."""
    if shutil.which("Orthanc") is None:
        return "Orthanc is not installed (Debian package orthanc)"
    return "" if ORTHANC_PLUGIN.is_file() else "Orthanc's DICOMweb is not installed (Debian package orthanc-dicomweb)"


def _wait(url: str, process: subprocess.Popen[bytes], tail: Any, headers: dict[str, str], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, tail()
        try:
            if requests.get(url, timeout=5, headers=headers).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise AssertionError(f"no answer in {seconds} s\n{tail()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except (ProcessLookupError, PermissionError):
            return
        except subprocess.TimeoutExpired:
            continue
        return
