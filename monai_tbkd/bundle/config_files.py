"""Find and read config files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from monai_tbkd.data.files.outside_text import read_text

SUFFIXES = (".yaml", ".yml", ".json")


def read_config(path: str | Path, loader: Any = yaml.SafeLoader) -> dict[str, Any]:
    """Read a YAML or JSON config as it is written, without resolving anything.

    Args:
        path: the file.
        loader: of YAML; the C one is faster, but crashes on files that are nested too deeply.

    Raises:
        ValueError: the file is no mapping, or not readable as YAML or JSON.
    """
    try:
        text = read_text(path)
        content = json.loads(text) if Path(path).suffix == ".json" else yaml.load(text, loader)
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
        # PyYAML's constructors raise errors of their own, e.g. on the date 2020-99-99
        raise ValueError(f"{path} can't be read as a config: {e}") from e
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds {type(content).__name__}; expected a mapping of ids to their content.")
    return content


def find_config(folder: Path, name: str, *others: Path) -> Path:
    """Find a config by its name without suffix, in the first of the folders that has it.

    Raises:
        FileNotFoundError: none of the folders has it.
    """
    for path in (position / f"{name}{suffix}" for position in (folder, *others) for suffix in SUFFIXES):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{folder}: no {name}.yaml or {name}.json; expected the configs of a bundle.")
