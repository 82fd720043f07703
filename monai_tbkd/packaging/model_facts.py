"""What is known of the model that a bundle is made with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_tbkd.data.outside_text import read_text
from monai_tbkd.networks.checkpoint import file_sha256, knows_no_real_film, read_record

PHANTOMS = "phantom films: synthetic films drawn by a program (monai_tbkd phantom); no patient was ever imaged"
# settings of a training that the folder's defaults have to be those of
_RECORDED = ("image_size", "lung_crop", "film_size", "lung_field_key", "keep_features", "teacher_view", "label_terms",
             "teacher_terms", "pasted_copies", "balance", "student_terms", "target")  # fmt: skip
_MEASURES = {"union_mask_miou": "union-mask mIoU", "pointing_game": "pointing game", "auc": "AUC"}
_BLIND = {"blind_prior": "blind prior (never looks at the film)", "center_box": "center box (never looks at the film)"}


@dataclass(frozen=True)
class ModelFacts:
    """A checkpoint, its record, and what its documents have to say.

    Attributes:
        checkpoint: the model.
        record: beside it, or empty.
        trained_on: in words.
        phantom: whether it knows no real film.
        metrics: content of ``metrics.json`` of an evaluation of this model, or None.
        performance: Markdown in place of a table from ``metrics``, or None.
    """

    checkpoint: Path
    record: Mapping[str, Any]
    trained_on: str
    phantom: bool
    metrics: Mapping[str, Any] | None = None
    performance: str | None = None
    sha256: str = field(default="")

    @property
    def config_values(self) -> dict[str, Any]:
        """Ids of the configs that the record knows the values of: of the network, of what it sees, of its loss."""
        settings = self.record.get("settings") or self.record.get("training") or {}
        known = {key: _content(settings[key]) for key in _RECORDED if key in settings}
        return {**(self.record.get("architecture") or {}), **known}

    def network_def(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The network of a config as the record has it.

        Args:
            config: ``network_def`` of the config. Its references and expressions stay where they are of the network's
                kind.
        """
        architecture = dict(self.record.get("architecture") or {})
        kind = architecture.pop("network_class", None)
        if kind is None:
            return dict(config)
        target = f"monai_tbkd.networks.{kind}"
        meant = {key: value for key, value in config.items() if isinstance(value, str) and value[:1] in "@$"}
        kept = meant if config["_target_"] == target else {k: v for k, v in meant.items() if k in architecture}
        return {"_target_": target, **architecture, **kept, "weights": config.get("weights")}

    def numbers(self) -> dict[str, Any]:
        """The student's numbers with their intervals, for metadata; empty where none were given."""
        if self.metrics is None:
            return {}
        row, split = self.metrics["predictors"]["student"], self.metrics["splits"]["test"]
        known = {name: row[name] for name in _MEASURES if row.get(name)}
        numbers = {name: {k: round(value[k], 4) for k in ("value", "low", "high")} for name, value in known.items()}
        return {**numbers, "films": split["films"], "tb_films_with_boxes": split["tb_films_with_boxes"]}

    def table(self) -> str:
        """Networks and blind baselines as a Markdown table with intervals."""
        if self.metrics is None:
            return ""
        lines = ["| | " + " | ".join(_MEASURES.values()) + " |", "|---|" + "---|" * len(_MEASURES)]
        for name, row in self.metrics["predictors"].items():
            if name in ("teacher", "control", "student", *_BLIND):
                cells = [_cell(row.get(measure)) for measure in _MEASURES]
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
        trained_on: the films in words; may be left out for phantom films.
        phantom: it knows no real film, where its record does not say so.
        metrics: ``metrics.json`` of its evaluation.
        performance: a Markdown file with its numbers, where they come from elsewhere.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: nobody says what it was trained on, or the numbers are another model's.
    """
    path = Path(checkpoint)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}; give the path of a trained model.pt.")
    record = read_record(path) or {}
    phantom = phantom or knows_no_real_film(record)
    trained_on = trained_on or record.get("trained_on")
    if not trained_on and not phantom:
        raise ValueError(
            f"{path}: its record does not say what films it was trained on; say so with --trained_on, and with "
            "--phantom if it was phantom films alone."
        )
    sha256 = file_sha256(path)
    content = None if metrics is None else json.loads(read_text(metrics))
    if content is not None:
        measured = ((content.get("checkpoints") or {}).get("student") or {}).get("sha256")
        if measured != sha256:
            raise ValueError(f"{metrics} is an evaluation of another model ({measured}) than {path} ({sha256}).")
    words = None if performance is None else read_text(performance).strip()
    return ModelFacts(path, record, trained_on or PHANTOMS, phantom, content, words, sha256)


def _content(recorded: Any) -> Any:
    """A section of a config is recorded as its text."""
    return json.loads(recorded) if isinstance(recorded, str) and recorded.startswith("{") else recorded


def _cell(value: Mapping[str, float] | None) -> str:
    return "" if not value else f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
