"""Access to the config that is being run, from its own expressions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver

from monai_tbkd.bundle.config_files import find_config, read_config
from monai_tbkd.bundle.locations import bundle_files


def running_parser() -> tuple[ConfigParser, str]:
    """Return the parser that evaluates the calling expression, and the id of the list that the expression is in.

    MONAI passes neither to an expression, so they are looked up on the stack.
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


def set_values(parser: ConfigParser, steps: str, values: Mapping[str, Any]) -> None:
    """Set values of a running config; results of the steps that are done are kept.

    Args:
        parser: of the config.
        steps: id of the list that is being run, see `running_parser`.
        values: by id.
    """
    resolved = parser.ref_resolver.resolved_content
    for key, value in values.items():
        old = parser[key]
        if value is not old and (type(value), value) != (type(old), old):
            parser[key] = value
    if parser.ref_resolver.resolved_content is not resolved:  # setting a value empties it
        parser.parse(reset=True)
        done = {id_: value for id_, value in resolved.items() if id_.startswith(f"{steps}::")}
        parser.ref_resolver.resolved_content.update(done)


def shared(name: str, file: str = "preprocessing") -> Any:
    """Return parsed content of a config file that several configs share; its other ids are defaults.

    Args:
        name: id in the file.
        file: name without suffix, in ``configs`` of the running config's ``bundle_root``, or of the bundle that this
            package came with.

    Raises:
        FileNotFoundError: there is no such file.
    """
    parser, _ = running_parser()
    content = shared_content(parser, file)
    wanted = {*content, "bundle_root"} - {name, "imports"}
    given = {key: parser.get_parsed_content(key) for key in wanted if key in parser}
    return ConfigParser(config={**content, **given}).get_parsed_content(name)


def shared_content(parser: ConfigParser, file: str) -> dict[str, Any]:
    """Read a config file that several configs share, see `shared`."""
    roots = [Path(parser.get_parsed_content("bundle_root"))] if "bundle_root" in parser else []
    first, *others = [root / "configs" for root in (*roots, bundle_files())]
    return read_config(find_config(first, file, *others))
