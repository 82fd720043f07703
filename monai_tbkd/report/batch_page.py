"""All films of an inference on a page: what was found, what was refused, and a table to search."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from monai_tbkd.data.film_warnings import FilmWarning
from monai_tbkd.data.reason_codes import ReasonCode
from monai_tbkd.metrics.calibrated_threshold import BEFORE_USE
from monai_tbkd.report.film_page import codes
from monai_tbkd.report.html_page import decimals, facts, page, section, table
from monai_tbkd.report.prediction_table import DONE, FAILED, NO_TB, REFUSED, TB
from monai_tbkd.report.score_histogram import score_histogram
from monai_tbkd.transforms import notice_of

AT_ONCE = 100
"""Rows that are shown at first; without a script these and no more."""
UNDECIDED = "no decision"
_SHADES = {TB: "tb", NO_TB: "no-tb"}
_MEANINGS = {code.value: code.meaning for code in (*ReasonCode, *FilmWarning)}
_RESULTS = {TB: TB, NO_TB: NO_TB, UNDECIDED: "scored, no decision", REFUSED: "refused", FAILED: "failed"}


def batch_page(
    rows: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    links: Mapping[str, tuple[str, str]],
    unfinished: str = "",
) -> str:
    """The whole document. Films are shown a hundred at a time, from data within it: 10,000 take about a megabyte.

    Args:
        rows: as in ``predictions.json``.
        settings: of the run.
        links: by film the addresses of its page and its small picture, relative to this page; either may be empty.
        unfinished: what to say of a run that has not come to its end; nothing if empty.
    """
    films = [_entry(row, *links.get(row["name"], ("", ""))) for row in rows]
    results = Counter(film["result"] for film in films)
    scored = [row for row in rows if row["score_0_100"] is not None]
    thresholds = sorted({row["threshold_0_100"] for row in scored} - {None})
    parts = [
        "<h1>Chest films: where tuberculosis is suggested</h1>",
        f'<p class="basis">{len(rows)} films. {_threshold(rows, thresholds)}</p>',
        f'<div class="verdict refused"><p>{escape(unfinished)}</p></div>' if unfinished else "",
        f'<p class="basis">{escape(BEFORE_USE)}</p>',
        _tiles(films, results),
        section("scores", "Scores", score_histogram(scored, thresholds)),
        section("refusals", "Refusals, failures and warnings", _reasons(rows)),
        section("films", "Films", _table(films)) if films else "",
        section("provenance", "Version and settings", _provenance(rows, settings)),
    ]
    shown = {code for film in films for code in film["codes"]}
    data = {
        "at_once": AT_ONCE,
        "shades": _SHADES,
        "results": _RESULTS,
        "meanings": {code: _MEANINGS.get(code, "") for code in sorted(shown)},
        "columns": list(films[0]) if films else [],
        "films": [list(film.values()) for film in films],
    }
    # within a script element only these could end it
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")
    parts.append(f'<script type="application/json" id="data">{text}</script>')
    notice = notice_of(str(settings.get("model_version", "")))
    return page("Chest films", notice, "\n".join(filter(None, parts)), ("films.css",), "batch_page.js", True)


def _threshold(rows: Sequence[Mapping[str, Any]], thresholds: Sequence[float]) -> str:
    if not thresholds:
        return "No threshold was in use."
    sources = sorted({str(row["threshold_id"]) for row in rows if row["threshold_id"]})
    numbers = ", ".join(decimals(threshold) for threshold in thresholds)
    return escape(f"Threshold {numbers} of 100 ({'; '.join(sources)}).")


def _entry(row: Mapping[str, Any], page_link: str, picture: str) -> dict[str, Any]:
    """What the table shows of a film."""
    result = row["status"] if row["status"] != DONE else row["decision"] or UNDECIDED
    return {
        "name": row["name"],
        "page": page_link,
        "picture": picture,
        "score": row["score_0_100"],
        "threshold": row["threshold_0_100"],
        "result": result,
        "boxes": row["n_boxes"],
        "codes": [row["reason"]] * bool(row["reason"]) + codes(row["warnings"]),
    }


def _tiles(films: Sequence[Mapping[str, Any]], results: Counter[str]) -> str:
    tiles = [("all films", "", len(films)), *((text, key, results[key]) for key, text in _RESULTS.items())]
    kept = [tile for tile in tiles if tile[2] or tile[1] in ("", TB, REFUSED, FAILED)]
    items = (
        f'<li><a href="#show={escape(key.replace(" ", "+"))}"><span class="what">{escape(text)}</span>'
        f'<span class="value">{number}</span></a></li>'
        for text, key, number in kept
    )
    return f'<ul class="tiles counts">{"".join(items)}</ul>'


def _reasons(rows: Sequence[Mapping[str, Any]]) -> str:
    groups: dict[str, list[tuple[str, ...]]] = {}
    for title, counts in (
        ("Refused by a rule: no score", Counter(row["reason"] for row in rows if row["status"] == REFUSED)),
        ("Could not be processed: no score", Counter(row["reason"] for row in rows if row["status"] == FAILED)),
        ("Warnings: scored all the same", Counter(code for row in rows for code in codes(row["warnings"]))),
    ):
        if counts:
            groups[title] = [
                (
                    f'<a href="#why={escape(code)}">{escape(code).replace("_", "_<wbr>")}</a>',
                    escape(_MEANINGS.get(code, "")),
                    str(number),
                )
                for code, number in counts.most_common()
            ]
    if not groups:
        return "<p>Every film was scored, and nothing was doubted.</p>"
    return table("<b>By reason.</b> A film may have several warnings.", ("code", "meaning", "films"), groups)


def _table(films: Sequence[Mapping[str, Any]]) -> str:
    found = Counter(film["result"] for film in films)
    results = "".join(
        f'<option value="{escape(key)}">{escape(text)} ({found[key]})</option>'
        for key, text in _RESULTS.items()
        if found[key]
    )
    why = Counter(code for film in films for code in film["codes"])
    reasons = "".join(f'<option value="{escape(c)}">{escape(c)} ({n})</option>' for c, n in why.most_common())
    orders = "".join(f'<option value="{key}">{text}</option>' for key, text in _ORDERS.items())
    heads = "".join(
        f'<th scope="col"{_LEFT[i]}>'
        + (f'<button type="button" data-sort="{key}">{text}</button>' if key else text)
        + "</th>"
        for i, (text, key) in enumerate(_HEADS)
    )
    first = sorted(films, key=lambda film: -1.0 if film["score"] is None else film["score"], reverse=True)[:AT_ONCE]
    return (
        '<form class="filters">'
        '<label>Film<input type="search" name="q" placeholder="part of a name"></label>'
        f'<label>Result<select name="show"><option value="">all</option>{results}</select></label>'
        f'<label>Reason or warning<select name="why"><option value="">any</option>{reasons}</select></label>'
        f'<label>Order<select name="sort">{orders}</select></label>'
        '<button type="reset">Show all</button></form>'
        f'<noscript><p class="basis">Without scripts: the {len(first)} highest scores. All films stand in '
        "predictions.csv.</p></noscript>"
        '<p class="found-count" role="status"></p>'
        f'<div class="films wide" tabindex="0"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(map(film_row, first))}</tbody></table></div>"
        '<button type="button" class="more" hidden>Show more</button>'
    )


_HEADS = (("", ""), ("film", "name"), ("score", "-score"), ("result", "result"), ("boxes", "-boxes"), ("why", ""))
_LEFT = ("", "", "", ' class="text"', "", ' class="text"')
_ORDERS = {
    "-score": "highest score first",
    "score": "lowest score first",
    "name": "as in the folder",
    "-boxes": "most boxes first",
    "result": "by result",
}


def film_row(film: Mapping[str, Any]) -> str:
    """A row of the table, as ``batch_page.js`` makes it too."""
    name, link, result = escape(film["name"]), escape(film["page"]), film["result"]
    picture = f'<img src="{escape(film["picture"])}" alt="" loading="lazy">' if film["picture"] else ""
    if picture and link:
        picture = f'<a href="{link}" tabindex="-1" aria-hidden="true">{picture}</a>'
    shade, score = _SHADES.get(result, "undecided"), ""
    if film["score"] is not None:
        limit = "" if film["threshold"] is None else f'<b style="left:{decimals(film["threshold"])}%"></b>'
        bar = f'<span class="bar {shade}"><i style="width:{decimals(film["score"])}%"></i>{limit}</span>'
        score = f"{bar}{decimals(film['score'])}"
    why = ", ".join(f'<code title="{escape(_MEANINGS.get(code, ""))}">{escape(code)}</code>' for code in film["codes"])
    if result in (REFUSED, FAILED):
        why += f" {escape(_MEANINGS.get(film['codes'][0], ''))}"
    return (
        f'<tr><td class="thumb">{picture}</td>'
        f'<th scope="row">{f"""<a href="{link}">{name}</a>""" if link else name}</th>'
        f'<td class="score">{score}</td>'
        f'<td class="result text"><span class="badge {shade}">{escape(_RESULTS[result])}</span></td>'
        f'<td class="boxes">{"" if film["boxes"] is None else film["boxes"]}</td>'
        f'<td class="why text">{why}</td></tr>'
    )


def _provenance(rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> str:
    versions = sorted({str(row["model_version"]) for row in rows if row["model_version"]})
    given: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            given |= {f"{key}, {inner}": each for inner, each in value.items()}
        elif key != "model_version":
            given[key] = value
    return facts("<b>What made this.</b> The scores depend on these.", {"model": "; ".join(versions), **given})
