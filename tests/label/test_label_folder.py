"""Labels and notes that several processes write at once: the server, its batch and its scoring."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from monai_tbkd.label.label_folder import LabelFolder

WRITERS, TIMES = 3, 60


def write(root: Path, writer: int) -> None:
    labels = LabelFolder(root)
    for number in range(TIMES):
        labels.update_film_info("a.png", {f"{writer}-{number}": number})
        label = root / f"{writer}.json"
        label.write_text(str(writer) * 50_000)
        labels.save("a.png", label, "batch", {"by": writer})


@pytest.mark.system
def test_no_note_is_lost_and_no_label_is_half_written(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    running = [context.Process(target=write, args=(tmp_path, writer)) for writer in range(WRITERS)]
    for each in running:
        each.start()
    labels, seen = LabelFolder(tmp_path), set()
    while any(each.is_alive() for each in running):
        path = labels.path("a.png", "batch")
        if path is not None:
            content = path.read_text()
            assert len(content) == 50_000 and len(set(content)) == 1
            seen.add(content[0])
    assert [each.exitcode for each in running] == [0] * WRITERS and seen
    assert len(labels.film_info("a.png")) == WRITERS * TIMES
    assert labels.path("a.png", "batch").read_text()[0] == str(labels.info("a.png", "batch")["by"])  # type: ignore[union-attr]
    assert not list(tmp_path.rglob("*.part"))
