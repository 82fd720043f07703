from __future__ import annotations

import logging
import sys

import pytest
import torch

from monai_tbkd.engines.preparation import with_progress
from monai_tbkd.handlers import image_progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(image_progress.time, "perf_counter", lambda: now[0])
    return now


@pytest.mark.parametrize("terminal", [False, True])
def test_a_log_gets_a_line_every_half_a_minute(
    terminal: bool, clock: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    batches = [{"image": torch.zeros(4, 1)}] * 9 + [{"image": torch.zeros(2, 1)}]
    given = []
    with caplog.at_level(logging.INFO):
        for batch in with_progress(batches, 38, "features"):
            given.append(batch)
            clock[0] += 12
    assert given == batches
    lines = [
        "features: 12 of 38, 0.33 images/s, 1 minutes left.",
        "features: 24 of 38, 0.33 images/s, 1 minutes left.",
        "features: 36 of 38, 0.33 images/s, 0 minutes left.",
    ]
    assert caplog.messages == [] if terminal else caplog.messages == lines


def test_the_bar_goes_away_when_a_run_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(image_progress.ImageProgress, "close", lambda self: closed.append(self.done))
    rows = with_progress([{"image": [0, 1]}] * 3, 6, "features")
    next(rows), next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert closed == [2]
