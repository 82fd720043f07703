"""What the colors on films mean."""

from __future__ import annotations

import numpy as np

from monai_tbkd.transforms.overlay import PREDICTED_COLOR, TRUE_COLOR, map_colors

_GRAY = 110  # as a film's is on average


def color_key(true_boxes: bool = True) -> str:
    """HTML with a sample of each color on a film.

    Args:
        true_boxes: there are some.
    """
    values = np.linspace(0, 1, 9)
    colors, opacity = map_colors(values)
    shades = (1 - opacity[:, None]) * _GRAY + opacity[:, None] * colors
    stops = ",".join(f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in shades)
    true = f"<span>{_frame(TRUE_COLOR)}true box</span>" if true_boxes else ""
    return (
        f'<div class="key">{true}'
        f"<span>{_frame(PREDICTED_COLOR)}predicted box and its score, 0-100</span>"
        f'<span><i class="scale" style="background:linear-gradient(90deg,{stops})"></i>'
        "map from 0 to 1, the same scale on every film</span></div>"
    )


def _frame(color: tuple[int, int, int]) -> str:
    return f'<i style="border:2px solid rgb{color};background:#333"></i>'
