"""How many films have which score, each bar a link to its films."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from monai_tbkd.report.html_page import decimals
from monai_tbkd.report.prediction_table import NO_TB, TB

BINS = 20
_KINDS = ((TB, "tb"), (NO_TB, "no-tb"), (None, "undecided"))


def score_histogram(rows: Sequence[Mapping[str, Any]], thresholds: Sequence[float]) -> str:
    """HTML with a bar for each of 20 ranges of the score, colored by decision.

    Args:
        rows: films with a score.
        thresholds: 0-100, to be marked.
    """
    if not rows:
        return ""
    width = 100 // BINS
    counts = Counter((score_bin(row["score_0_100"]), row["decision"]) for row in rows)
    tallest = max(sum(counts[i, decision] for decision, _ in _KINDS) for i in range(BINS))
    bars = []
    for i in range(BINS):
        shares = [(shade, counts[i, decision]) for decision, shade in _KINDS]
        number, low, high = sum(n for _, n in shares), i * width, (i + 1) * width
        text = f"{number} {'film' if number == 1 else 'films'} with a score of {low} to {high}"
        parts = (f'<i class="some {s}" style="height:{100 * n / tallest:.2f}%"></i>' for s, n in shares if n)
        where = f' href="#min={low}&amp;max={high}"' if number else ""
        bars.append(f'<a{where} title="{text}" aria-label="{text}">{"".join(parts)}</a>')
    limits = "".join(
        f'<span class="limit{" left" * (t > 70)}" style="left:{t:.2f}%"><span>threshold {decimals(t)}</span></span>'
        for t in thresholds
    )
    there = {row["decision"] for row in rows}
    key = "".join(
        f'<span><i class="{shade}"></i>{escape(decision or "no decision")}</span>'
        for decision, shade in _KINDS
        if decision in there
    )
    axis = "".join(f"<span>{tick}</span>" for tick in range(0, 101, 20))
    return (
        f'<figure class="histogram"><div class="plot">{"".join(bars)}{limits}</div><div class="axis">{axis}</div>'
        f"<figcaption><b>Scores of {len(rows)} films.</b> The highest bar has {tallest}. A bar leads to its films."
        f'</figcaption><div class="key">{key}</div></figure>'
    )


def score_bin(score: float) -> int:
    """Which bar a score of 0-100 is in; 100 is in the last.

    Example:
        >>> score_bin(0), score_bin(4.99), score_bin(5), score_bin(100)
        (0, 0, 1, 19)
    """
    return min(int(score * BINS / 100), BINS - 1)
