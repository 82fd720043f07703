"""The config that is being run, as its expressions see it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver

from monai_tbkd.packaging.bundle_location import bundle_files
from monai_tbkd.packaging.config_layers import read_config


def running_parser() -> tuple[ConfigParser, str]:
    """The parser that evaluates the expression from which this is called, and the id of the list that it stands in.

    MONAI hands neither to an expression.
    """
    frame, steps = sys._getframe(1), ""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, ReferenceResolver) and not steps:
            steps = str(frame.f_locals.get("id", "")).rpartition("::")[0]
        if isinstance(owner, ConfigParser):
            return owner, steps
        frame = frame.f_back  # type: ignore[assignment]
    raise RuntimeError("This is an expression of a config; call it there.")


def shared(name: str, file: str = "preprocessing") -> Any:
    """Take a part of a config file that several configs share, under the settings of the config that takes it.

    Args:
        name: id in the file.
        file: name without suffix, YAML or JSON, in ``configs`` of the config's ``bundle_root``, or else of the bundle
            that this package came with. Its other ids are defaults, which the config may replace.

    Returns:
        The parsed content.

    Raises:
        FileNotFoundError: there is no such file.
    """
    parser, _ = running_parser()
    content = shared_content(parser, file)
    wanted = {*content, "bundle_root"} - {name, "imports"}
    given = {key: parser.get_parsed_content(key) for key in wanted if key in parser}
    return ConfigParser(config={**content, **given}).get_parsed_content(name)


def shared_content(parser: ConfigParser, file: str) -> dict[str, Any]:
    """A config file that several configs share, see `shared`."""
    folders = [Path(parser.get_parsed_content("bundle_root"))] if "bundle_root" in parser else []
    paths = [folder / "configs" / f"{file}{end}" for folder in (*folders, bundle_files()) for end in (".yaml", ".json")]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"{paths[0]} is not there; expected the configs of a bundle.")
    return read_config(found)
