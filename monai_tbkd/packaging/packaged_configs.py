"""The bundle's commented YAML as the JSON that ``monai.bundle.load`` and the Model Zoo look for."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.utils import merge_kv

from monai_tbkd.bundle.config_files import SUFFIXES, read_config
from monai_tbkd.bundle.recorded_settings import recorded_network, recorded_values

START = "start"
"""What a bundle that brings its code calls its ``initialize``, see `start_at_run`."""
LEFT_OUT = ("monai_tbkd.data.readers.itk_image", "monai_tbkd.metrics.calibrated_threshold")
"""Modules that code imports for features which inference alone lacks: MetaImage and NRRD, ``threshold_file``."""
_PLAIN_LAYER = Path(__file__).with_name("plain_inference.yaml")
_BEGIN = ("imports", "initialize", START, "run", "finalize")


def packaged_configs(
    source: str | Path,
    record: Mapping[str, Any],
    layers: Sequence[Mapping[str, Any]],
    as_requirement: bool = False,
    full: bool = True,
) -> dict[str, dict[str, Any]]:
    """Lay a model's values and recipes into the bundle's configs.

    A recipe's ids go to the configs that have them; what none of them has goes to train.

    Args:
        source: folder of the commented YAML.
        record: of the model.
        layers: recipes.
        as_requirement: leave ``initialize`` as it is, see `start_at_run`.
        full: otherwise inference is made by `plain_inference`.

    Returns:
        Configs by name without suffix.

    Raises:
        ValueError: something that can't be laid over, or a reference to a file that is not there.
    """
    configs = {p.stem: read_config(p) for p in sorted(Path(source).glob("*.yaml"))}
    configs["inference"]["ckpt_dir"] = "$@bundle_root + '/models'"  # the folder has its own
    if not full:
        configs["inference"] = lay_over(configs["inference"], read_config(_PLAIN_LAYER))
    for config in configs.values():
        if "network_def" in config:
            config["network_def"] = recorded_network(record, config["network_def"])
    at_the_top = {key for config in configs.values() for key in config}
    recorded = {key: value for key, value in recorded_values(record).items() if key in at_the_top}
    for layer in (recorded, *layers):
        known = {key for config in configs.values() for key in config}
        for name, config in configs.items():
            here = {*config, *({first_part(key) for key in layer} - known if name == "train" else ())}
            configs[name] = lay_over(config, {key: value for key, value in layer.items() if first_part(key) in here})
    if not full:
        given = {key for layer in layers for key in layer}
        configs["inference"] = plain_inference(configs["inference"], configs["preprocessing"], given)
    resolved = {name: resolve_files(config, source) for name, config in configs.items()}
    return resolved if as_requirement else {name: start_at_run(config) for name, config in resolved.items()}


def plain_inference(inference: Mapping[str, Any], preprocessing: Mapping[str, Any], given: set[str]) -> dict[str, Any]:
    """Make a config of inference that needs no other, without settings that nothing refers to.

    Args:
        inference: with ``plain_inference.yaml`` laid over it.
        preprocessing: whose ids are defaults, and whose steps come first.
        given: ids that somebody has set.

    Raises:
        ValueError: one of these is of a feature that the config lacks.
    """
    shared = {key: value for key, value in preprocessing.items() if key not in ("imports", "preprocessing")}
    whole = {**inference, **{key: value for key, value in shared.items() if key not in inference}}
    if whole["lung_weights"] is None:  # the model refuses boxes of lungs that were found otherwise
        whole["lung_field"] = None
    steps = [*preprocessing["preprocessing"]["transforms"], *inference["preprocessing"]["transforms"][1:]]
    whole["preprocessing"] = {**inference["preprocessing"], "transforms": steps}
    kept, waiting = set(), {key for key in _BEGIN if key in whole}
    while waiting:
        key = waiting.pop()
        kept.add(key)
        waiting |= {name for name in re.findall(r"[@%](\w+)", str(whole[key])) if name in whole} - kept
    without = {first_part(key) for key in given} & {*inference} - kept
    if without:
        raise ValueError(
            f"{', '.join(sorted(without))}: a folder for inference alone has no such setting; make one with everything "
            "(--full)."
        )
    return {key: value for key, value in whole.items() if key in kept}


def lay_over(config: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a recipe over a copy of a config by MONAI's rules: nested ids replace, ``+id`` merges.

    Raises:
        ValueError: a nested id into something that is not there.
    """
    parser = ConfigParser(config=copy.deepcopy(dict(config)))
    for key, value in layer.items():
        try:
            merge_kv(parser, key, copy.deepcopy(value))
        except (KeyError, ValueError, TypeError, IndexError) as e:
            raise ValueError(f"{key} can't be laid over the config: {e}") from e
    return dict(parser.get())


def first_part(key: str) -> str:
    """Return ``train`` of ``+train::handlers`` and of ``train#handlers``."""
    return key.lstrip("+").replace("#", "::").split("::")[0]


def resolve_files(node: Any, folder: str | Path) -> Any:
    """Replace ``%file.yaml::id`` in a config by what is there, since other folders lack the file.

    Macros within the config itself (``%network_def``) stay; those in what was read are resolved in their own file.

    Raises:
        ValueError: no such file in `folder`, or no such id in it.
    """
    if isinstance(node, Mapping):
        return {key: resolve_files(value, folder) for key, value in node.items()}
    if isinstance(node, list):
        return [resolve_files(value, folder) for value in node]
    if not (isinstance(node, str) and node.startswith("%")):
        return node
    name, _, item = node[1:].replace("#", "::").partition("::")
    if Path(name).suffix not in SUFFIXES:
        return node
    path = Path(folder) / name
    if not path.is_file():
        raise ValueError(f"{node} names {path}, which is not there.")
    parser = ConfigParser(config=resolve_files(read_config(path), path.parent))
    if item and item not in parser:
        raise ValueError(f"{node} names {item}, which {path} does not have.")
    parser.resolve_macro_and_relative_ids()
    return copy.deepcopy(parser.get(item))


def start_at_run(config: Mapping[str, Any]) -> dict[str, Any]:
    """Rename ``initialize`` to `START`, and let each run id ask for it first.

    MONAI puts a bundle's folder on Python's path when the run begins and not before, so that from another working
    directory an ``initialize`` would not find the code that the bundle brings.
    """
    out: dict[str, Any] = {}
    for key, value in config.items():
        if (key == "run" or key.startswith("run_")) and isinstance(value, list):
            value = [f"$@{START} is None", *value]
        out[START if key == "initialize" else key] = value
    return out


def as_json(config: Mapping[str, Any]) -> str:
    """Write a config as the same bytes on every machine.

    Raises:
        ValueError: something that JSON can't hold, such as a date or a number that is not finite.
    """
    try:
        return json.dumps(config, indent=4, ensure_ascii=False, allow_nan=False) + "\n"
    except TypeError as e:
        raise ValueError(f"The config holds what JSON can't: {e}; put it in quotes.") from e
