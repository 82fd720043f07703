"""What is known of the model that a bundle is made with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.networks.checkpoint import file_sha256, knows_no_real_image, read_record

PHANTOMS = "phantom images: synthetic images drawn by a program (monai_tbkd phantom); no patient was ever imaged"
_MEASURES = {"union_mask_miou": "union-mask mIoU", "pointing_game": "pointing game", "auc": "AUC"}
_BLIND = {
    "blind_prior": "blind prior (never looks at the image)",
    "center_box": "center box (never looks at the image)",
}


@dataclass(frozen=True)
class ModelFacts:
    """A checkpoint, its record, and what its documents say.

    Attributes:
        checkpoint: the model.
        sha256: of its file.
        record: beside it, or empty.
        trained_on: in words.
        phantom: whether it was trained on phantom images alone.
        metrics: content of ``metrics.json`` of an evaluation of this model, or None.
        performance: Markdown in place of a table from ``metrics``, or None.
    """

    checkpoint: Path
    sha256: str
    record: Mapping[str, Any]
    trained_on: str
    phantom: bool
    metrics: Mapping[str, Any] | None = None
    performance: str | None = None

    def numbers(self) -> dict[str, Any]:
        """Return the student's numbers with their intervals, for metadata; empty where none were given."""
        if self.metrics is None:
            return {}
        row, split = self.metrics["predictors"]["student"], self.metrics["splits"]["test"]
        known = {name: row[name] for name in _MEASURES if row.get(name)}
        numbers = {name: {k: round(value[k], 4) for k in ("value", "low", "high")} for name, value in known.items()}
        return {**numbers, "images": split["images"], "tb_images_with_boxes": split["tb_images_with_boxes"]}

    def table(self) -> str:
        """Return networks and blind baselines as a Markdown table with intervals."""
        lines = ["| | " + " | ".join(_MEASURES.values()) + " |", "|---|" + "---|" * len(_MEASURES)]
        for name, row in (self.metrics or {"predictors": {}})["predictors"].items():
            if name in ("teacher", "control", "student", *_BLIND):
                cells = [
                    f"{v['value']:.3f} [{v['low']:.3f}, {v['high']:.3f}]" if v else "" for v in map(row.get, _MEASURES)
                ]
                lines.append(f"| {_BLIND.get(name, name)} | " + " | ".join(cells) + " |")
        return "\n".join(lines)


def read_facts(
    checkpoint: str | Path,
    trained_on: str | None = None,
    phantom: bool = False,
    metrics: str | Path | None = None,
    performance: str | Path | None = None,
) -> ModelFacts:
    """Put together what the command line and the checkpoint's record say.

    Args:
        checkpoint: a state dict.
        trained_on: the images in words; may be left out for phantom images.
        phantom: it was trained on phantom images alone, where its record does not say so.
        metrics: ``metrics.json`` of its evaluation.
        performance: a Markdown file with its numbers, where they come from elsewhere.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: it is unknown what it was trained on, or the numbers are another model's.
    """
    path = Path(checkpoint)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}; give the path of a trained model.pt.")
    record = read_record(path) or {}
    phantom = phantom or knows_no_real_image(record)
    trained_on = trained_on or record.get("trained_on")
    if not trained_on and not phantom:
        raise ValueError(
            f"{path}: its record does not say what images it was trained on; say so with --trained_on, and with "
            "--phantom if it was phantom images alone."
        )
    sha256 = file_sha256(path)
    content = None if metrics is None else json.loads(read_text(metrics))
    if content is not None:
        measured = ((content.get("checkpoints") or {}).get("student") or {}).get("sha256")
        if measured != sha256:
            raise ValueError(f"{metrics} is an evaluation of another model ({measured}) than {path} ({sha256}).")
    words = None if performance is None else read_text(performance).strip()
    return ModelFacts(path, sha256, record, trained_on or PHANTOMS, phantom, content, words)
