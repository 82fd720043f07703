"""Tell upright frontal chest X-rays, black where air is, from other pictures."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.gate.image_features import BLOCKS, CELLS, DIRECTIONS, ImageFeatures, Turn, image_features

KINDS = ("frontal", "upside_down", "turned", "inverted", "not_a_chest_image")
"""What a picture may look like."""

# Every way to turn a picture, but for mirror images, which the gate does not tell apart.
_WAYS = tuple(Turn(t, f, False, i) for i in (False, True) for t in (False, True) for f in (False, True))


@dataclass(frozen=True)
class GateVerdict:
    """The gate's answer.

    Attributes:
        accepted: it is an upright frontal chest X-ray, not inverted.
        kind: one of `KINDS`: ``"frontal"`` if accepted, else what it looks most like.
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

    Raises:
        ValueError: the coefficients are of another shape.

    Example:
        >>> from monai_tbkd.data.phantom import make_image
        >>> image = make_image("health", seed=1, size=128).image
        >>> gate = FrontalGate()
        >>> gate(image).accepted, gate(image[::-1]).kind, gate(255 - image).kind
        (True, 'upside_down', 'inverted')
    """

    def __init__(self, threshold: float = 0.0, weights: str | Path | None = None) -> None:
        self.threshold = float(threshold)
        edges, grays, bias = _load(weights)
        if edges.shape != (CELLS, CELLS, DIRECTIONS) or grays.shape != (BLOCKS, BLOCKS):
            raise ValueError(
                f"The gate's coefficients are {edges.shape} and {grays.shape}; expected {(CELLS, CELLS, DIRECTIONS)} "
                f"and {(BLOCKS, BLOCKS)}: fit them anew with benchmarks/frontal_gate.py --fit."
            )
        # Turned coefficients score an upright picture as the coefficients score a turned one: one product for all ways.
        # To undo a transposed turn, the flips of the transposed picture are the other axis' flips of the picture.
        undo = [Turn(True, t.mirrored, t.flipped, t.inverted) if t.transposed else t for t in _WAYS]
        ways = [ImageFeatures(edges, grays).turned(turn) for turn in undo]
        self._weights = np.stack([np.concatenate([way.edges.ravel(), way.grays.ravel()]) for way in ways])
        self._bias = bias

    def __call__(self, image: NDArray[Any]) -> GateVerdict:
        """Judge a picture ``(H, W)``, rows first, of any range and size; larger is brighter.

        Raises:
            ValueError: not two axes, no pixels, or values that are not finite.
        """
        looks = image_features(image)
        if not looks:
            return GateVerdict(False, "not_a_chest_image", float("-inf"))
        rows = np.stack([np.concatenate([look.edges.ravel(), look.grays.ravel()]) for look in looks])
        scores = (self._weights @ rows.T).max(1) + self._bias
        best = int(scores.argmax())
        kind = _kind(_WAYS[best]) if scores[best] >= self.threshold else "not_a_chest_image"
        return GateVerdict(kind == "frontal", kind, float(scores[0]))


def _kind(way: Turn) -> str:
    if way.inverted:
        return "inverted"
    if way.transposed:
        return "turned"
    return "upside_down" if way.flipped else "frontal"


def _load(weights: str | Path | None) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    if weights is None:
        with as_file(files("monai_tbkd.data.gate") / "frontal_gate.npz") as path:
            return _load(path)
    with np.load(weights, allow_pickle=False) as kept:
        return kept["edges"].astype(np.float64), kept["grays"].astype(np.float64), float(kept["bias"])
