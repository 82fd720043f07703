from __future__ import annotations

from pathlib import Path

import pytest

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.pacs.image_download import write_image

IMAGE = bytes(range(256)) * 3 + b"\r\n--not the boundary\r\n--b"
HEAD = b"\r\nContent-Type: application/dicom\r\nContent-Length: 9\r\n\r\n"
BODY = b"--edge" + HEAD + IMAGE + b"\r\n--edge--\r\n"
KIND = 'multipart/related; type="application/dicom"; boundary=edge'


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
@pytest.mark.parametrize(
    ("before", "kind"),
    [(b"", KIND), (b"preamble\r\n", KIND.replace("edge", '"edge"')), (b"\r\n", KIND.upper().lower())],
)
def test_image_comes_out_however_the_answer_is_cropped(tmp_path: Path, size: int, before: bytes, kind: str) -> None:
    answer = before + BODY
    chunks = [answer[at : at + size] for at in range(0, len(answer), size)]
    write_image(tmp_path / "image", kind, chunks, 10_000, "f")
    assert (tmp_path / "image").read_bytes() == IMAGE


def test_part_without_a_head_and_answer_without_parts(tmp_path: Path) -> None:
    write_image(tmp_path / "image", KIND, [b"--edge\r\n\r\nDICM\r\n--edge--"], 100, "f")
    assert (tmp_path / "image").read_bytes() == b"DICM"
    write_image(tmp_path / "image", "application/dicom; transfer-syntax=1.2", [b"DI", b"CM"], 100, "f")
    assert (tmp_path / "image").read_bytes() == b"DICM"


@pytest.mark.parametrize(
    ("kind", "chunks", "reason"),
    [
        (KIND, [BODY[:-9]], ReasonCode.NOT_FETCHED),  # cut before the boundary
        (KIND, [], ReasonCode.NOT_FETCHED),
        (KIND, [b"x" * 100] * 1000, ReasonCode.NOT_FETCHED),
        ("text/html", [b"<html>"], ReasonCode.NOT_FETCHED),
        ("multipart/related", [BODY], ReasonCode.NOT_FETCHED),
        ("", [BODY], ReasonCode.NOT_FETCHED),
        (KIND, [b"--edge" + HEAD, *([b"x" * 1000] * 20)], ReasonCode.TOO_LARGE),
    ],
)
def test_other_answers_are_refused(tmp_path: Path, kind: str, chunks: list[bytes], reason: ReasonCode) -> None:
    with pytest.raises(ImageError) as refusal:
        write_image(tmp_path / "image", kind, chunks, 10_000, "studies/1")
    assert refusal.value.reason is reason
    assert str(refusal.value).startswith("studies/1: ")
