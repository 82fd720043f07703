"""Tell upright frontal chest X-rays, black where air is, from other pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.gate.image_features import BLOCKS, CELLS, DIRECTIONS, ImageFeatures, Turn, image_features

# Every way to turn a picture, but for mirror images, which the gate does not tell apart.
_WAYS = tuple(Turn(t, f, False, i) for i in (False, True) for t in (False, True) for f in (False, True))


@dataclass(frozen=True)
class GateVerdict:
    """The gate's answer.

    Attributes:
        accepted: it is an upright frontal chest X-ray, not inverted.
        kind: ``"frontal"`` if accepted, else what it looks most like: ``"upside_down"``, ``"turned"``, ``"inverted"``
            or ``"not_a_chest_image"``.
        score: log odds, over the pictures that the gate was fitted on, that the picture as it is is one.
    """

    accepted: bool
    kind: str
    score: float


class FrontalGate:
    """Tell upright frontal chest X-rays from all other pictures, in a few milliseconds and without a network.

    A linear score of edges and grays in coarse cells says how much a picture looks like an upright image. The picture
    is scored as it is and as it would look upside down, turned and inverted, at three framings of which the best
    counts; the way with the best score is its kind, if that score reaches the threshold. The coefficients were fitted
    on phantoms and synthetic pictures only; ``benchmarks/frontal_gate.py`` fits them and measures the gate on real
    images. Mirror images are not told apart.

    Args:
        threshold: lowest score of a chest X-ray; a higher one refuses more of everything.
        weights: the coefficients, an ``.npz`` of ``edges``, ``grays`` and ``bias``; None for those of the package.

    Example:
        >>> from monai_tbkd.data.phantom import make_image
        >>> image = make_image("health", seed=1, size=128).image
        >>> gate = FrontalGate()
        >>> gate(image).accepted, gate(image[::-1]).kind, gate(255 - image).kind
        (True, 'upside_down', 'inverted')
    """

    def __init__(self, threshold: float = 0.0, weights: str | Path | None = None) -> None:
        self.threshold = float(threshold)
        with np.load(weights or Path(__file__).with_name("frontal_gate.npz"), allow_pickle=False) as kept:
            edges, grays, self._bias = kept["edges"].astype(float), kept["grays"].astype(float), float(kept["bias"])
        if edges.shape != (CELLS, CELLS, DIRECTIONS) or grays.shape != (BLOCKS, BLOCKS):
            raise ValueError(
                f"The gate's coefficients are {edges.shape} and {grays.shape}; expected {(CELLS, CELLS, DIRECTIONS)} "
                f"and {(BLOCKS, BLOCKS)}: fit them anew with benchmarks/frontal_gate.py --fit."
            )
        # Turned coefficients score an upright picture as the coefficients score a turned one: one product for all ways.
        # To undo a transposed turn, the flips of the transposed picture are the other axis' flips of the picture.
        undo = [Turn(True, t.mirrored, t.flipped, t.inverted) if t.transposed else t for t in _WAYS]
        self._weights = np.stack([ImageFeatures(edges, grays).turned(turn).row() for turn in undo])

    def __call__(self, image: NDArray[Any]) -> GateVerdict:
        """Judge a picture ``(H, W)``, rows first, of any range and size; larger is brighter.

        Raises:
            ValueError: not two axes, no pixels, or values that are not finite.
        """
        looks = image_features(image)
        if not looks:
            return GateVerdict(False, "not_a_chest_image", float("-inf"))
        scores = (self._weights @ np.stack([look.row() for look in looks]).T).max(1) + self._bias
        best = int(scores.argmax())
        way = _WAYS[best]
        kind = (
            "inverted" if way.inverted else "turned" if way.transposed else "upside_down" if way.flipped else "frontal"
        )
        if scores[best] < self.threshold:
            kind = "not_a_chest_image"
        return GateVerdict(kind == "frontal", kind, float(scores[0]))
