"""Labels and notes that several processes write at once: the server, its batch and its scoring."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_tbkd.label import label_folder
from monai_tbkd.label.label_folder import LabelFolder, note_of

WRITERS, TIMES = 3, 60


def write(root: Path, writer: int) -> None:
    labels = LabelFolder(root)
    for number in range(TIMES):
        labels.update_image_info("a.png", {f"{writer}-{number}": number})
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
    assert len(labels.image_info("a.png")) == WRITERS * TIMES
    assert labels.path("a.png", "batch").read_text()[0] == str(labels.info("a.png", "batch")["by"])  # type: ignore[union-attr]
    assert not list(tmp_path.rglob("*.part"))


class Killed(BaseException):
    """In place of a kill, which nothing catches either."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change of the disk is counted; before this one the program ends."""
    count = itertools.count(1)

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **more: Any) -> Any:
            if next(count) == step:
                raise Killed
            return change(*args, **more)

        return run

    monkeypatch.setattr(os, "replace", counted(os.replace))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    monkeypatch.setattr(label_folder.shutil, "copyfile", counted(label_folder.shutil.copyfile))


@pytest.mark.parametrize("former", [None, "old.json", "old.png"])
@pytest.mark.parametrize("step", range(1, 14))
def test_a_kill_leaves_a_label_with_its_own_note(
    former: str | None, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = LabelFolder(tmp_path / "labels")
    if former:
        (tmp_path / former).write_text("old")
        labels.save("a.png", tmp_path / former, info={"of": "old"})
    (tmp_path / "new.json").write_text("new")
    with monkeypatch.context() as patch:
        killed_at(step, patch)
        try:
            labels.save("a.png", tmp_path / "new.json", info={"of": "new"})
            done = True
        except Killed:
            done = False
    path, info = labels.path("a.png"), labels.info("a.png")
    if path is None:
        assert former is None and not done and info == {}
    else:
        assert info["of"] == path.read_text() and info["name"] == path.name
        assert not [key for key in info if key.startswith("_")]
        assert not done or info["of"] == "new"
    labels.update_info("a.png", "final", {"more": 1}) if path else None
    assert labels.info("a.png") == ({**info, "more": 1} if path else {})
    labels.save("a.png", tmp_path / "new.json", info={"of": "again"})  # and the next one is whole
    assert labels.info("a.png")["of"] == "again" and labels.path("a.png").read_text() == "new"  # type: ignore[union-attr]


def test_no_label_is_left_of_one_that_is_removed_after_a_kill(tmp_path: Path) -> None:
    labels = LabelFolder(tmp_path / "labels")
    for name in ("a.json", "a.xml"):
        (tmp_path / name).write_text("{}")
    kept = labels.save("a.png", tmp_path / "a.json")
    kept.with_suffix(".xml").write_text("{}")  # a save was cut off before the former label was removed
    labels.remove("a.png", "final")
    assert labels.path("a.png") is None


def test_a_link_is_no_label(tmp_path: Path) -> None:
    labels, secret = LabelFolder(tmp_path / "labels"), tmp_path / "secret.json"
    secret.write_text("{}")
    kept = labels.save("a.png", secret)
    kept.unlink()
    kept.symlink_to(secret)
    assert labels.path("a.png") is None


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '{"a": 1e999}', "\udcff", '{"a": "\\ud800"}'])
def test_a_note_that_cannot_be_read_is_none(content: str, tmp_path: Path) -> None:
    labels = LabelFolder(tmp_path)
    (tmp_path / "image_info").mkdir()
    (tmp_path / "image_info" / "a.png.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert labels.image_info("a.png") in ({}, {"a": float("inf")})
    assert note_of({"a": [1]}, "a") == note_of({}, "a") == {}
    labels.update_image_info("b.png", {"x": 1})
    assert labels.image_info("b.png") == {"x": 1}
