"""Settings as the user typed them, and with the type of their default."""

from __future__ import annotations

import ast
import difflib
import functools
import json
import math
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser

from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.bundle.locations import bundle_files
from monai_tbkd.bundle.running_config import running_parser, set_values

_YES, _NO, _NOTHING = ("true", "yes", "on", "1"), ("false", "no", "off", "0"), ("none", "null", "")
_MEANINGFUL = ("$", "@", "%")  # at the start of a value, to MONAI: an expression, a reference, a macro
_RUNNER = {"run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file",
           "workflow_name", "workflow_type", "properties_path"}  # fmt: skip
_PATH_ENDINGS = ("_dir", "_file", "_folder", "_root", "_checkpoint", "_model", "weights", "operating_point",
                 "unlabeled")  # fmt: skip
_MAY_BE_NOTHING = ("features_dir", "board_dir")  # paths whose default is an expression, and null means none
_FLAGS = ("amp", "progress_bar")  # whose defaults are expressions
_LEAST = {"batch_size": 1, "num_workers": 0, "image_size": 1, "whole_image_size": 1, "picture_size": 1, "grid": 1,
          "largest_number": 1, "max_epochs": 1, "val_interval": 1}  # fmt: skip
_C_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def truth(value: object, name: str = "a flag") -> bool:
    """Read a yes or no: a bool, or true, false, yes, no, on, off, 1 or 0 in any case; `name` is for the message.

    Raises:
        ValueError: anything else.

    Example:
        >>> truth("false"), truth(True)
        (False, True)
    """
    word = str(value).strip().lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError(f"{name} is {value!r}; expected true or false.")


def choices(value: object, usual: Sequence[str] = ()) -> tuple[str, ...]:
    """Read a choice of several words, from a config or the command line.

    Args:
        value: false or none for nothing, true for `usual`, one word, words with commas, or a list of words.
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
        if word in (*_NO, *_NOTHING):
            return ()
        if word in _YES:
            return tuple(usual)
        value = word.strip("[]()").split(",")
    if isinstance(value, Sequence) and all(isinstance(word, str) for word in value):
        words = (word.strip().strip("'\"").lower() for word in value)
        return tuple(dict.fromkeys(word for word in words if word))
    raise ValueError(f"{value!r} is no choice; expected true, false, a word, or a list of words.")


def literal(text: str) -> str:
    r"""Write a text so that MONAI's config parser takes it as it is.

    The parser replaces ``#`` by ``::`` and gives ``$``, ``@`` and ``%`` at the start a meaning.

    Returns:
        The text itself, or an expression whose value is the text.

    Example:
        >>> literal("/data/images"), literal("/data/images#2")
        ('/data/images', "$'/data/images\\x232'")
    """
    if "#" not in text and not text.startswith(_MEANINGFUL):
        return text
    special = {ord(letter): f"\\x{ord(letter):02x}" for letter in "#@%$"}
    return "$" + repr(text).translate(special)


def set_option(option: str) -> tuple[str, Any]:
    """Read ``KEY=VALUE`` of a ``--set`` option; the value gets the type of the key's default in the bundle's configs.

    Raises:
        ValueError: no ``KEY=VALUE``, a key that no config has, or a value of another type.

    Example:
        >>> set_option("min_age=0"), set_option("output_dir=20261130")
        (('min_age', 0), ('output_dir', '20261130'))
    """
    key, equals, raw = option.partition("=")
    if not equals or not key:
        raise ValueError(f"--set {option!r}; expected KEY=VALUE, such as min_age=0.")
    if key.split("::")[0] not in _defaults():
        raise ValueError(f"--set {option}: no config has {key}{_nearest(key, _defaults())}")
    try:
        parsed = yaml.safe_load(raw)
    except yaml.YAMLError:
        parsed = raw
    return key, _typed(key, raw, parsed)


def read_settings() -> None:
    """Give the settings of the running config their types; the first step of ``initialize``.

    A value from the command line is taken as it was typed: python-fire and MONAI turn ``20261130`` into a number,
    ``a,b`` into a tuple, ``images#2`` into ``images`` or ``images::2``.

    Raises:
        ValueError: a value of another type than its default's, an unknown key, a device that is not there, or a number
            out of range.
    """
    parser, steps = running_parser()
    values = _from_command_line(parser)
    values |= {key: _checked(key, value) for key, value in parser.get().items() if key not in values}
    set_values(parser, steps, values)
    for key, least in _LEAST.items():
        number = _value(parser, key) if key in parser else least
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise ValueError(f"{key} is {number!r}; expected a whole number, {least} or more.")
    device = parser.get("device", "$")
    if not (isinstance(device, str) and device.startswith(_MEANINGFUL)):
        set_values(parser, steps, {"device": f"$torch.device({_existing_device(device)!r})"})


def _from_command_line(parser: ConfigParser) -> dict[str, Any]:
    """Read the values of ``python -m monai.bundle run --key value``; none where the run was started otherwise."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if getattr(spec, "name", "") != "monai.bundle.__main__":
        return {}
    typed = _flags(sys.argv[1:])
    if "args_file" in typed:
        content = ConfigParser.load_config_file(typed["args_file"])
        given = {key: value for key, value in content.items() if value is not None}
        typed = {k: v if isinstance(v, str) else json.dumps(v, default=str) for k, v in given.items()} | typed
    known = set(_defaults())  # of all configs: one list of flags may serve several commands
    for file in _files(typed.get("config_file", "")):
        known |= {key.lstrip("+").replace("#", "::").split("::")[0] for key in read_config(file, _C_LOADER)}
    values: dict[str, Any] = {}
    for name, raw in typed.items():
        key = name.replace("#", "::")
        if key in _RUNNER:
            continue
        if key.split("::")[0] not in known:
            raise ValueError(f"--{name}: there is no setting of this name{_nearest(key, known)}")
        parsed = parser.get(key, None)
        is_meant = raw.startswith(_MEANINGFUL) and not _exists(raw)
        values[key] = _meant(parser, key, raw, parsed) if is_meant else _typed(key, raw, parsed)
    return values


