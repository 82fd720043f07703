"""Event files that cannot be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest
from torch.utils.tensorboard import SummaryWriter

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.handlers import StageWriter


def test_a_full_disk_is_told_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = StageWriter(tmp_path / "student")
    writer.add_scalar("train/lr", 0.1, 1)

    def full(*args: object) -> NoReturn:  # as the thread that writes events hands it on
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for method in ("add_scalar", "flush"):
        monkeypatch.setattr(SummaryWriter, method, full)
    with pytest.raises(OSError, match=r"No space left on device: .*student'") as raised:
        writer.add_scalar("train/lr", 0.1, 2)
    assert plain_cause(raised.value) is raised.value
    with pytest.raises(OSError, match=r"No space left on device: .*student'"):
        writer.flush()
    monkeypatch.undo()
    writer.close()
