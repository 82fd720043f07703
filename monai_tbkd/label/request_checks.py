"""What a request says, looked at before the server's handlers: these answer most mistakes of it with a bare 500."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException, Request

from monai_tbkd.label.film_ids import is_safe_id
from monai_tbkd.label.trainers import read_options

if TYPE_CHECKING:
    from monai_tbkd.label.app import TuberculosisApp

DEEPEST = 32
"""Lists in lists in lists: no request has more, and a note is written by a function that calls itself for each."""
_FORMS = {"infer", "datastore", "session"}
_TEXT_FIELDS = ("params", "info")
_PATH_NAMES = ("model", "method", "strategy")


async def check_request(request: Request, app: TuberculosisApp) -> None:
    """Refuse a request that the server's handlers, or the process that they start, would fail on.

    Args:
        request: its body has been read by FastAPI already.
        app: with the models, trainers, strategies and scoring methods that there are.

    Raises:
        HTTPException: 422 where ``params``, ``info`` or a JSON body is no object or holds numbers that JSON has not,
            where an inference names no film, or for options of a task that cannot be; 404 for a model, trainer,
            strategy or scoring method that there is not.
    """
    kind = request.url.path.strip("/").split("/")[0]
    if request.method not in ("POST", "PUT"):
        return
    try:
        if kind in _FORMS:
            form = await request.form()
            for field in _TEXT_FIELDS:
                if isinstance(text := form.get(field), str) and text:
                    json_object(text, field)
            if kind == "infer" and not _names_film(request.query_params, form):
                raise ValueError("The request names no film: expected image, session_id, or a file.")
        elif body := await request.body():
            content = json_object(body.decode("utf-8"), "body")
            _check_name(app.names(kind), {**request.path_params, **content})
            _check_options(kind, content, request.path_params)
        else:
            _check_name(app.names(kind), request.path_params)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error


def json_object(text: str, what: str) -> dict[str, Any]:
    """A JSON object that can be kept as JSON.

    Args:
        text: of a request.
        what: it is called in an error.

    Raises:
        ValueError: no JSON, no object, nan or infinity, or nested deeper than `DEEPEST`.

    Example:
        >>> json_object('{"a": [1]}', "params")
        {'a': [1]}
    """
    try:
        content = json.loads(text)
        if _deeper(content, DEEPEST):
            raise RecursionError
        json.dumps(content, allow_nan=False)
    except RecursionError:
        raise ValueError(f"The {what} is nested deeper than {DEEPEST} levels.") from None
    except ValueError as error:
        raise ValueError(f"The {what} is not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise ValueError(f'The {what} is JSON, but not an object; expected one such as {{"name": "value"}}.')
    return content


def _deeper(content: Any, levels: int) -> bool:
    """Whether lists and objects are nested deeper than this; level by level, so that nothing calls itself."""
    level = [content]
    for _ in range(levels + 1):
        inner: list[Any] = []
        for each in level:
            inner += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        level = inner
        if not level:
            return False
    return True


def _names_film(query: Mapping[str, str], form: Mapping[str, Any]) -> bool:
    return bool(query.get("image") or query.get("session_id") or form.get("file"))


def _check_name(known: Iterable[str] | None, said: Mapping[str, Any]) -> None:
    if known is None:
        return
    for key in _PATH_NAMES:
        if said.get(key) and said[key] not in list(known):
            raise HTTPException(404, f"There is no {key} {said[key]!r}; expected one of {', '.join(known)}.")


def _check_options(kind: str, content: Mapping[str, Any], path: Mapping[str, Any]) -> None:
    """What the process of a task would fail on, long after the request was answered."""
    if kind == "train":
        each_model = [content] if path.get("model") else [v for v in content.values() if isinstance(v, dict)]
        for options in each_model:
            read_options(options)
    for key in ("gpus", "label_tag"):
        value = content.get(key)
        if value and not (isinstance(value, str) and is_safe_id(value.replace(",", ""))):
            raise ValueError(f"{key} is {value!r}; expected letters, digits, dots, hyphens and underscores.")