_RENAMED = {
    "film_size": "whole_image_size",
    "draw_film": "keep_whole_image",
    "film_reports": "image_reports",
    "network_ahead": "prefetching_network",
    "robustness_films": "robustness_images",
    "sanity_films": "sanity_images",
}
"""Settings of version 0.1 that have another name now."""


def _nearest(key: str, known: Collection[str]) -> str:
    if new := _RENAMED.get(key):
        return f"; it is called {new} now."
    near = difflib.get_close_matches(key, sorted(known), 1)
    return f"; did you mean {near[0]}?" if near else "."


def _exists(path: str) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists takes "" for a folder and raises on names that are too long


def _flags(words: Sequence[str]) -> dict[str, str]:
    """Split flags and their values as python-fire does."""
    flags: dict[str, str] = {}
    words = list(words[: words.index("--")] if "--" in words else words)
    for word, following in zip(words, [*words[1:], "--"], strict=True):
        if not _is_flag(word):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        name = name.replace("-", "_")
        if not equals and _is_flag(following):
            name, value = (name[2:], "False") if name.startswith("no") else (name, "True")
        elif not equals:
            value = following
        flags[name] = value
    return flags


def _is_flag(word: str) -> bool:
    return word.startswith("--") or (word[:1] == "-" and word[1:2].isascii() and word[1:2].isalpha())


def _files(raw: str) -> list[str]:
    try:
        files = ast.literal_eval(raw)
    except (ValueError, SyntaxError):
        files = raw if _exists(raw) else raw.strip("[]()").split(",")
    return [str(file).strip() for file in ([files] if isinstance(files, str) else files)]


@functools.cache
def _defaults() -> Mapping[str, list[Any]]:
    """Collect the defaults of each top-level key in the bundle's configs."""
    found: dict[str, list[Any]] = {}
    for file in sorted(p for p in (bundle_files() / "configs").iterdir() if p.suffix in (".yaml", ".json")):
        for key, value in read_config(file, _C_LOADER).items() if file.name != "metadata.json" else ():
            found.setdefault(key, []).append(value)
    return found


def _kind(key: str) -> type | None:
    """Return Path, str, bool, int or float as the default of a key has it; None where any value may be meant."""
    if key in _FLAGS:
        return bool
    is_number = any(isinstance(value, (int, float)) for value in _defaults().get(key, ()))
    if (key.endswith(_PATH_ENDINGS) and not is_number and key != "class_weights") or key == "components":
        return Path
    for value in _defaults().get(key, ()):
        if isinstance(value, str) and value.startswith("@") and value[1:].isidentifier():
            return _kind(value[1:])
        if isinstance(value, (str, bool, int, float)) and not str(value).startswith(_MEANINGFUL):
            return type(value)
    return None


