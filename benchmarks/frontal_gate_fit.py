"""Fits the gate: a logistic regression of upright films against all else, with the hardest of many pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import frontal_gate_pictures as pictures
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from monai_tbkd.data.film_features import BLOCKS, CELLS, DIRECTIONS, FilmFeatures, Turn, film_features

Array = NDArray[Any]

PHANTOMS, WHITE_LUNGS, UPRIGHT, OTHERS = 1500, 300, 4500, 14400
LOOKS = 3
PENALTY = 3.0e-3  # of the squared coefficients
GRAYS = 2.0  # weight of the grays beside the edges: a larger one is penalized less
HARD, ROUNDS = 3000, 3  # pictures that are no films: a first draw, then half as many of the hardest, so many times

_BOTH = (Turn(), Turn(mirrored=True))
_WRONG = tuple(
    Turn(t, f, m, i) for i in (False, True) for t in (False, True) for f in (False, True) for m in (False, True)
)[2:]
_OTHER = (Turn(), Turn(False, True, True), Turn(True, False, True), Turn(False, False, False, True))


def phantom_looks() -> list[list[FilmFeatures]]:
    """Looks at phantom films in many poses, exposures and frames."""
    films = [pictures.phantom(i) for i in range(PHANTOMS)]
    films += [pictures.phantom(i, np.random.default_rng((5, i))) for i in range(WHITE_LUNGS)]
    rngs = (np.random.default_rng((1, i)) for i in range(UPRIGHT))
    varied = (pictures.varied(films[i % len(films)], rng) for i, rng in enumerate(rngs))
    return _features(varied, UPRIGHT, "upright phantom films")


def other_looks() -> list[list[FilmFeatures]]:
    """Looks at synthetic pictures that are no films."""
    films = [pictures.phantom(i) for i in range(PHANTOMS)]
    others = (pictures.not_a_film(i, films, np.random.default_rng((2, i))) for i in range(OTHERS))
    return _features(others, OTHERS, "pictures that are no films")


def _features(films: Iterable[Array], total: int, what: str) -> list[list[FilmFeatures]]:
    found = (film_features(film) for film in tqdm(films, desc=what, total=total, disable=None))
    return [looks for looks in found if len(looks) == LOOKS]


def fit(upright: Sequence[Sequence[FilmFeatures]], others: Sequence[Sequence[FilmFeatures]]) -> dict[str, Array]:
    """Fit the gate.

    Args:
        upright: features of the looks at upright films; they are turned and inverted here.
        others: features of the looks at pictures that are no films.

    Returns:
        ``edges``, ``grays`` and ``bias``, as the gate loads them.
    """
    views = np.stack([_rows([film[look] for film in upright], _BOTH[:1]) for look in range(LOOKS)])
    wrong = _rows([film[i % LOOKS] for i, film in enumerate(upright)], _WRONG)
    candidates = np.stack([_rows(picture, _OTHER[i % 2 :: 2]) for i, picture in enumerate(others)])
    chosen = np.zeros(len(others), dtype=bool)
    chosen[np.random.default_rng(0).permutation(len(others))[:HARD]] = True
    best = np.ones(len(upright), dtype=np.int64)  # the look at each film that counts; at first the one without borders
    weights, bias = np.zeros(0), 0.0
    for step in range(ROUNDS + 1):
        if step:
            best = (views @ weights).argmax(0)
            chosen[np.argsort(-(candidates @ weights).max(1))[: HARD // 2]] = True
        right = _rows([film[look] for film, look in zip(upright, best)], _BOTH)
        weights, bias = _regression(right, wrong, candidates[chosen].reshape(-1, candidates.shape[-1]))
    edges, grays = np.split(weights, [CELLS * CELLS * DIRECTIONS])
    whole = FilmFeatures(edges.reshape(CELLS, CELLS, DIRECTIONS), GRAYS * grays.reshape(BLOCKS, BLOCKS))
    mirror = whole.turned(_BOTH[1])  # blind to mirror images to the last digit
    return {
        "edges": ((whole.edges + mirror.edges) / 2).astype(np.float32),
        "grays": ((whole.grays + mirror.grays) / 2).astype(np.float32),
        "bias": np.float32(bias),
    }


def save(weights: dict[str, Array], path: Path) -> None:
    """Write coefficients where the gate finds them."""
    np.savez_compressed(path, **weights)


def _rows(features: Sequence[FilmFeatures], turns: Sequence[Turn]) -> Array:
    """A row for each turn of each picture."""
    turned = (film.turned(turn) for film in features for turn in turns)
    return np.array([np.concatenate([f.edges.ravel(), GRAYS * f.grays.ravel()]) for f in turned], dtype=np.float32)


def _regression(right: Array, wrong: Array, others: Array) -> tuple[Array, float]:
    """Weights and bias; upright films weigh half, the two kinds of other pictures a quarter each."""
    rows = np.concatenate([right, wrong, others])
    sign = np.repeat(np.float32([1, -1, -1]), [len(right), len(wrong), len(others)])
    share = np.repeat([0.5 / len(right), 0.25 / len(wrong), 0.25 / len(others)], [len(right), len(wrong), len(others)])
    middle, scale = rows.mean(0), float(rows.std())
    rows = (rows - middle) / scale

    def loss(x: Array) -> tuple[float, Array]:
        margin = sign * (rows @ x[:-1].astype(np.float32) + x[-1])
        pull = -sign * share / (1 + np.exp(margin.astype(np.float64)))
        slope = np.append(rows.T @ pull.astype(np.float32) + PENALTY * x[:-1], pull.sum())
        return float(share @ np.logaddexp(0, -margin) + PENALTY / 2 * x[:-1] @ x[:-1]), slope.astype(np.float64)

    found = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 150}).x
    weights = found[:-1] / scale
    return weights, float(found[-1] - middle @ weights)
