"""Is this picture an upright frontal chest film, black where air is? A gate for pictures that carry no tags."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.film_features import BLOCKS, CELLS, DIRECTIONS, FilmFeatures, Turn, film_features

KINDS = ("frontal", "upside_down", "turned", "inverted", "not_a_chest_film")
"""What a picture may look like."""

# Every way to lay a picture, but for mirror images, which the gate does not tell apart.
_WAYS = tuple(Turn(t, f, False, i) for i in (False, True) for t in (False, True) for f in (False, True))


@dataclass(frozen=True)
class GateVerdict:
    """What the gate says of a picture.

    Args:
        accepted: it is an upright frontal chest film, not inverted.
        kind: one of `KINDS`: ``"frontal"`` if accepted, else what it looks most like.
        score: how much it looks like one as it lies, in log odds of the pictures that the gate was fitted on; the
            gate's threshold or more for an accepted film.
    """

    accepted: bool
    kind: str
    score: float


class FrontalGate:
    """Tell upright frontal chest films from all other pictures, in a few milliseconds and without a network.

    One linear score of edges and grays in coarse cells says how much a picture looks like an upright film. The picture
    is scored as it lies and as it would look upside down, turned and inverted, at three framings of which the best
    counts. The way with the best score is its kind, if that score is high enough for a chest film. The coefficients
    were fitted on phantom films and synthetic pictures only; ``benchmarks/frontal_gate.py`` fits them and measures the
    gate on real films.

    It does not see mirror images, and says nothing of image quality.

    Args:
        threshold: lowest score of a chest film; a higher one refuses more of everything.
        weights: the coefficients, an ``.npz`` of ``edges``, ``grays`` and ``bias``; None for those of the package.

    Raises:
        ValueError: the coefficients are of another shape.

    Example:
        >>> from monai_tbkd.data.phantom import make_film
        >>> film = make_film("health", seed=1, size=128).image
        >>> gate = FrontalGate()
        >>> gate(film).accepted, gate(film[::-1]).kind, gate(255 - film).kind
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
        # A turned film scored upright is an upright film scored by turned coefficients: one product scores all ways.
        ways = [FilmFeatures(edges, grays).turned(_undo(way)) for way in _WAYS]
        self._weights = np.stack([np.concatenate([way.edges.ravel(), way.grays.ravel()]) for way in ways])
        self._bias = bias

    def __call__(self, film: NDArray[Any]) -> GateVerdict:
        """Judge a picture.

        Args:
            film: ``(H, W)``, rows first, of any range and size; larger is brighter.

        Returns:
            The verdict.

        Raises:
            ValueError: not two axes, no pixels, or values that are not finite.
        """
        looks = film_features(film)
        if not looks:
            return GateVerdict(False, "not_a_chest_film", float("-inf"))
        rows = np.stack([np.concatenate([look.edges.ravel(), look.grays.ravel()]) for look in looks])
        scores = (self._weights @ rows.T).max(1) + self._bias
        best = int(scores.argmax())
        kind = _kind(_WAYS[best]) if scores[best] >= self.threshold else "not_a_chest_film"
        return GateVerdict(kind == "frontal", kind, float(scores[0]))


def _kind(way: Turn) -> str:
    """What a picture is that looks like an upright film when it is laid this way."""
    if way.inverted:
        return "inverted"
    if way.transposed:
        return "turned"
    return "upside_down" if way.flipped else "frontal"


def _undo(way: Turn) -> Turn:
    """The way back."""
    if way.transposed:  # the flips of the transposed picture are the other axis' flips of the picture
        return Turn(True, way.mirrored, way.flipped, way.inverted)
    return way


def _load(weights: str | Path | None) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    if weights is None:
        with as_file(files("monai_tbkd.data") / "frontal_gate.npz") as path:
            return _load(path)
    with np.load(weights, allow_pickle=False) as kept:
        return kept["edges"].astype(np.float64), kept["grays"].astype(np.float64), float(kept["bias"])
