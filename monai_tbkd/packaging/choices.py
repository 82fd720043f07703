"""Some of several things, from the command line."""

from __future__ import annotations

from collections.abc import Sequence


def choices(value: object, usual: Sequence[str] = ()) -> tuple[str, ...]:
    """What is wanted of several things, as it came from a config or the command line.

    Args:
        value: false or none for nothing, true for the usual, one word, words with commas, or a list of words.
        usual: what true stands for.

    Returns:
        Words in lower case, each once, in the order given.

    Raises:
        ValueError: anything else.

    Example:
        >>> choices("false"), choices("sr, SC"), choices(True, ["sr"])
        ((), ('sr', 'sc'), ('sr',))
    """
    if value is None or isinstance(value, bool):
        return tuple(usual) if value else ()
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("", "false", "no", "off", "none", "null", "0"):
            return ()
        if word in ("true", "yes", "on", "1"):
            return tuple(usual)
        value = word.strip("[]()").split(",")
    if isinstance(value, Sequence) and all(isinstance(word, str) for word in value):
        words = (word.strip().strip("'\"").lower() for word in value)
        return tuple(dict.fromkeys(word for word in words if word))
    raise ValueError(f"{value!r} is no choice; expected true, false, a word, or a list of words.")
