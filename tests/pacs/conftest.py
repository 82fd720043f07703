from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pacs.orthanc_server import OrthancServer, why_absent


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide a developer's own credentials of an archive."""
    for name in ("USER", "PASSWORD", "TOKEN", "KEY_PASSWORD"):
        monkeypatch.delenv(f"TBKD_PACS_{name}", raising=False)


@pytest.fixture
def start_orthanc(tmp_path: Path) -> Iterator[Callable[..., OrthancServer]]:
    """Starts Orthanc with options of its configuration; it is gone after the test."""
    if why_absent():
        pytest.skip(why_absent())
    servers: list[OrthancServer] = []

    def start(**options: Any) -> OrthancServer:
        servers.append(OrthancServer(tmp_path / f"orthanc{len(servers)}", **options))
        return servers[-1].start()

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def orthanc(start_orthanc: Callable[..., OrthancServer]) -> OrthancServer:
    """An empty Orthanc without passwords."""
    return start_orthanc()
