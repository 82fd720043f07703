"""The datastore of the app: images of one source, labels in a local folder."""

from __future__ import annotations

import logging
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.label.image_ids import check_name, image_id, shuffled
from monai_tbkd.label.image_label import ImageLabel, frontal_image, read_label
from monai_tbkd.label.image_sources import FolderSource, PacsSource
from monai_tbkd.label.label_folder import FINAL, LabelFolder, MissingError, note_of

logger = logging.getLogger(__name__)


class ImageStore:
    """Images from a folder or a PACS, labels beside, as MONAI Label asks for them.

    MONAI Label's folder store sees neither sub-folders nor DICOM files; its DICOMweb store writes finished labels as
    DICOM SEG, which needs a position in the patient that no radiograph has.

    With `sr` finished labels are sent to the PACS as structured reports.
    """

    def __init__(self, source: FolderSource | PacsSource, labels: LabelFolder, name: str, sr: bool = False) -> None:
        self.source, self.labels, self.name, self.sr = source, labels, name, sr

    def list_images(self) -> list[str]:
        return self.source.ids()

    def get_labeled_images(self, label_tag: str | None = None, labels: Any = None) -> list[str]:
        labeled = set(self.labels.images(FINAL))
        return [image for image in self.source.ids() if image in labeled]

    def get_unlabeled_images(self, label_tag: str | None = None, labels: Any = None) -> list[str]:
        labeled = set(self.labels.images(FINAL))
        return [image for image in self.source.ids() if image not in labeled]

    def datalist(self) -> list[dict[str, Any]]:
        """Images with a finished label: ``id``, ``image`` and ``label`` (paths)."""
        paths = ((name, self.source.path(name), self.labels.path(name)) for name in self.get_labeled_images())
        return [
            {"id": name, "image": str(image), "label": str(label)} for name, image, label in paths if image and label
        ]

    def finished_labels(self) -> Iterator[ImageLabel]:
        """Finished labels; those that cannot be understood are named in the log."""
        for item in self.datalist():
            try:
                yield self.labels.read(item["id"], Path(item["image"]))
            except (ValueError, OSError) as error:
                logger.warning("%s: its label is left out (%s)", item["id"], error)

    def unlabeled_paths(self, at_most: int) -> list[str]:
        """Files of so many images without a label, in an order that does not depend on their names."""
        paths: list[str] = []
        for image in shuffled(self.get_unlabeled_images()):
            if len(paths) >= at_most:
                break
            try:
                path = str(frontal_image(Path(self.get_image_uri(image))))
                check_name(path)
                paths.append(path)
            except (ValueError, OSError) as error:
                logger.info("%s: not used in training (%s)", image, error)
        return paths

    def get_image_uri(self, image_id: str) -> str:
        return str(self.source.path(image_id) or "")

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        return {**self.labels.image_info(image_id), **self.source.info(image_id)}

    def update_image_info(self, image_id: str, info: Mapping[str, Any]) -> None:
        self._image(image_id)
        self.labels.update_image_info(image_id, info)

    def add_image(self, image_id: str, image_filename: str, image_info: Mapping[str, Any]) -> str:
        image = self.source.add(image_id, Path(image_filename))
        self.labels.update_image_info(image, image_info or {})
        return image

    def keep_label(self, image: str, file: Path, tag: str, info: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a label of an annotator, finished or not, and return what was understood."""
        label = read_label(file, self._image(image), info, image)
        self.labels.save(image, file, tag, {**info, "understood": label.summary})
        if tag == FINAL and self.sr and isinstance(self.source, PacsSource):
            self.labels.update_info(image, tag, self.source.send_report(label))
        return label.summary

    def note_offer(self, image: str, strategy: str, offer: Mapping[str, Any]) -> None:
        """Note that a strategy has offered an image to somebody."""
        offers = note_of(self.labels.image_info(image), "strategy")
        self.labels.update_image_info(image, {"strategy": {**offers, strategy: dict(offer)}})

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        handle, name = tempfile.mkstemp(suffix=".zip")
        try:
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
                for item in self.datalist()[: limit_cases or None]:
                    image, label = Path(item["image"]), Path(item["label"])
                    for each in sorted(image.iterdir()) if image.is_dir() else [image]:
                        archive.write(each, f"image/{item['id']}/{image_id(each.name)}")
                    archive.write(label, f"label/{label.name}")
        except BaseException:  # such as an image that was moved meanwhile
            Path(name).unlink()
            raise
        return name

    def status(self) -> dict[str, Any]:
        total, completed = len(self.list_images()), len(self.get_labeled_images())
        return {"total": total, "completed": completed, "label_tags": self.labels.tags()}

    def json(self) -> dict[str, Any]:
        """All images with their notes and labels."""
        tags, objects = list(self.labels.tags()), dict[str, Any]()
        for image in self.list_images():
            labels = {tag: {"info": self.labels.info(image, tag)} for tag in tags if self.labels.path(image, tag)}
            objects[image] = {"image": {"info": self.get_image_info(image)}, "labels": labels}
        return {"name": self.name, "description": "Chest images", "objects": objects}

    def _image(self, image_id: str) -> Path:
        path = self.source.path(image_id)
        if path is None:
            raise MissingError(f"There is no image {image_id}.")
        return path
