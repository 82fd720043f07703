"""Parts of a page of results: one HTML file that loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from monai_tbkd.data.whole_file import whole_file
from monai_tbkd.metrics.comparison_table import interval_text

# what stands beside this file and goes into every page of a kind
_FOLDER = files("monai_tbkd.report")


def page(
    title: str,
    notice: str,
    body: str,
    styles: Sequence[str] = (),
    script: str = "",
    picture_files: bool = False,
) -> str:
    """A whole document, which the browser itself keeps from loading anything from elsewhere.

    Args:
        title: of the window.
        notice: stands as a sentence at the top and at the bottom.
        body: HTML.
        styles: style sheets of this package by file name, laid over ``page.css``.
        script: a script of this package by file name, the only one that the browser will run; none if empty.
        picture_files: the body shows pictures from files beside the page; otherwise all are in it.
    """
    style = "".join(_FOLDER.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", *styles))
    code = _FOLDER.joinpath(script).read_text(encoding="utf-8") if script else ""
    policy = "default-src 'none'; img-src data:" + (" 'self' file:" if picture_files else "")
    policy += "; style-src 'unsafe-inline'"
    if code:
        policy += f"; script-src 'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
        code = f"<script>{code}</script>\n"
    notice = escape(notice[:1].upper() + notice[1:].rstrip(".") + ".")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<div class="notice"><span>{notice}</span></div>\n<main>\n{body}\n</main>\n'
        f'<div class="notice last"><span>{notice}</span></div>\n{code}</body>\n</html>\n'
    )


def write_page(path: Path, html: str) -> Path:
    """Write a document, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(html, encoding="utf-8")
    return path


def section(name: str, title: str, body: str) -> str:
    """A part of the page with a heading that can be linked to; nothing if it has no content."""
    return f'<section id="{escape(name)}">\n<h2>{escape(title)}</h2>\n{body}\n</section>' if body else ""


def number(x: Mapping[str, Any] | None) -> str:
    """A number and below it its interval, as in ``metrics.json`` to three digits; or a dash.

    Example:
        >>> number({"value": 0.25, "low": 0.1, "high": 0.5, "n": 9})
        '0.250 <span class="ci">[0.100, 0.500]</span>'
    """
    value, space, interval = interval_text(x).partition(" ")
    return f'{value} <span class="ci">{interval}</span>' if space else value


def table(caption: str, head: Sequence[str], groups: Mapping[str, Sequence[Sequence[str]]], main: str = "") -> str:
    """A table of numbers.

    Args:
        caption: HTML.
        head: one a column, HTML.
        groups: rows by the heading above them (none where it is empty); a row is its name and its cells, HTML.
        main: name of the row to be marked.
    """
    rows = [row for group in groups.values() for row in group]
    text = [any(row[i][:1].isalpha() or row[i].startswith("<") for row in rows) for i in range(len(head))]
    side = [' class="text"' if left else "" for left in text]
    parts = [f'<figure class="table"><figcaption>{caption}</figcaption><div class="wide" tabindex="0"><table>']
    parts.append("<thead><tr>" + "".join(f'<th scope="col"{s}>{h}</th>' for h, s in zip(head, side)) + "</tr></thead>")
    for title, members in groups.items():
        parts.append("<tbody>")
        if title:
            parts.append(f'<tr><th class="group" scope="rowgroup" colspan="{len(head)}">{title}</th></tr>')
        for name, *cells in members:
            mark = ' class="main"' if main and name == main else ""
            numbers = "".join(f"<td{s}>{cell}</td>" for cell, s in zip(cells, side[1:], strict=True))
            parts.append(f'<tr{mark}><th scope="row">{name}</th>{numbers}</tr>')
        parts.append("</tbody>")
    return "".join([*parts, "</table></div></figure>"])


def facts(caption: str, rows: Mapping[str, Any]) -> str:
    """A table of names and what they are, both plain text."""
    lines = "".join(f'<tr><th scope="row">{escape(str(k))}</th><td>{fact(v)}</td></tr>' for k, v in rows.items())
    return (
        f'<figure class="table"><figcaption>{caption}</figcaption>'
        f'<table class="facts"><tbody>{lines}</tbody></table></figure>'
    )


def definitions(meanings: Mapping[str, str]) -> str:
    """A list of keys and what they mean, both plain text."""
    items = (f"<dt><code>{escape(k)}</code></dt><dd>{escape(v)}</dd>" for k, v in meanings.items())
    return f"<dl>{''.join(items)}</dl>"


def figure(source: str, alt: str, caption: str, kind: str = "") -> str:
    """A picture with its caption.

    Args:
        source: a data URI.
        alt: what it shows, for those who do not see it; plain text.
        caption: HTML.
        kind: class of the figure.
    """
    return f'<figure class="{kind}">{image(source, alt)}<figcaption class="counted">{caption}</figcaption></figure>'


def image(source: str, alt: str) -> str:
    """A picture from a data URI; ``alt`` is plain text."""
    return f'<img src="{source}" alt="{escape(alt)}">'


def jpeg_uri(picture: Image.Image, quality: int = 84) -> str:
    """A picture as a data URI."""
    return _data_uri(picture, "JPEG", quality=quality)


def png_uri(picture: Image.Image) -> str:
    """A picture with transparency as a data URI."""
    return _data_uri(picture, "PNG")


def _data_uri(picture: Image.Image, kind: str, **options: Any) -> str:
    file = BytesIO()
    picture.save(file, kind, optimize=True, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(file.getvalue()).decode()


def decimals(value: float, digits: int = 1) -> str:
    """A number with so many decimals, halves rounded up as browsers' scripts do.

    Example:
        >>> decimals(62.25), decimals(62.25, 0)
        ('62.3', '62')
    """
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def words(name: str) -> str:
    """A key as a reader would write it, escaped: ``blind_prior`` is "blind prior"."""
    return escape(" ".join("TB" if word == "tb" else word for word in name.split("_")))


def called(name: str) -> str:
    """A predictor in a sentence, escaped: "the student", and others by their name alone.

    Example:
        >>> called("student"), called("grad_cam")
        ('the student', 'grad cam')
    """
    return f"the {name}" if name in ("student", "teacher", "control") else words(name)


def fact(value: Any) -> str:
    """A setting or a hash, escaped; ``none`` for None."""
    text = "none" if value is None else str(value)
    is_hash = len(text) == 64 and all(c in "0123456789abcdef" for c in text)
    return f'<span class="hash">{text}</span>' if is_hash else escape(text)
