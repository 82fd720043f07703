"""The bundle's commented YAML as the JSON that ``monai.bundle.load`` and the Model Zoo look for."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser
from monai.bundle.utils import merge_kv

from monai_tbkd.data.outside_text import read_text

START = "start"
"""What a vendored bundle calls its ``initialize``, see `start_at_run`."""
_SUFFIXES = (".yaml", ".yml", ".json")


def read_config(path: str | Path) -> dict[str, Any]:
    """A config as it is written, in the order of its keys.

    Raises:
        ValueError: the file is no mapping, or not readable as YAML or JSON.
    """
    try:
        text = read_text(path)
        content = json.loads(text) if Path(path).suffix == ".json" else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
        # PyYAML lets through what its constructors stumble over, such as the date 2020-99-99
        raise ValueError(f"{path} can't be read as a config: {e}") from e
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds {type(content).__name__}; expected a mapping of ids to their content.")
    return content


def find_config(folder: Path, name: str) -> Path:
    """A config by its name without suffix.

    Raises:
        FileNotFoundError: there is none in the folder.
    """
    for suffix in _SUFFIXES:
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    raise FileNotFoundError(f"{folder}: no {name}.yaml or {name}.json; expected the configs of a bundle.")


def lay_over(config: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a recipe over a config by MONAI's rules: nested ids replace, ``+id`` merges.

    Args:
        config: not changed.
        layer: ids, also nested ones (``validate::handlers``), to their new content.

    Returns:
        A new config.

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


def layer_for(config: Mapping[str, Any], layer: Mapping[str, Any], also_new: Sequence[str] = ()) -> dict[str, Any]:
    """The part of a recipe that concerns a config: the ids that it has itself.

    Args:
        config: as it is before.
        layer: the recipe.
        also_new: further ids to keep, by their first part.
    """
    known = {*config, *also_new}
    return {key: value for key, value in layer.items() if first_part(key) in known}


def first_part(key: str) -> str:
    """``train`` of ``+train::handlers`` and of ``train#handlers``."""
    return key.lstrip("+").replace("#", "::").split("::")[0]


def resolve_files(node: Any, folder: str | Path) -> Any:
    """Replace ``%file.yaml::id``, which other folders don't have, by what stands there.

    Macros within the config itself (``%network_def``) stay; those in what was read are resolved in their own file.

    Args:
        node: a config or part of one.
        folder: that relative file names start from.

    Raises:
        ValueError: no such file, or no such id in it.
    """
    if isinstance(node, Mapping):
        return {key: resolve_files(value, folder) for key, value in node.items()}
    if isinstance(node, list):
        return [resolve_files(value, folder) for value in node]
    if not (isinstance(node, str) and node.startswith("%")):
        return node
    name, _, item = node[1:].replace("#", "::").partition("::")
    if Path(name).suffix not in _SUFFIXES:
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
    """Let what a config does first be done by its run ids instead of by ``initialize``.

    MONAI puts a bundle's folder on Python's path when the run begins and not before, so that from another working
    directory an ``initialize`` finds none of the code that the bundle brings. Here it is renamed, and each run id asks
    for it first.

    Args:
        config: not changed.
    """
    out: dict[str, Any] = {}
    for key, value in config.items():
        if key == "initialize":
            out[START] = value
        elif (key == "run" or key.startswith("run_")) and isinstance(value, list):
            out[key] = [f"$@{START} is None", *value]
        else:
            out[key] = value
    return out


def as_json(config: Mapping[str, Any]) -> str:
    """The same bytes for the same config, whatever the machine: keys in their order, four spaces, one line at the end.

    Raises:
        ValueError: something that JSON can't hold, such as a date or a number that is not finite.
    """
    try:
        return json.dumps(config, indent=4, ensure_ascii=False, allow_nan=False) + "\n"
    except TypeError as e:
        raise ValueError(f"The config holds what JSON can't: {e}; put it in quotes.") from e
