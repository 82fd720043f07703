from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pacs.orthanc_server import OrthancServer, why_absent


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
