from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from monai.transforms import LoadImaged
from PIL import Image

from monai_tbkd.data import CXRReader, ImageError, RadiographDataset, ReasonCode
from monai_tbkd.data.readers import decode, reader_process
from monai_tbkd.data.readers.decoded_image import DecodedImage
from monai_tbkd.data.readers.reader_process import decode_apart

PATH = Path("image.png")
MOST = 10_000


def whole(path: Path, side: int = 10) -> DecodedImage:
    pixels = np.arange(side * side, dtype=np.float32).reshape(side, side)
    return DecodedImage(pixels, "png", [str(os.getpid())], (0.1, 0.2))


def dies(path: Path) -> DecodedImage:
    ctypes.string_at(0)
    raise AssertionError("still alive")


def ends(path: Path) -> DecodedImage:
    os._exit(7)


def hangs(path: Path) -> DecodedImage:
    while True:
        time.sleep(1)


def slow(path: Path) -> DecodedImage:
    time.sleep(0.2)
    return whole(path)


def tells_and_hangs(path: Path) -> DecodedImage:
    path.write_text(str(os.getpid()))
    while True:
        pass


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def takes_all_memory(path: Path) -> DecodedImage:
    return whole(Path(str(len(bytearray(2**30)))))


def refuses(path: Path) -> DecodedImage:
    raise ImageError(ReasonCode.COLOR, path, "red")


def fails(path: Path) -> DecodedImage:
    raise ZeroDivisionError("by nothing")


def says(path: Path) -> DecodedImage:
    logging.getLogger("says").warning("a word")
    return whole(path)


class OddError(ValueError):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def fails_oddly(path: Path) -> DecodedImage:
    raise OddError("an", "odd error")


def counts(path: Path, number: int) -> list[int]:
    return [number, int(decode_apart(whole, MOST, path).steps[0]), os.getpid()]


def dies_at_the_second(path: Path, *args: object) -> DecodedImage:
    return dies(path) if path.stem == "1" else whole(path, 200)


def died(function: object) -> str:
    with pytest.raises(ImageError) as caught:
        decode_apart(function, MOST, PATH)  # type: ignore[arg-type]
    assert caught.value.reason is ReasonCode.READER_DIED
    return caught.value.detail


def test_an_image_comes_whole_from_a_process_that_stays() -> None:
    first, second = decode_apart(whole, MOST, PATH), decode_apart(whole, MOST, PATH, 20)
    assert np.array_equal(first.pixels, whole(PATH).pixels)  # also after the second has come
    assert second.pixels.shape == (20, 20)
    assert (first.source_format, first.spacing_mm) == ("png", (0.1, 0.2))
    assert first.steps == second.steps != [str(os.getpid())]


def test_death_costs_one_image() -> None:
    before = decode_apart(whole, MOST, PATH).steps
    assert "was ended by SIGSEGV" in died(dies)
    assert "ended with 7" in died(ends)
    after = decode_apart(whole, MOST, PATH)
    assert np.array_equal(after.pixels, whole(PATH).pixels)
    assert after.steps != before


def test_a_hang_costs_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_process, "SECONDS", 0.3)
    assert "took more than 0.3 seconds" in died(hangs)
    assert decode_apart(whole, MOST, PATH).pixels.shape == (10, 10)


def test_a_stream_that_another_thread_holds_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that writes a log holds its stream's lock, and is not there in the process to let it go."""
    monkeypatch.setattr(reader_process, "SECONDS", 2)
    monkeypatch.setattr(reader_process, "_own", threading.local())
    end, start = os.pipe()
    stream = os.fdopen(start, "w")
    handler = logging.StreamHandler(stream)
    logging.getLogger("says").addHandler(handler)
    writer = threading.Thread(target=lambda: stream.write("x" * 2**20))  # more than a pipe takes
    writer.start()
    try:
        time.sleep(0.1)
        assert decode_apart(says, MOST, PATH).pixels.shape == (10, 10)
    finally:
        logging.getLogger("says").removeHandler(handler)
        os.set_blocking(end, False)
        while writer.is_alive():
            with contextlib.suppress(BlockingIOError):
                os.read(end, 2**20)
        os.close(end)
        with contextlib.suppress(BrokenPipeError):
            stream.close()


def test_other_answers_and_calls_within(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_process, "_own", threading.local())
    number, inner, outer = decode_apart(counts, 0, PATH, 5)
    assert number == 5 and inner == outer != os.getpid()
    assert decode_apart(whole, MOST, PATH).pixels.shape == (10, 10)


def test_an_interrupted_image_is_not_taken_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    decode_apart(whole, MOST, PATH)  # an interrupted fork would leave the lock of logging held
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                decode_apart(slow, MOST, PATH)
            assert decode_apart(whole, MOST, PATH, 7).pixels.shape == (7, 7)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_no_reader_is_left_of_a_process_that_is_killed(tmp_path: Path) -> None:
    parent = os.fork()
    if parent == 0:
        try:
            decode_apart(tells_and_hangs, MOST, tmp_path / "pid")
        finally:
            os._exit(1)
    until = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < until
        time.sleep(0.02)
    reader = int((tmp_path / "pid").read_text())
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    while is_running(reader):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_death_is_told_where_children_are_not_waited_for() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert "ended" in died(ends)
        assert decode_apart(whole, MOST, PATH).pixels.shape == (10, 10)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_locks_of_the_parent_are_not_held(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"):
        decode_apart(whole, MOST, PATH)  # forked while the lock is held
    FileLock(tmp_path / ".lock").acquire(blocking=False)
    assert decode_apart(whole, MOST, PATH).pixels.shape == (10, 10)


def test_a_limit_of_any_size_is_taken() -> None:
    assert decode_apart(whole, 10**12, PATH).pixels.shape == (10, 10)


def test_memory_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_process, "MEMORY", 2**26)
    monkeypatch.setattr(reader_process, "_own", threading.local())
    with pytest.raises(ImageError, match="more than 64 MB") as caught:
        decode_apart(takes_all_memory, MOST, PATH)
    assert caught.value.reason is ReasonCode.TOO_LARGE


def test_errors_are_those_of_the_decoder() -> None:
    with pytest.raises(ImageError, match="red"):
        decode_apart(refuses, MOST, PATH)
    with pytest.raises(ZeroDivisionError, match="by nothing"):
        decode_apart(fails, MOST, PATH)
    with pytest.raises(RuntimeError, match="OddError: an odd error"):
        decode_apart(fails_oddly, MOST, PATH)
    with pytest.raises(ImageError, match="TOO_LARGE"):
        decode_apart(whole, MOST, PATH, 101)
    assert decode_apart(whole, 4 * MOST, PATH, 101).pixels.shape == (101, 101)


def test_each_thread_has_its_own_process_which_ends_with_it() -> None:
    seen: list[int] = []

    def work() -> None:
        seen.append(int(decode_apart(whole, MOST, PATH).steps[0]))

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(set(seen)) == 2
    for pid in seen:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIG_DFL)


def test_a_data_set_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_decode", dies_at_the_second)
    for number in range(3):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (200, 200), dtype=np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    items = [{"image": str(path), "name": path.name} for path in sorted(tmp_path.iterdir())]
    load = LoadImaged(keys="image", reader=CXRReader, ensure_channel_first=True)
    data = RadiographDataset(items, load, (1, 200, 200))
    assert [data[index]["reason"] for index in range(3)] == ["", "READER_DIED", ""]
