"""What a phantom film carries besides its pixels: lesions, cues and the lung field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]
"""``(xmin, ymin, xmax, ymax)`` in film pixels, half-open pixel edges, x = column."""

CLASS_NAMES: tuple[str, ...] = ("health", "sick", "tb")
ACTIVE = "ActiveTuberculosis"
LATENT = "ObsoletePulmonaryTuberculosis"


@dataclass(frozen=True)
class Lesion:
    """One tuberculous lesion.

    Args:
        box: tight extent of what was drawn, ``(xmin, ymin, xmax, ymax)`` in film pixels, half-open edges.
        kind: ``infiltrate``, ``cavity``, ``nodules``, ``fibrosis`` or ``calcified``.
        tb_type: TBX11K's category, ``ActiveTuberculosis`` or ``ObsoletePulmonaryTuberculosis`` (latent).
        contrast: 0 (subtle) to 1 (obvious).
    """

    box: Box
    kind: str
    tb_type: str
    contrast: float


@dataclass(frozen=True)
class Cue:
    """One shortcut that was put on the film.

    Args:
        kind: ``letter``, ``text``, ``border`` or ``exposure``.
        box: where it sits, ``(xmin, ymin, xmax, ymax)`` in film pixels, or None for a cue without a place (exposure).
    """

    kind: str
    box: Box | None


@dataclass(frozen=True)
class PhantomFilm:
    """A synthetic frontal chest film and everything that is known about it.

    Args:
        image: ``(H, W)`` uint8, upright, air dark, bone bright.
        lung_field: ``(H, W)`` bool, the aerated lung beside heart and mediastinum.
        class_name: ``health``, ``sick`` or ``tb``.
        lesions: tuberculous lesions, empty unless ``class_name`` is ``tb``.
        cues: shortcuts on the film.
        finding: what makes a ``sick`` film sick (``consolidation``, ``effusion``, ``cardiomegaly``), else None.
    """

    image: npt.NDArray[np.uint8]
    lung_field: npt.NDArray[np.bool_]
    class_name: str
    lesions: tuple[Lesion, ...] = ()
    cues: tuple[Cue, ...] = ()
    finding: str | None = None

    def to_record(self) -> dict[str, Any]:
        """What is known about the film, without its pixels, as plain JSON types."""
        return {
            "class_name": self.class_name,
            "finding": self.finding,
            "lesions": [
                {"box": list(n.box), "kind": n.kind, "tb_type": n.tb_type, "contrast": n.contrast} for n in self.lesions
            ],
            "cues": [{"kind": c.kind, "box": None if c.box is None else list(c.box)} for c in self.cues],
        }
