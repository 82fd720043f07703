"""A config that several configs share, as their expressions take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_tbkd.packaging.bundle_location import bundle_files
from monai_tbkd.packaging.config_layers import read_config
from monai_tbkd.packaging.running_config import running_parser


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