def _typed(key: str, raw: str, parsed: Any) -> Any:
    """Give a value from the command line its type: `raw` as it was typed, `parsed` by a parser of literals."""
    kind, word = _kind(key), raw.strip().lower()
    nothing = word in _NOTHING and (None in _defaults().get(key, ()) or key in _MAY_BE_NOTHING)
    if kind in (Path, str):
        if nothing:
            return None
        if _exists(raw):
            return literal(raw)
        if not raw:
            raise ValueError(f"{key} is empty; expected {'a path' if kind is Path else 'a word'}.")
        if raw[0] == "[" and (kind is str or key == "dataset_dir"):
            return _list(key, raw, parsed)
        quoted = raw[0] in "'\"" and raw[-1] == raw[0] and len(raw) > 2
        return literal(raw[1:-1] if quoted else raw)
    if nothing or (kind is None and word in ("none", "null")):
        return None
    if kind is bool:
        return truth(raw, key)
    if raw.startswith(("[", "(")):
        return _list(key, raw, parsed)
    if kind in (int, float):
        return _number(key, raw, kind)
    if word in ("true", "false"):
        return word == "true"
    return literal(raw) if "#" in raw else parsed


def _list(key: str, raw: str, parsed: Any) -> Any:
    try:
        parsed = ast.literal_eval(raw)
    except (ValueError, SyntaxError) as error:  # words without quotes, which python-fire takes
        if "#" in raw:
            raise ValueError(f"{key} is {raw!r}; put each entry of the list in quotes.") from error
    if not isinstance(parsed, (list, tuple)):
        return parsed
    return [literal(entry) if isinstance(entry, str) else entry for entry in parsed]


def _number(key: str, raw: str, kind: type) -> int | float:
    try:
        return int(raw, 0)
    except ValueError:
        pass
    try:
        number = float(raw)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ValueError(f"{key} is {raw!r}; expected a number.")
    return int(number) if kind is int and number.is_integer() else number


def _meant(parser: ConfigParser, key: str, raw: str, parsed: Any) -> Any:
    """Return the value of a text that begins like an expression, a reference or a macro, if it is one."""
    if _kind(key) is Path:
        try:
            is_text = isinstance(parser.get_parsed_content(key), (str, list))
        except Exception:
            is_text = False
        if not is_text:
            raise ValueError(
                f"{key} is {raw!r}, where MONAI takes {raw[0]} for the start of an expression; for a folder or file of "
                f"this name give ./{raw}."
            )
    return parsed


def _checked(key: str, value: Any) -> Any:
    """Give a value from a config file or a program the type of its default, if it is a text."""
    kind = _kind(key)
    if value is None or (isinstance(value, str) and value.startswith(_MEANINGFUL)):
        return value
    if isinstance(value, os.PathLike):
        return literal(os.fspath(value))
    not_text = (bool, int, float, date, tuple) if kind is Path else (bool, int, float, date)
    if kind in (Path, str) and isinstance(value, not_text):
        raise ValueError(f"{key} is {value!r}, which is no text; put it in quotes.")
    if kind is Path and "::" in str(value):
        raise ValueError(
            f"{key} is {value!r}. MONAI makes :: of a # in a name: give {key} on the command line, or from Python as "
            "monai_tbkd.bundle.literal(path)."
        )
    if isinstance(value, str) and kind is bool:
        return truth(value, key)
    return _number(key, value, kind) if isinstance(value, str) and kind in (int, float) else value


def _value(parser: ConfigParser, key: str) -> Any:
    value = parser[key]
    return parser.get_parsed_content(key) if isinstance(value, str) and value.startswith(_MEANINGFUL) else value


def _existing_device(name: object) -> str:
    import torch

    try:
        torch.zeros(1, device=name if isinstance(name, torch.device) else str(name))
    except (RuntimeError, AssertionError) as error:
        here = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise ValueError(f"device is {name!r}, which is not there; this machine has {', '.join(here)}.") from error
    return str(name)
