"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON beside its place, then move it there, so that a killed run leaves the old file or the new one.

    Args:
        path: the file; its folder is made.
        content: JSON-able; a number that is not finite is an error, since JSON has none.

    Raises:
        ValueError: nan or infinity.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
