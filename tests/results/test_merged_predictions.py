from __future__ import annotations

from pathlib import Path

import pytest

from monai_tbkd.results.merged_predictions import merge_predictions
from monai_tbkd.results.prediction_table import PredictionTable
from tests.results.test_prediction_table import row


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_overlays_of_all_parts_come_together(tmp_path: Path, ending: str) -> None:
    for number, name in ((1, "a"), (2, "=b")):
        part = tmp_path / f"shard_{number}_of_2"
        table = PredictionTable(part, {"shard": f"{number}/2", "dataset_dir": str(tmp_path / "images")})
        table.start([{"name": name}])
        (part / "overlays").mkdir()
        (part / "overlays" / f"{name}.{ending}").write_text(name)
        table.append(row(name))
        table.finish()
    merged = merge_predictions(tmp_path)
    assert [image["name"] for image in merged.rows] == ["=b", "a"]
    found = {path.name: path.read_text() for path in (tmp_path / "overlays").iterdir()}
    assert found == {f"a.{ending}": "a", f"=b.{ending}": "=b"}
