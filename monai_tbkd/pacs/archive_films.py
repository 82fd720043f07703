"""A data set of images that are fetched one by one from an archive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import torch
from torch.utils.data import IterableDataset

from monai_tbkd.data import FilmDataset, FilmError, ReasonCode
from monai_tbkd.data.readers.film_limits import FilmLimits
from monai_tbkd.pacs.archive import Archive, FilmAddress
from monai_tbkd.pacs.film_search import FoundFilm

T = TypeVar("T")
KEYS = ("image", "name", "study", "series", "reason", "detail")


class ArchiveFilms(IterableDataset):
    """Fetch and preprocess images, one ahead of the current one.

    Never more than two images are in memory or in the folder, however many there are, by a loader of batch size 1.

    Args:
        data: films to fetch.
        archive: that has them.
        transform: preprocessing; it starts with the loader.
        placeholder_shape: shape ``(C, H, W)`` that it gives.
        folder: for the film in work; whoever has done with a film removes its file.
        max_pixels: larger films are refused before they are fetched.
        tensors, placeholder_dtype: as in `FilmDataset`.
    """

    def __init__(
        self,
        data: Iterable[FoundFilm],
        archive: Archive,
        transform: Callable[..., Any],
        placeholder_shape: Sequence[int],
        folder: str | Path,
        max_pixels: int,
        tensors: Mapping[str, Any] | None = None,
        placeholder_dtype: torch.dtype = torch.float32,
    ) -> None:
        self.data, self.archive, self.transform = data, archive, transform
        self.placeholder_shape, self.tensors, self.placeholder_dtype = placeholder_shape, tensors, placeholder_dtype
        self.folder, self.max_pixels = Path(folder), int(max_pixels)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return one_ahead(self._prepared(film) for film in self.data)

    def _prepared(self, film: FoundFilm) -> dict[str, Any]:
        address = film.address
        path = self.folder / f"{address.instance}.dcm"
        item = {"image": str(path), "name": address.instance, "study": address.study, "series": address.series}
        error = film.error
        if error is None and film.pixels > self.max_pixels:
            said = (
                f"{film.pixels} pixels; expected at most {self.max_pixels}, so it was not fetched; set max_pixels if "
            )
            error = FilmError(ReasonCode.TOO_LARGE, address.path, said + "it is a film")
        if error is None:
            try:
                self.archive.fetch(address, path, FilmLimits(max_pixels=self.max_pixels).max_bytes)
            except FilmError as fault:
                error = fault

        def transform(item: Any) -> Any:
            if error is not None:
                raise error
            return self.transform(item)

        films = FilmDataset(
            [item], transform, self.placeholder_shape, KEYS, self.tensors, placeholder_dtype=self.placeholder_dtype
        )
        return dict(films[0])


def address_of(item: Mapping[str, Any]) -> FilmAddress:
    """Get the archive address of an item."""
    return FilmAddress(item["study"], item["series"], item["name"])


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """Compute the next item in a thread while the current one is used.

    An error in making one is raised where the item is asked for. (MONAI's ``ThreadBuffer`` ends there in silence.)

    Example:
        >>> list(one_ahead(range(3)))
        [0, 1, 2]
    """
    source, end = iter(items), object()
    wanted: SimpleQueue[bool] = SimpleQueue()
    made: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def make() -> None:
        while wanted.get():
            try:
                made.put((next(source, end), None))
            except BaseException as error:
                made.put((end, error))

    # a daemon: the end of the program must not wait for a slow archive
    threading.Thread(target=make, name="next image", daemon=True).start()
    wanted.put(True)
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is end:
                return
            wanted.put(True)
            yield item
    finally:
        wanted.put(False)
