"""Draw the images of an epoch: each once, or each class, or each class of each hospital, equally often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from monai.data import DistributedSampler, DistributedWeightedRandomSampler
from torch.utils.data import Sampler, WeightedRandomSampler

BALANCES = ("none", "class", "source")


def balanced_sampler(
    items: Sequence[Mapping[str, Any]], balance: str = "none", seed: int | None = None
) -> Sampler[int] | None:
    """Make the sampler of a training's loader; an epoch has as many draws as there are images.

    Args:
        items: training images, with ``label`` and, for ``source``, ``source``.
        balance: ``none``; ``class``: each label has the same weight; ``source``: each label of each source.
        seed: for several processes, which it divides the images among; None: for one process.

    Returns:
        The sampler; None where one process draws each image once, which the loader's ``shuffle`` does.

    Example:
        >>> items = [{"label": 0, "source": "a"}] * 3 + [{"label": 1, "source": "a"}, {"label": 0, "source": "b"}]
        >>> balanced_sampler(items, "source").weights.tolist()[2:] == [1 / 3, 1.0, 1.0]
        True
    """
    if balance not in BALANCES:
        raise ValueError(f"balance is {balance!r}; expected one of {BALANCES}.")
    if balance == "none":
        return None if seed is None else DistributedSampler(items, even_divisible=True, shuffle=True, seed=seed)
    groups = [(str(item["label"]), item.get("source") if balance == "source" else None) for item in items]
    counts = Counter(groups)
    weights = [1 / counts[group] for group in groups]
    if seed is None:
        return WeightedRandomSampler(weights, len(weights))
    return DistributedWeightedRandomSampler(items, weights, even_divisible=True, shuffle=True, seed=seed)
