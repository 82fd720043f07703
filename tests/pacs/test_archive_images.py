from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.data.readers.cxr_reader import image_meta
from monai_tbkd.pacs import ArchiveGoneError, ArchiveImages, FoundImage, ImageAddress
from monai_tbkd.pacs.archive_images import address_of, one_ahead

SHAPE = (1, 4, 4)


class Shelf:
    """An archive that writes the instance's UID for an image."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def fetch(self, address: ImageAddress, path: Path, most: int) -> None:
        assert most == 100 * 8 + 2**24  # pixels of 64 bits, and a header
        self.fetched.append(address.instance)
        if address.instance == "3":
            raise ImageError(ReasonCode.NOT_FETCHED, address.path, "gone")
        if address.instance == "9":
            raise ArchiveGoneError("the archive is gone")
        path.write_text(address.instance)


def load(item: dict[str, Any]) -> dict[str, Any]:
    value = float(Path(item["image"]).read_text())
    return {**item, "image": MetaTensor(torch.full(SHAPE, value), meta=image_meta((4, 4)))}


def images(tmp_path: Path, *found: tuple[str, int]) -> tuple[Shelf, ArchiveImages]:
    shelf, given = Shelf(), [FoundImage(ImageAddress("1", "2", uid), pixels) for uid, pixels in found]
    return shelf, ArchiveImages(given, shelf, load, tmp_path, 100, placeholder_shape=SHAPE)  # type: ignore[arg-type]


def test_each_is_fetched_and_prepared_and_a_bad_one_has_its_reason(tmp_path: Path) -> None:
    shelf, data = images(tmp_path, ("4", 16), ("3", 16), ("5", 101), ("6", 0))
    items = list(data)
    assert [item["reason"] for item in items] == ["", "NOT_FETCHED", "TOO_LARGE", ""]
    assert [float(item["image"].max()) for item in items] == [4, 0, 0, 6]
    assert shelf.fetched == ["4", "3", "6"]  # the large one stays where it is
    assert address_of(items[1]).path == "studies/1/series/2/instances/3"
    assert items[1]["detail"] == "studies/1/series/2/instances/3: gone (NOT_FETCHED)."


def test_no_more_than_one_ahead(tmp_path: Path) -> None:
    shelf, data = images(tmp_path, *((str(n), 0) for n in (10, 11, 12, 13)))
    for number, item in enumerate(data):
        (tmp_path / f"{item['name']}.dcm").unlink()
        assert len(shelf.fetched) <= number + 2
        assert len(list(tmp_path.iterdir())) <= 1


def test_archive_that_is_gone_ends_it(tmp_path: Path) -> None:
    _, data = images(tmp_path, ("4", 0), ("9", 0), ("6", 0))
    seen = []
    with pytest.raises(ArchiveGoneError):
        for item in data:
            seen.append(item["name"])
    assert seen == ["4"]


def test_one_ahead_makes_the_next_meanwhile() -> None:
    second = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        second.set()
        yield 2

    items = one_ahead(source())
    assert next(items) == 1
    assert second.wait(5)  # nobody has asked for it yet
    assert list(items) == [2]
