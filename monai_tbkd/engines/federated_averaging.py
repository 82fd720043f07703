"""Federated averaging of sites that monai.fl drives, in one process."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import torch
from monai.fl.client import ClientAlgo
from monai.fl.utils.constants import FlStatistics, WeightType
from monai.fl.utils.exchange_object import ExchangeObject

logger = logging.getLogger(__name__)

Weights = dict[str, torch.Tensor]


def average_updates(updates: Sequence[ExchangeObject]) -> Weights:
    """The sites' weights, averaged by the training steps that each has made in the round.

    Federated averaging: McMahan et al., AISTATS 2017, https://arxiv.org/abs/1602.05629. Steps stand for films, as a
    site makes one for each full batch of its films. Everything of a state dict is averaged, means and variances of
    batch norms too; whole numbers (the batch norms' counters) are rounded.

    Args:
        updates: of the sites, each with full weights and its number of steps.

    Returns:
        The new weights of all.

    Raises:
        ValueError: no site, weight differences in place of weights, other names or shapes than the first site's, a
            weight that is no number, or no step at all.

    Example:
        >>> sites = [ExchangeObject({"w": torch.tensor([w])}, weight_type=WeightType.WEIGHTS) for w in (0.0, 4.0)]
        >>> for site, steps in zip(sites, (1, 3)):
        ...     site.statistics = {FlStatistics.NUM_EXECUTED_ITERATIONS: steps}
        >>> average_updates(sites)
        {'w': tensor([3.])}
    """
    if not updates:
        raise ValueError("There is no update to average; expected one of each site.")
    shapes = {name: tuple(tensor.shape) for name, tensor in _weights(updates[0]).items()}
    for number, update in enumerate(updates):
        found = {name: tuple(tensor.shape) for name, tensor in _weights(update).items()}
        if found != shapes:
            other = sorted(name for name in {**shapes, **found} if shapes.get(name) != found.get(name))
            raise ValueError(f"Site {number} has another network than site 0: {', '.join(other[:3])}.")
        broken = [name for name, tensor in _weights(update).items() if not torch.isfinite(tensor).all()]
        if broken:
            raise ValueError(f"Site {number} has sent weights that are no numbers: {', '.join(broken[:3])}.")
    steps = [_steps(update) for update in updates]
    if sum(steps) <= 0:
        raise ValueError(f"The sites have made {steps} training steps; expected some.")
    return {name: _mean([_weights(update)[name] for update in updates], steps) for name in shapes}


def federated_averaging(sites: Sequence[ClientAlgo], weights: Mapping[str, torch.Tensor], rounds: int) -> Weights:
    """Train at all sites in turns and average, round by round.

    A server in one process, for simulations and tests; between hospitals a federation's runtime carries what passes
    here: weights and numbers of steps.

    Args:
        sites: initialized.
        weights: that all start from, such as an untrained network's.
        rounds: each site trains for its local epochs in each.

    Returns:
        The weights after the last round.

    Raises:
        ValueError: no round, or updates that can't be averaged, see `average_updates`.
    """
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; expected at least 1.")
    common = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
    for number in range(1, rounds + 1):
        updates = []
        for site in sites:
            site.train(ExchangeObject(weights=dict(common), weight_type=WeightType.WEIGHTS))
            updates.append(_copy(site.get_weights()))
        common = average_updates(updates)
        logger.info("Round %d of %d: %s steps.", number, rounds, [_steps(update) for update in updates])
    return common


def _weights(update: ExchangeObject) -> Weights:
    if update.weight_type != WeightType.WEIGHTS or not update.weights:
        raise ValueError(
            f"An update has weights of type {update.weight_type!s}; expected {WeightType.WEIGHTS!s} (give MonaiAlgo "
            "send_weight_diff=False)."
        )
    return update.weights


def _steps(update: ExchangeObject) -> int:
    return int((update.statistics or {}).get(FlStatistics.NUM_EXECUTED_ITERATIONS, 0))


def _mean(tensors: Sequence[torch.Tensor], steps: Sequence[int]) -> torch.Tensor:
    total = sum(steps)
    mean = torch.stack([tensor.double() * (count / total) for tensor, count in zip(tensors, steps, strict=True)]).sum(0)
    return (mean if tensors[0].is_floating_point() else mean.round()).to(tensors[0].dtype)


def _copy(update: ExchangeObject) -> ExchangeObject:
    """With weights of its own: a site's may be those that it goes on training."""
    weights = {name: tensor.clone() for name, tensor in (update.weights or {}).items()}
    return ExchangeObject(weights, None, None, update.weight_type, update.statistics)
