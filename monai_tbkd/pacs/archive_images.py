"""A data set of images that are fetched one by one from an archive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from torch.utils.data import IterableDataset

from monai_tbkd.data import ImageError, RadiographDataset, ReasonCode
from monai_tbkd.data.readers.decoded_image import ImageLimits
from monai_tbkd.pacs.archive import Archive, ImageAddress
from monai_tbkd.pacs.image_search import FoundImage

T = TypeVar("T")
KEYS = ("image", "name", "study", "series", "reason", "detail")


class ArchiveImages(IterableDataset):
    """Fetch and preprocess images, one ahead of the current one.

    Never more than two images are in memory or in the folder, however many there are, by a loader of batch size 1.

    Args:
        data: images to fetch.
        archive: that has them.
        transform: preprocessing; it starts with the loader.
        folder: for the image in work; whoever has done with an image removes its file.
        max_pixels: larger images are refused before they are fetched.
        options: of `RadiographDataset`.
    """

    def __init__(
        self,
        data: Iterable[FoundImage],
        archive: Archive,
        transform: Callable[..., Any],
        folder: str | Path,
        max_pixels: int,
        **options: Any,
    ) -> None:
        self.data, self.archive, self.transform, self.options = data, archive, transform, options
        self.folder, self.max_pixels = Path(folder), int(max_pixels)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return one_ahead(self._prepared(image) for image in self.data)

    def _prepared(self, image: FoundImage) -> dict[str, Any]:
        address, error = image.address, image.error
        path = self.folder / f"{address.instance}.dcm"
        try:
            if error is None:
                self._fetch(image, path)
        except ImageError as fault:
            error = fault

        def transform(item: Any) -> Any:
            if error is not None:
                raise error
            return self.transform(item)

        item = {"image": str(path), "name": address.instance, "study": address.study, "series": address.series}
        return dict(RadiographDataset([item], transform, keys=KEYS, **self.options)[0])

    def _fetch(self, image: FoundImage, path: Path) -> None:
        if image.pixels > self.max_pixels:
            detail = (
                f"{image.pixels} pixels; expected at most {self.max_pixels}, so it was not fetched; set max_pixels if "
                "it is an image"
            )
            raise ImageError(ReasonCode.TOO_LARGE, image.address.path, detail)
        self.archive.fetch(image.address, path, ImageLimits(max_pixels=self.max_pixels).max_bytes)


def address_of(item: Mapping[str, Any]) -> ImageAddress:
    """Get the archive address of an item."""
    return ImageAddress(item["study"], item["series"], item["name"])


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """Compute the next item in a thread while the current one is used.

    An error in making one is raised where the item is asked for. (MONAI's ``ThreadBuffer`` ends there in silence.)
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
