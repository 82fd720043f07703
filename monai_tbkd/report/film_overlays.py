"""Overlays of evaluated films: what each network points at, beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_tbkd.data import CXRReader
from monai_tbkd.data.own_results import save_marked
from monai_tbkd.data.whole_file import whole_file
from monai_tbkd.metrics import Predictions
from monai_tbkd.metrics.predictor_measures import served_boxes
from monai_tbkd.transforms import NOTICE, FilmTo8Bit, MapToBoxes, Panel, draw_panels, rescale_boxes


def read_film(path: str | Path) -> np.ndarray:
    """A film as 8-bit gray values ``(H, W)``, upright."""
    return open_film(path)[0]


def open_film(path: str | Path, voi: str = "first") -> tuple[np.ndarray, dict[str, Any]]:
    """A film as it is shown, whether or not it may be scored.

    Args:
        path: the file.
        voi: as in `CXRReader`.

    Returns:
        8-bit gray values ``(H, W)``, upright, and the metadata of `film_meta`.

    Raises:
        FilmError: it cannot be decoded.
    """
    reader = CXRReader(voi=voi, min_side=1, min_age=0, secondary_capture=True, any_view=True, any_body_part=True)
    array, meta = reader.get_data(reader.read(path))
    return FilmTo8Bit()(torch.from_numpy(np.asarray(array, dtype=np.float32))[None])[0].numpy(), meta


def write_film_overlays(
    folder: str | Path,
    items: Sequence[Mapping[str, Any]],
    predictions: Mapping[str, Mapping[str, Predictions]],
    result: Mapping[str, Any],
    number: int,
    fit: Callable[[Mapping[str, Any]], MapToBoxes],
) -> list[Path]:
    """Write one picture a film: the film with its true boxes, then each network's map and boxes.

    Args:
        folder: gets ``<film>.png``.
        items: datalist items of the reported split.
        predictions: by network, with a ``test`` split in the order of the items.
        result: of the comparison, for operating points.
        number: films to draw: three quarters with TB, evenly spread over the split (not picked by quality).
        fit: from an operating point to the box fitting that was scored.

    Returns:
        The files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()  # nothing of an earlier evaluation may be taken for this one's
    tb = [i for i, item in enumerate(items) if item["class_name"] == "tb"]
    tb = [i for i in tb if items[i]["boxes"]] or tb
    other = [i for i, item in enumerate(items) if item["class_name"] != "tb"]
    chosen = spread(tb, number - number // 4) + spread(other, number // 4)
    order = [n for n in ("teacher", "control", "student") if n in predictions]
    written = []
    for index in chosen:
        item = items[index]
        film = read_film(item["image"])
        panels = [Panel("film, true boxes", true_boxes=item["boxes"] or [])]
        for name in order:
            test = predictions[name]["test"]
            tb_map = torch.from_numpy(test.maps[index])[None]
            score = None if test.scores is None else float(test.scores[index])
            point = result["predictors"][name]["operating_point"]
            to_boxes = fit(point)
            found = served_boxes(test, index, to_boxes)
            boxes = rescale_boxes(found.boxes, to_boxes.to_mask.size, film.shape)
            caption = f"{name}: score {100 * (score or 0):.0f}, {len(boxes)} boxes"
            panels.append(Panel(caption, tb_map, boxes=boxes, box_scores=found.scores))
        path = folder / (str(item["name"]).replace("/", "_").rsplit(".", 1)[0] + ".png")
        title = f"{item['name']}   label: {item['class_name']}"
        picture = draw_panels(film, panels, title, panel_size=320, notice=str(result.get("notice", NOTICE)))
        with whole_file(path) as part:
            save_marked(picture, part, "PNG")
        written.append(path)
    return written


def spread(indices: Sequence[int], number: int) -> list[int]:
    """At most ``number`` of the indices, evenly spread over their order."""
    if len(indices) <= number:
        return list(indices)
    return [indices[int(i)] for i in np.linspace(0, len(indices) - 1, max(number, 0))]
