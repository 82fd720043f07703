"""What annotators have saved, as corrections to train on and to score by."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai_tbkd.data import Correction, FilmError
from monai_tbkd.label.film_ids import check_name
from monai_tbkd.label.film_label import FilmLabel, read_label
from monai_tbkd.label.label_folder import FINAL
from monai_tbkd.label.series_film import frontal_film

logger = logging.getLogger(__name__)


def finished_labels(datastore: Any) -> Iterator[tuple[str, FilmLabel]]:
    """Films with a finished label that can be understood; others are named in the log.

    Args:
        datastore: MONAI Label's, as of this app.

    Yields:
        The film's identifier, and its label.
    """
    for item in datastore.datalist():
        try:
            check_name(item["image"])
            info = datastore.get_label_info(item["id"], FINAL)
            yield item["id"], read_label(item["label"], item["image"], info, item["id"])
        except (ValueError, FilmError, OSError) as error:
            logger.warning("%s: its label is left out (%s)", item["id"], error)


def as_correction(label: FilmLabel) -> Correction:
    """A label as what training takes: TB or not, a film with boxes being TB."""
    boxes = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in label.upright_boxes)
    return Correction(str(label.film), label.is_tb, boxes)


def unlabeled_paths(datastore: Any, at_most: int) -> list[str]:
    """Files of films without a label, in an order that has nothing to do with their names.

    Args:
        datastore: MONAI Label's; a film of a PACS is fetched.
        at_most: so many.
    """
    films = sorted(datastore.get_unlabeled_images(), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    paths: list[str] = []
    for film in films:
        if len(paths) >= at_most:
            break
        try:
            path = str(frontal_film(Path(datastore.get_image_uri(film))))
            check_name(path)
            paths.append(path)
        except (ValueError, OSError) as error:
            logger.info("%s: not used in training (%s)", film, error)
    return paths
