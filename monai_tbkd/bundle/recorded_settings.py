"""Settings of inference that a model's own record asks for."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.bundle.config_files import find_config, read_config
from monai_tbkd.bundle.locations import bundle_files, called
from monai_tbkd.bundle.running_config import running_parser, set_values
from monai_tbkd.bundle.settings import literal
from monai_tbkd.networks.checkpoint import file_sha256, read_record
from monai_tbkd.networks.finished_network import KNOWN_NETWORKS

logger = logging.getLogger(__name__)

LUNG_FIELD = "lung_field.pt"
"""A lung-field network that came with a model, beside its weights."""
_RECORDED = ("image_size", "lung_crop", "whole_image_size", "lung_field_key", "keep_features", "teacher_view",
             "label_terms", "teacher_terms", "pasted_copies", "balance", "student_terms", "target")  # fmt: skip


def recorded_values(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ids of the configs that a record knows the values of: of the network, its input and its loss."""
    settings = record.get("settings") or record.get("training") or {}
    known = {key: settings[key] for key in _RECORDED if key in settings}
    is_section = {key: isinstance(value, str) and value.startswith("{") for key, value in known.items()}
    return {
        **(record.get("architecture") or {}),
        **{key: json.loads(value) if is_section[key] else value for key, value in known.items()},
    }


def recorded_network(record: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config's ``network_def`` with the architecture of a record.

    Its references and expressions stay where they are of the network's kind.
    """
    architecture = dict(record.get("architecture") or {})
    kind = architecture.pop("network_class", None)
    if kind is None:
        return dict(config)
    target = f"monai_tbkd.networks.{kind}"
    meant = {key: value for key, value in config.items() if isinstance(value, str) and value[:1] in "@$"}
    kept = meant if config["_target_"] == target else {k: v for k, v in meant.items() if k in architecture}
    return {"_target_": target, **architecture, **kept, "weights": config.get("weights")}


def model_settings(
    config: Mapping[str, Any], checkpoint: str | Path, exported: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the network and the preprocessing of a model, where a config leaves them at the bundle's defaults.

    What a recipe or a command line has changed stays, and is compared with the record when the weights are loaded.

    Args:
        config: inference.yaml with what lies over it, as written.
        checkpoint: the model; without a record nothing is known of it.
        exported: record of an exported file in its place.

    Returns:
        Values by id, such as ``network_def`` and ``image_size``.

    Raises:
        ValueError: a record with something in it that a config would run.
    """
    record = read_record(checkpoint) or {}
    if exported is not None:
        record = {"architecture": exported.get("architecture"), "settings": {"image_size": exported["image_size"]}}
    architecture, settings = record.get("architecture") or {}, record.get("settings") or {}
    known = {"architecture": architecture, "settings": settings}
    defaults = read_config(find_config(bundle_files() / "configs", "inference"))
    free = {key for key, value in config.items() if key in defaults and defaults[key] == value}
    values = {key: value for key, value in recorded_values(known).items() if key in free}
    for key, value in {**architecture, **values}.items():
        if not _is_plain(value):
            raise ValueError(f"{checkpoint}: {key} is {value!r} in its record; expected a number or a word.")
    if str(architecture.get("network_class")) in KNOWN_NETWORKS:
        values["network_def"] = recorded_network(known, config["network_def"])
    lungs, wanted = Path(checkpoint).with_name(LUNG_FIELD), settings.get("lung_weights_sha256")
    if wanted and lungs.is_file() and file_sha256(lungs) == wanted:
        values["lung_weights"] = literal(str(lungs))
    return {key: value for key, value in values.items() if key in free and config[key] != value}


def read_model() -> None:
    """Set network and preprocessing of the running inference as its model needs them, and log which model it is.

    A step of ``initialize``, after `read_settings`.

    Raises:
        FileNotFoundError: no model.
    """
    parser, steps = running_parser()
    get = parser.get_parsed_content
    checkpoint, exported = Path(get("student_checkpoint")), get("exported")
    if exported is None and not get("load_pretrain"):
        return
    if exported is None and not checkpoint.is_file():
        raise FileNotFoundError(
            f"There is no model {checkpoint}, and no released model in this installation (a wheel brings it; in a "
            "checkout `make release-model` makes it). Give the folder of a trained model with --ckpt_dir."
        )
    set_values(parser, steps, model_settings(parser.get(), checkpoint, exported))
    where = str(exported["path"]) if exported else called(checkpoint.parent)
    logger.info("Model: %s, %s.", parser.get_parsed_content("model_version"), where)


def _is_plain(value: Any) -> bool:
    """Tell whether a config takes a value as it is; it would run what begins with ``$``."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float)) or (isinstance(value, str) and value.isidentifier())
