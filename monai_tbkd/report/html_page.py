"""Render pages of results: each is one HTML file that loads nothing from the network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from monai_tbkd.data.files.atomic_write import atomic_write
from monai_tbkd.metrics.comparison_table import interval_text

_FOLDER = Path(__file__).parent


def page(
    template: str,
    title: str,
    notice: str,
    styles: Sequence[str] = (),
    script: str = "",
    picture_files: bool = False,
    **values: Any,
) -> str:
    """Render a document whose content security policy keeps the browser from loading anything from elsewhere.

    Args:
        template: of the body, a file in this folder.
        title: of the window.
        notice: shown at the top and at the bottom.
        styles: style sheets added to ``page.css``.
        script: the only script that the browser will run.
        picture_files: allow picture files beside the page.
        values: of the template.
    """
    code = _read(script) if script else ""
    policy = "default-src 'none'; img-src data:" + " 'self' file:" * picture_files + "; style-src 'unsafe-inline'"
    if code:
        policy += f"; script-src 'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
    document = render(
        "page.html",
        title=title,
        notice=capital(notice).rstrip(".") + ".",
        policy=policy,
        style=Markup("".join(map(_read, ("page.css", *styles)))),
        script=Markup(code),
        body=render(template, **values),
    )
    return str(document)


def render(template: str, **values: Any) -> Markup:
    """Render a template of this folder; every value is escaped."""
    return Markup(_environment().get_template(template).render(values))


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        auto_reload=False,
        extensions=["jinja2.ext.do"],
        loader=FileSystemLoader(_FOLDER),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters |= {
        each.__name__: each for each in (called, capital, decimals, dig, interval_text, is_hash, number, words)
    }
    environment.filters["of"] = lambda path, row: dig(row, path)
    environment.globals["ui"] = environment.get_template("parts.html").module
    return environment


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def write_page(path: Path, html: str) -> Path:
    """Write a document atomically."""
    with atomic_write(path) as part:
        part.write_text(html, encoding="utf-8")
    return path


def number(x: Mapping[str, Any] | str | None) -> tuple[str, str]:
    """Format a number of ``metrics.json`` to three digits, and its interval; a dash for None."""
    text = x if isinstance(x, str) else interval_text(x)
    value, _, interval = text.partition(" ") if text.endswith("]") else (text, "", "")
    return value, interval


def dig(row: Any, path: str | Sequence[str]) -> Any:
    """Look a value up by keys, or by a path such as ``oracle/union_mask_miou``; None if there is none."""
    for key in path.split("/") if isinstance(path, str) else path:
        row = (row or {}).get(key)
    return row


def picture_uri(picture: Image.Image, kind: str = "JPEG", **options: Any) -> str:
    """Encode a picture as a data URI; ``options`` are those of Pillow's writer."""
    file = BytesIO()
    picture.save(file, kind, optimize=True, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(file.getvalue()).decode()


def decimals(value: float, digits: int = 1) -> str:
    """Round half up, as ``toFixed`` of JavaScript does."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def capital(text: str) -> str:
    """Capitalize the first letter alone."""
    return text[:1].upper() + text[1:]


def words(name: str) -> str:
    """Write a key as words: ``blind_prior`` is "blind prior"."""
    return " ".join("TB" if word == "tb" else "SHA-256" if word == "sha256" else word for word in name.split("_"))


def called(name: str) -> str:
    """Name a predictor within a sentence, as "the student"."""
    return f"the {name}" if name in ("student", "teacher", "control") else words(name)


def is_hash(text: str) -> bool:
    """Whether a text is a SHA-256."""
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
