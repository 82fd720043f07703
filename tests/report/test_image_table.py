from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_tbkd.metrics.predictor_measures import Predictions, PredictorMeasures
from monai_tbkd.metrics.split_truth import SplitTruth
from monai_tbkd.report.image_table import read_image_table, write_image_table
from monai_tbkd.transforms import MapToBoxes


def test_a_table_is_read_as_it_was_written_and_no_cell_is_run(tmp_path: Path) -> None:
    names = ["=1+1.png", "-0.5", "b, c.png"]
    items = [
        {"name": name, "class_name": "tb" if i else "health", "boxes": [[0, 0, 4, 4]] * bool(i), "size": [8, 8]}
        for i, name in enumerate(names)
    ]
    truth, fit = SplitTruth(items, 4), MapToBoxes((4, 4), threshold=0.5)
    scores = np.array([0.1, 0.25, 0.5])
    maps = torch.zeros(3, 4, 4).numpy()
    measured = PredictorMeasures(truth, Predictions(maps, scores), fit, resamples=5)
    path = write_image_table(tmp_path / "images.csv", truth, {"@cam": measured})
    with path.open(newline="") as file:
        cells = list(csv.reader(file))
    assert cells[0][-1] == "'@cam.score"
    assert [row[0] for row in cells[1:]] == ["'=1+1.png", "-0.5", "b, c.png"]
    table = read_image_table(path)
    assert table.names == names
    assert table.positive.tolist() == [False, True, True]
    np.testing.assert_array_equal(table.numbers["@cam"]["score"], scores)


def test_the_union_of_boxes_and_the_thresholded_map_by_hand(tmp_path: Path) -> None:
    true = [[0, 0, 4, 4]]  # of 8 pixels a side: 2 x 2 of the 4 x 4 cells
    items = [
        {"name": name, "class_name": kind, "boxes": boxes, "size": [8, 8]}
        for name, kind, boxes in (("a", "tb", true), ("b", "tb", true), ("c", "health", []), ("d", "tb", None))
    ]
    maps = np.zeros((4, 4, 4), dtype=np.float32)
    maps[0, [0, 1, 2], [0, 1, 2]] = 0.9  # a diagonal: two cells of four are met, its box has nine
    maps[1:3] = maps[0]
    truth = SplitTruth(items, 4)
    gated = MapToBoxes((4, 4), 0.5, score_threshold=0.5, smallest_area=0.0)
    scores = np.array([0.6, 0.4, 0.1, 0.2])  # b is below the gate, and gets no box
    measured = PredictorMeasures(truth, Predictions(maps, scores), gated, resamples=5)
    table = read_image_table(write_image_table(tmp_path / "images.csv", truth, {"student": measured}))
    numbers = table.numbers["student"]
    np.testing.assert_allclose(numbers["union_mask_iou"], [2 / 5, 2 / 5, np.nan, np.nan], rtol=1e-6)
    np.testing.assert_allclose(numbers["box_union_iou"], [4 / 9, 0, np.nan, np.nan], rtol=1e-6)
    np.testing.assert_allclose(numbers["pointing"], [2 / 3, 2 / 3, np.nan, np.nan])
    assert measured.summary()["box_union_miou"]["value"] == pytest.approx(2 / 9)
    assert measured.summary()["union_mask_miou"]["value"] == pytest.approx(2 / 5)
