"""One film on a page: what was found, where, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from monai_tbkd.data.film_warnings import FilmWarning
from monai_tbkd.data.reason_codes import ReasonCode
from monai_tbkd.report.color_key import color_key
from monai_tbkd.report.film_pictures import FilmPicture, film_panels
from monai_tbkd.report.html_page import decimals, facts, page, section, table
from monai_tbkd.report.prediction_table import DONE, REFUSED, TB
from monai_tbkd.report.score_scale import score_scale
from monai_tbkd.transforms import notice_of

_READING = (
    "The map says where the score comes from, cell by cell; it does not outline lesions, and a bright place need not "
    "be one. Boxes are drawn around what is at or above the map's threshold, on films whose score is at or above the "
    "score's. A score is no probability of disease unless it was calibrated on films like these."
)


def film_page(row: Mapping[str, Any], picture: FilmPicture | None, overview: str = "", side: int = 640) -> str:
    """The whole document.

    Nothing stands in it that is not in the row or on the film: no patient data but what is burned into the pixels.

    Args:
        row: of the film, as in ``predictions.json``.
        picture: the film, or None where it cannot be shown.
        overview: link to the page of all films; none if empty.
        side: the longer side of the film's picture, in pixels.
    """
    name = str(row["name"])
    parts = [
        f'<p class="crumbs"><a href="{escape(overview)}">All films</a></p>' if overview else "",
        f'<h1 class="name">{escape(name)}</h1>',
        f'<p class="basis">{escape(_what_it_is(row))}</p>',
        _verdict(row),
        score_scale(row["score_0_100"], row["threshold_0_100"]) if row["score_0_100"] is not None else "",
        section("film", "Film", _film(row, picture, name, side)),
        section("doubts", "Warnings", _warnings(row)),
        section("pixels", "What was done to the pixels", _pixels(row)),
        section("provenance", "Version", _provenance(row)),
    ]
    return page(name, notice_of(str(row.get("model_version") or "")), "\n".join(filter(None, parts)), ("films.css",))


def score_and_threshold(row: Mapping[str, Any]) -> tuple[str, str]:
    """Both as people read them: with so many digits that they do not look alike where they decide.

    Example:
        >>> score_and_threshold({"score_0_100": 62.04, "threshold_0_100": 62.01})
        ('62.04', '62.01')
        >>> score_and_threshold({"score_0_100": 68.95, "threshold_0_100": None})
        ('69.0', '')
    """
    score, threshold = row["score_0_100"], row["threshold_0_100"]
    if threshold is None:
        return decimals(score), ""
    digits = 2 if decimals(score) == decimals(threshold) else 1
    return decimals(score, digits), decimals(threshold, digits)


def _what_it_is(row: Mapping[str, Any]) -> str:
    kind = row["source_format"]
    size = f"{row['width']} x {row['height']} pixels" if row["width"] else ""
    return ", ".join(filter(None, [{"dicom": "DICOM"}.get(kind, str(kind or "").upper()), size])) or "Size unknown"


def _verdict(row: Mapping[str, Any]) -> str:
    lines, kind = [], "none"
    if row["status"] != DONE:
        kind, reason = "refused", ReasonCode(row["reason"])
        lead = "Refused: no score" if row["status"] == REFUSED else "Could not be processed: no score"
        lines = [f"{_capital(reason.meaning)} (<code>{reason}</code>).", escape(str(row["detail"] or ""))]
    elif row["decision"] is None:
        kind, lead = "refused", f"Score {score_and_threshold(row)[0]}, no decision"
        lines = [escape(str(row["detail"] or "No threshold holds for this film."))]
    else:
        lead = str(row["decision"])
        kind = "found" if lead == TB else "none"
        side = "at or above" if lead == TB else "below"
        score, threshold = score_and_threshold(row)
        number = row["n_boxes"]
        boxes = "no box" if not number else f"{number} {'box' if number == 1 else 'boxes'}"
        lines = [f"Score {score} of 100, {side} the threshold of {threshold}; {boxes}."]
        if lead == TB and not number:
            lines.append("The score is above its threshold and no part of the map above the map's: look at the map.")
    text = "".join(f"<p>{line}</p>" for line in lines if line)
    return f'<div class="verdict {kind}"><p class="lead"><strong>{escape(_capital(lead))}</strong></p>{text}</div>'


def _film(row: Mapping[str, Any], picture: FilmPicture | None, name: str, side: int) -> str:
    if picture is None:
        return '<p class="basis">The film cannot be shown.</p>'
    if row["status"] != DONE:
        return film_panels(picture, name, side) + "<p>The film as it was refused. Nothing was looked for on it.</p>"
    parts = [film_panels(picture, name, side), color_key(true_boxes=False)]
    if picture.tb_map is None:
        parts.append('<p class="basis">The map was not kept; another inference draws it.</p>')
    return "".join([*parts, _box_table(row), f"<p>{_READING}</p>"])


def _box_table(row: Mapping[str, Any]) -> str:
    if not row["boxes"]:
        return ""
    rows = [
        (str(number), f"{100 * score:.0f}", *(f"{edge:.0f}" for edge in edges))
        for number, (*edges, score) in enumerate(row["boxes"], start=1)
    ]
    caption = "<b>Boxes</b> in pixels as the file stores them, from its upper left corner; scores 0-100."
    return table(caption, ("box", "score", "left", "top", "right", "bottom"), {"": rows})


def _warnings(row: Mapping[str, Any]) -> str:
    items = [
        f"<dt><code>{escape(code)}</code></dt><dd>{escape(_meaning(code))}</dd>" for code in codes(row["warnings"])
    ]
    # a film without a decision has its detail above
    more = row["detail"] if row["status"] == DONE and row["decision"] is not None else None
    items += [f"<dd>{escape(_capital(str(more)))}.</dd>"] if more else []
    return f"<dl>{''.join(items)}</dl>" if items else ""


def codes(joined: str | None) -> list[str]:
    """The codes in a row's warnings.

    Example:
        >>> codes("UNTAGGED; LOOKS_DOUBTFUL"), codes(None)
        (['UNTAGGED', 'LOOKS_DOUBTFUL'], [])
    """
    return [code for code in (joined or "").split("; ") if code]


def _meaning(code: str) -> str:
    return FilmWarning(code).meaning if code in list(FilmWarning) else ""


def _pixels(row: Mapping[str, Any]) -> str:
    if row["status"] != DONE:
        return ""
    steps = [step for step in (row["pixel_steps"] or "").split("; ") if step] or ["gray values taken as they are"]
    steps.append("resized to the network's size, gray values stretched between two percentiles, for the network")
    return f"<ol>{''.join(f'<li>{escape(_capital(step))}</li>' for step in steps)}</ol>"


def _provenance(row: Mapping[str, Any]) -> str:
    rows = {
        "model": row["model_version"],
        "threshold from": row["threshold_id"],
        "SOP Instance UID": row["sop_instance_uid"],
        "use": notice_of(str(row.get("model_version") or "")),
    }
    return facts("<b>What made this.</b>", {key: value for key, value in rows.items() if value})


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
