"""What inference has to be set to for a model, by the model's own record."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.networks.checkpoint import file_sha256, read_record
from monai_tbkd.networks.finished_network import KNOWN_NETWORKS
from monai_tbkd.packaging.bundle_location import bundle_files
from monai_tbkd.packaging.config_layers import find_config, read_config
from monai_tbkd.packaging.model_facts import ModelFacts
from monai_tbkd.packaging.released import called
from monai_tbkd.packaging.running_config import running_parser
from monai_tbkd.packaging.settings import literal, set_values

logger = logging.getLogger(__name__)

LUNG_FIELD = "lung_field.pt"
"""A lung-field network that came with a model, beside its weights."""


def model_settings(
    config: Mapping[str, Any], checkpoint: str | Path, exported: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The network and the preprocessing of a model, where a config leaves them at the bundle's defaults.

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
    architecture = record.get("architecture") or {}
    facts = ModelFacts(Path(checkpoint), {"architecture": architecture, "settings": record.get("settings")}, "", False)
    defaults = read_config(find_config(bundle_files() / "configs", "inference"))
    free = {key for key, value in config.items() if key in defaults and defaults[key] == value}
    values = {key: value for key, value in facts.config_values.items() if key in free}
    for key, value in {**architecture, **values}.items():
        if not _is_plain(value):
            raise ValueError(f"{checkpoint}: {key} is {value!r} in its record; expected a number or a word.")
    if str(architecture.get("network_class")) in KNOWN_NETWORKS:
        values["network_def"] = facts.network_def(config["network_def"])
    values |= _lung_field(record, Path(checkpoint).parent)
    return {key: value for key, value in values.items() if key in free and config[key] != value}


def read_model() -> None:
    """Set network and preprocessing of the running inference as its model needs them, and say which model it is.

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


def _lung_field(record: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The lung-field network that the model was trained with, if it came along."""
    wanted, path = (record.get("settings") or {}).get("lung_weights_sha256"), folder / LUNG_FIELD
    if not wanted or not path.is_file() or file_sha256(path) != wanted:
        return {}
    return {"lung_weights": literal(str(path))}


def _is_plain(value: Any) -> bool:
    """Whether a config takes a value as it is: whatever stands behind a ``$`` is run."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float)) or (isinstance(value, str) and value.isidentifier())
