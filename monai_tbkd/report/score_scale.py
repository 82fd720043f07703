"""A score on its scale from 0 to 100, with the threshold."""

from __future__ import annotations

from monai_tbkd.report.html_page import decimals


def score_scale(score: float, threshold: float | None) -> str:
    """HTML: where the score lies, and where the decision changes.

    Args:
        score: 0-100.
        threshold: 0-100, or None where there is none.
    """
    said = f"Score {decimals(score)} of 100, " + (
        "no threshold" if threshold is None else f"threshold {decimals(threshold)}"
    )
    parts = [f'<div class="scale-of-score" role="img" aria-label="{said}">']
    if threshold is not None:
        parts.append(f'<span class="at threshold" style="--at:{threshold:.2f}">threshold {decimals(threshold)}</span>')
    parts.append('<span class="track">')
    if threshold is not None:
        parts.append(
            f'<i class="above" style="--at:{threshold:.2f}"></i><i class="limit" style="--at:{threshold:.2f}"></i>'
        )
    parts.append(f'<b style="--at:{score:.2f}"></b></span>')
    parts.append(f'<span class="at score" style="--at:{score:.2f}">{decimals(score)}</span>')
    # the ends are labeled where the score's own label leaves room
    parts += ['<span class="end">0</span>'] * (score >= 12) + ['<span class="end last">100</span>'] * (score <= 88)
    return "".join([*parts, "</div>"])
