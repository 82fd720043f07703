"""An image whose results the archive does not take."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from monai.data import MetaTensor

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.pacs.result_sender import ResultSender
from monai_tbkd.results import PredictionTable


def test_an_image_whose_results_are_not_stored_keeps_no_number(tmp_path: Path) -> None:
    def refuse(*_: Any) -> None:
        raise ImageError(ReasonCode.NOT_STORED, "studies/1.2", "the archive answers 507")

    table = PredictionTable(tmp_path / "out")
    table.start([])
    sender = ResultSender(SimpleNamespace(store=refuse), ["sr"], table=table, score_threshold=0.5, overlays=False)
    sender._store = refuse  # what makes the report is tested elsewhere
    image = MetaTensor(torch.zeros(1, 8, 8), meta={"filename_or_obj": str(tmp_path / "image"), "turn": ""})
    batch = {"image": image, "name": "1.3", "study": "1.1", "series": "1.2", "reason": "", "detail": "",
             "original_size": [40, 20]}  # fmt: skip
    output = {"score": torch.tensor([0.8]), "pred_boxes": torch.tensor([[1.0, 2, 9, 9]]),
              "pred_box_scores": torch.tensor([0.9]), "tb_map": torch.zeros(1, 4, 4)}  # fmt: skip
    sender.write(SimpleNamespace(state=SimpleNamespace(batch=[batch], output=[output])))
    (row,) = table.rows
    assert (row["status"], row["reason"]) == ("failed", "NOT_STORED")
    for key in ("score_0_100", "threshold_0_100", "threshold_id", "decision", "n_boxes", "boxes"):
        assert row[key] is None, key
