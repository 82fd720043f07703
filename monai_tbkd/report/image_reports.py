"""The pages of an inference: one per image, and one of all of them."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch

from monai_tbkd.data.files.own_results import save_marked
from monai_tbkd.data.readers.image_turn import ImageTurn
from monai_tbkd.data.readers.reason_codes import ImageError
from monai_tbkd.report.batch_page import batch_page
from monai_tbkd.report.html_page import write_page
from monai_tbkd.report.image_page import image_page
from monai_tbkd.report.image_pictures import ImagePicture, open_image, thumbnail
from monai_tbkd.results.prediction_table import DONE, FAILED, IMAGE_REPORTS, OVERVIEW, THUMBNAILS, read_predictions
from monai_tbkd.transforms.overlay import image_for_display

logger = logging.getLogger(__name__)

_LONGEST_NAME = 150


class ImageReports:
    """Write ``image_reports/<image>.html`` as each image is done, and ``predictions.html`` in the end.

    The page of an image holds its pictures and can be sent by itself. That of all images shows thumbnails from
    ``image_reports/thumbnails``.

    Args:
        output_dir: of the inference.
        side: the longer side of the image on its page, in pixels.
        voi: how images are shown that are opened again; as in `CXRReader`.
    """

    def __init__(self, output_dir: str | Path, side: int = 640, voi: str = "first") -> None:
        self.folder, self.side, self.voi = Path(output_dir), int(side), voi

    def start(self) -> None:
        """Make the folders."""
        (self.folder / THUMBNAILS).mkdir(parents=True, exist_ok=True)

    def add(self, row: Mapping[str, Any], picture: ImagePicture | None = None) -> Path:
        """Write the page and thumbnail of an image; without a picture, its file is read."""
        if picture is None and row["status"] != FAILED:
            picture = self._open(row)
        stem = page_stem(str(row["name"]))
        if picture is not None:
            path = self.folder / THUMBNAILS / f"{stem}.jpg"
            save_marked(thumbnail(picture), path, "JPEG", quality=80, optimize=True)
        html = image_page(row, picture, f"../{OVERVIEW}", self.side)
        return write_page(self.folder / IMAGE_REPORTS / f"{stem}.html", html)

    def add_image(self, row: Mapping[str, Any], batch: Mapping[str, Any], output: Mapping[str, Any]) -> Path:
        """Write the page of an image that was just scored; ``batch`` and ``output`` as of `prediction_overlay`."""
        if row["status"] != DONE:
            return self.add(row)
        image = image_for_display(batch.get("whole_image", batch["image"]))
        size = (int(batch["original_size"][0]), int(batch["original_size"][1]))
        picture = ImagePicture(image, size, tb_map=output["tb_map"])
        if row["decision"] is not None:
            picture = picture._replace(boxes=output["pred_boxes"], box_scores=output["pred_box_scores"])
        return self.add(row, picture)

    def finish(self, rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], unfinished: str = "") -> Path:
        """Write the page of all images; see `batch_page`."""
        folder = self.folder / IMAGE_REPORTS
        there = {path.name for path in (*folder.glob("*.html"), *folder.glob("thumbnails/*.jpg"))}
        links = {}
        for row in rows:
            stem = page_stem(str(row["name"]))
            page, picture = (name if name in there else "" for name in (f"{stem}.html", f"{stem}.jpg"))
            links[row["name"]] = (
                page and quote(f"{IMAGE_REPORTS}/{page}"),
                picture and quote(f"{THUMBNAILS}/{picture}"),
            )
        return write_page(self.folder / OVERVIEW, batch_page(rows, settings, links, unfinished))

    def _open(self, row: Mapping[str, Any]) -> ImagePicture | None:
        """Read an image from its file, with the boxes of its row; None if that fails."""
        try:
            image, meta = open_image(row["path"], self.voi)
        except ImageError as error:
            logger.debug("%s: no picture (%s)", row["name"], error)
            return None
        size = (image.shape[0], image.shape[1])
        if row["status"] != DONE or row["boxes"] is None:
            return ImagePicture(image, size)
        boxes = ImageTurn.from_text(meta["turn"]).boxes_upright(row["boxes"], size)
        found = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 5)
        return ImagePicture(image, size, found[:, :4], found[:, 4])


def write_reports(output_dir: str | Path) -> Path:
    """Write ``predictions.html`` of an earlier inference, and the missing pages of images, which have no map.

    Raises:
        FileNotFoundError: no ``predictions.json`` there.
        ValueError: it is not of an inference.
    """
    content = read_predictions(output_dir)
    reports = ImageReports(output_dir, voi=content["settings"].get("voi", "first"))
    reports.start()
    there = {path.name for path in (reports.folder / IMAGE_REPORTS).glob("*.html")}
    for row in content["images"]:
        if f"{page_stem(str(row['name']))}.html" not in there:
            reports.add(row)
    return reports.finish(content["images"], content["settings"])


def page_stem(name: str) -> str:
    """Make a file name, without suffix, of an image's name with folders; no two names share one."""
    plain = re.sub(r'[/\\:*?"<>|]|^\.', "_", name)
    short = plain.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return name if short == name else f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
