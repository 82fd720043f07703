"""Content of a config, or the reason why it has none."""

from __future__ import annotations

from typing import Any

from monai.bundle import ConfigParser

from monai_tbkd.packaging.plain_errors import plain_cause


def parsed_content(parser: ConfigParser, key: str) -> Any:
    """Parse a part of a config; what this package refuses is raised as it is, not as the parser wraps it.

    Args:
        parser: of the config.
        key: id of the part.
    """
    try:
        return parser.get_parsed_content(key)
    except Exception as error:
        cause = plain_cause(error)
        if cause is None:
            raise
        raise cause from error
