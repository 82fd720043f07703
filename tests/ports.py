"""Ports for servers of tests."""

from __future__ import annotations

import itertools
import os
import socket

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Below the ports that the system hands out by itself, and another thousand for each of pytest's workers: a server that
# was killed finds its port free when it is started again.
_PORTS = itertools.count(10000 + 1000 * (_WORKER % 20))


def free_port() -> int:
    """A port of this machine that no other test is given, and nothing listens on."""
    for port in _PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port is taken")
