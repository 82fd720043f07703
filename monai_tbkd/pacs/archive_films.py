"""A data set of images that are fetched one by one from an archive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.utils.data import IterableDataset

from monai_tbkd.data import FilmDataset, FilmError, ReasonCode
from monai_tbkd.data.readers.decoded_film import FilmLimits
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

    def compute(future: Future[Any]) -> None:
        try:
            future.set_result(next(source, end))
        except BaseException as error:
            future.set_exception(error)

    def start() -> Future[Any]:
        future: Future[Any] = Future()
        # a daemon: the end of the program must not wait for a slow archive
        threading.Thread(target=compute, args=[future], name="next image", daemon=True).start()
        return future

    coming = start()
    while (item := coming.result()) is not end:
        coming = start()
        yield item
