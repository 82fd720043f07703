"""Results that cannot be written are told in one sentence."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.results.prediction_table import PredictionTable, results_written


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    expected = r"cannot be written \(No space left on device\).*--resume true"
    with pytest.raises(OSError, match=expected) as raised, results_written(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert plain_cause(raised.value) is raised.value


def test_an_output_folder_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="results cannot be written") as raised:
        PredictionTable(tmp_path / "file" / "out").start([])
    assert plain_cause(raised.value) is raised.value
