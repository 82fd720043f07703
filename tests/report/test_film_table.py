from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch

from monai_tbkd.metrics.predictor_measures import Predictions, PredictorMeasures
from monai_tbkd.metrics.split_truth import SplitTruth
from monai_tbkd.report.film_table import read_film_table, write_film_table
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
    measured = PredictorMeasures(truth, Predictions(maps, scores), 0.5, fit, fit, resamples=5)
    path = write_film_table(tmp_path / "films.csv", truth, {"@cam": measured})
    with path.open(newline="") as file:
        cells = list(csv.reader(file))
    assert cells[0][-1] == "'@cam.score"
    assert [row[0] for row in cells[1:]] == ["'=1+1.png", "-0.5", "b, c.png"]
    table = read_film_table(path)
    assert table.names == names
    assert table.positive.tolist() == [False, True, True]
    np.testing.assert_array_equal(table.numbers["@cam"]["score"], scores)
