"""A real PACS for a test: Orthanc on a free port of this machine, with its DICOMweb plugin and a storage of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import requests

from tests.ports import free_port

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SR, SEG, SC = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.7"


def why_absent() -> str:
    """Why there is no Orthanc, or the empty string."""
    if shutil.which("Orthanc") is None:
        return "Orthanc is not installed (Debian package orthanc)"
    return "" if PLUGIN.is_file() else "Orthanc has no DICOMweb (Debian package orthanc-dicomweb)"


class OrthancServer:
    """Orthanc as a process; what it holds survives a kill.

    Args:
        folder: its own.
        options: of its configuration.
        auth: user and password for this class's own requests.
    """

    def __init__(self, folder: Path, auth: tuple[str, str] | None = None, **options: Any) -> None:
        self.folder, self.auth = folder, auth
        self.port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.root}/dicom-web"
        folder.mkdir(parents=True)
        configuration = {
            "Name": "test", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
            "Plugins": [str(PLUGIN)], "HttpPort": self.port, "DicomServerEnabled": False,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "HttpThreadsCount": 4,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(configuration | options))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> OrthancServer:
        """Start it, and wait until it answers."""
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(["Orthanc", str(self.folder / "orthanc.json")], stdout=log, stderr=log)
        log.close()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                self._ask("GET", "/system")
                return self
            except requests.ConnectionError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def kill(self) -> None:
        """End it on the spot (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def upload(self, *files: Path) -> None:
        """Store files by Orthanc's own interface, which takes what STOW-RS would."""
        for file in files:
            self._ask("POST", "/instances", data=file.read_bytes())

    def instances(self, *sop_classes: str) -> list[dict[str, Any]]:
        """What is stored, by simple tags, with Orthanc's own ``ID``; only of some SOP classes, if any are named."""
        found = []
        for each in self._ask("GET", "/instances").json():
            tags = self._ask("GET", f"/instances/{each}/simplified-tags").json()
            found.append(tags | {"ID": each})
        return [tags for tags in found if not sop_classes or tags["SOPClassUID"] in sop_classes]

    def count(self, modality: str) -> int:
        """How many series of a modality there are."""
        query = {"Level": "Series", "Query": {"Modality": modality}}
        return len(self._ask("POST", "/tools/find", json=query).json())

    def file(self, ident: str) -> bytes:
        """An object as it is stored."""
        return self._ask("GET", f"/instances/{ident}/file").content

    def delete(self, ident: str) -> None:
        """Remove an object."""
        self._ask("DELETE", f"/instances/{ident}")

    def _ask(self, method: str, path: str, **more: Any) -> requests.Response:
        answer = requests.request(method, self.root + path, timeout=20, auth=self.auth, **more)
        answer.raise_for_status()
        return answer
