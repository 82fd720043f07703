"""MONAI Label's datastore: films of one source, labels in a local folder."""

from __future__ import annotations

import io
import logging
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.exception import ImageNotFoundException, LabelNotFoundException

from monai_tbkd.label.film_ids import film_id
from monai_tbkd.label.film_label import FilmLabel, read_label
from monai_tbkd.label.film_sources import FilmSource
from monai_tbkd.label.label_folder import FINAL, LabelFolder, note_of

logger = logging.getLogger(__name__)


class FilmStore(Datastore):
    """Films from a folder or a PACS, labels beside.

    MONAI Label's own stores do not serve here: its folder store sees neither sub-folders nor DICOM files, and its
    DICOMweb store writes finished labels as DICOM SEG, which needs a position in the patient that no radiograph has.

    Args:
        source: of films.
        labels: where labels are kept.
        name: of the store.
        on_final: is told of every finished label: the film's identifier and the label; what it returns is noted.
    """

    def __init__(
        self,
        source: FilmSource,
        labels: LabelFolder,
        name: str,
        on_final: Callable[[str, FilmLabel], Mapping[str, Any]] | None = None,
    ) -> None:
        self.source, self.labels, self._name, self._on_final = source, labels, name, on_final
        self._description = "Chest films"

    def name(self) -> str:
        return self._name

    def set_name(self, name: str) -> None:
        self._name = name

    def description(self) -> str:
        return self._description

    def set_description(self, description: str) -> None:
        self._description = description

    def list_images(self) -> list[str]:
        return self.source.ids()

    def get_labeled_images(self, label_tag: str | None = None, labels: Any = None) -> list[str]:
        labeled = set(self.labels.films(FINAL))
        return [film for film in self.source.ids() if film in labeled]

    def get_unlabeled_images(self, label_tag: str | None = None, labels: Any = None) -> list[str]:
        labeled = set(self.labels.films(FINAL))
        return [film for film in self.source.ids() if film not in labeled]

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """Films with a finished label: ``id``, ``image`` and ``label`` (paths)."""
        found = []
        for film in self.get_labeled_images():
            image, label = self.source.path(film), self.labels.path(film)
            if image is not None and label is not None:
                found.append({"id": film, "image": str(image), "label": str(label)})
        return found

    def get_image(self, image_id: str, params: Any = None) -> Any:
        uri = self.get_image_uri(image_id)
        return io.BytesIO(Path(uri).read_bytes()) if uri and Path(uri).is_file() else None

    def get_image_uri(self, image_id: str) -> str:
        path = self.source.path(image_id)
        return "" if path is None else str(path)

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        return {**self.labels.film_info(image_id), **self.source.info(image_id)}

    def update_image_info(self, image_id: str, info: Mapping[str, Any]) -> None:
        self._film(image_id)
        self.labels.update_film_info(image_id, info)

    def add_image(self, image_id: str, image_filename: str, image_info: Mapping[str, Any]) -> str:
        film = self.source.add(image_id, Path(image_filename))
        self.labels.update_film_info(film, image_info or {})
        return film

    def remove_image(self, image_id: str) -> None:
        raise ValueError("Films are never removed by this server; remove the file.")

    def get_label(self, label_id: str, label_tag: str, params: Any = None) -> Any:
        uri = self.get_label_uri(label_id, label_tag)
        return io.BytesIO(Path(uri).read_bytes()) if uri else None

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        path = self.labels.path(label_id, label_tag)
        return "" if path is None else str(path)

    def read_whole(self, label_id: str, label_tag: str) -> tuple[str, bytes]:
        """A label's file name and its content as it is now, however others replace it meanwhile.

        Raises:
            LabelNotFoundException: there is none.
        """
        try:
            path = Path(self.get_label_uri(label_id, label_tag))
            return path.name, path.read_bytes()
        except OSError as error:
            raise LabelNotFoundException(f"{label_id} has no label of the tag {label_tag}.") from error

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        return {tag: image_id for tag in self.labels.tags() if self.labels.path(image_id, tag)}

    def get_label_by_image_id(self, image_id: str, tag: str) -> str:
        return image_id if self.labels.path(image_id, tag) else ""

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        return self.labels.info(label_id, label_tag)

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: Mapping[str, Any]) -> str:
        """Keep what an annotator has saved, finished or not; it has to be understood first.

        Raises:
            ImageNotFoundException: there is no such film.
            ValueError: a tag or a kind of label that may not be, or a label that cannot be understood.
        """
        self.keep_label(image_id, Path(label_filename), label_tag, label_info)
        return image_id

    def keep_label(self, film: str, file: Path, tag: str, info: Mapping[str, Any]) -> dict[str, Any]:
        """The same; gives what was understood."""
        label = read_label(file, self._film(film), info, film)
        self.labels.save(film, file, tag, {**(info or {}), "understood": label.summary})
        if tag == FINAL and self._on_final is not None:
            self.labels.update_info(film, tag, self._on_final(film, label))
        return label.summary

    def keep_result(self, film: str, file: str, tag: str, info: Mapping[str, Any]) -> str:
        """Keep what a model has found; it finishes nothing.

        Raises:
            ValueError: the tag is that of finished labels.
        """
        if tag == FINAL:
            raise ValueError(f"{FINAL} is the tag of what annotators have finished; expected another.")
        self.labels.save(film, Path(file), tag, info)
        return film

    def note_offer(self, film: str, strategy: str, offer: Mapping[str, Any]) -> None:
        """Note that a strategy has offered a film to somebody."""
        offers = note_of(self.labels.film_info(film), "strategy")
        self.labels.update_film_info(film, {"strategy": {**offers, strategy: dict(offer)}})

    def remove_label(self, label_id: str, label_tag: str) -> None:
        self.labels.remove(label_id, label_tag)

    def update_label_info(self, label_id: str, label_tag: str, info: Mapping[str, Any]) -> None:
        if self.labels.path(label_id, label_tag) is None:
            raise LabelNotFoundException(f"{label_id} has no label of the tag {label_tag}.")
        self.labels.update_info(label_id, label_tag, info)

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        items = self.datalist()
        items = items[:limit_cases] if limit_cases else items
        handle, name = tempfile.mkstemp(suffix=".zip")
        try:
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
                for item in items:
                    image, label = Path(item["image"]), Path(item["label"])
                    films = sorted(image.iterdir()) if image.is_dir() else [image]
                    for film in films:
                        archive.write(film, f"image/{item['id']}/{film_id(film.name)}")
                    archive.write(label, f"label/{label.name}")
        except BaseException:  # such as an image that was moved meanwhile
            Path(name).unlink()
            raise
        return name

    def refresh(self) -> None:
        self.source.refresh()

    def status(self) -> dict[str, Any]:
        return {
            "total": len(self.list_images()),
            "completed": len(self.get_labeled_images()),
            "label_tags": self.labels.tags(),
        }

    def json(self) -> dict[str, Any]:
        """All films with their notes and labels."""
        return {
            "name": self.name(),
            "description": self.description(),
            "objects": {
                film: {
                    "image": {"info": self.get_image_info(film)},
                    "labels": {tag: {"info": self.labels.info(film, tag)} for tag in self.get_labels_by_image_id(film)},
                }
                for film in self.list_images()
            },
        }

    def _film(self, image_id: str) -> Path:
        path = self.source.path(image_id)
        if path is None:
            raise ImageNotFoundException(f"There is no film {image_id}.")
        return path
