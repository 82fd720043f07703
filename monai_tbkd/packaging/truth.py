"""Yes and no from the command line."""

from __future__ import annotations


def truth(value: object, name: str = "a flag") -> bool:
    """A flag as it came from a config or the command line.

    ``python -m monai.bundle run --flag false`` brings the text ``"false"``, which is true to Python.

    Args:
        value: True, False, or one of the words true, false, yes, no, on, off, in any case.
        name: of the flag, for the message.

    Raises:
        ValueError: anything else.

    Example:
        >>> truth("false"), truth(True)
        (False, True)
    """
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError(f"{name} is {value!r}; expected true or false.")
