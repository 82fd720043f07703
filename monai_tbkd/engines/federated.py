"""Federated training: a site that monai.fl drives, and federated averaging of sites in one process."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.fl.client import ClientAlgo, MonaiAlgo
from monai.fl.utils.constants import FlStatistics, WeightType
from monai.fl.utils.exchange_object import ExchangeObject

logger = logging.getLogger(__name__)

Weights = dict[str, torch.Tensor]


def federated_site(
    stage: str,
    bundle_root: str | Path,
    settings: Mapping[str, Any],
    recipes: Sequence[str | Path] = (),
    local_epochs: int = 1,
) -> MonaiAlgo:
    """MONAI's client algorithm on the bundle, for one stage of the training; it still has to be initialized.

    The configs are the site's own: none comes from the server.

    Args:
        stage: ``teacher``, or ``student``, which needs the teacher in the site's ``ckpt_dir``.
        bundle_root: folder of the bundle.
        settings: of the config, such as ``dataset_dir``, ``ckpt_dir``, ``output_dir`` and ``max_epochs``, which is that
            of all rounds together.
        recipes: config files that lie between training's and the federation's, such as ``demo.yaml``.
        local_epochs: in each round.
    """
    if stage not in ("teacher", "student"):
        raise ValueError(f"stage is {stage!r}; expected one of teacher, student.")
    configs = [_config(Path(bundle_root), "train"), *map(str, recipes), _config(Path(bundle_root), "federated")]
    return MonaiAlgo(
        str(bundle_root),
        local_epochs=local_epochs,
        send_weight_diff=False,
        config_train_filename=configs,
        config_evaluate_filename=list(configs),
        train_kwargs={**settings, "stage": stage},
        eval_kwargs={**settings, "stage": stage},
    )


def federated_averaging(sites: Sequence[ClientAlgo], weights: Mapping[str, torch.Tensor], rounds: int) -> Weights:
    """Train at initialized sites in turns from common weights and average, round by round; returns the last weights."""
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; expected at least 1.")
    common = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
    for number in range(1, rounds + 1):
        updates = []
        for site in sites:
            site.train(ExchangeObject(weights=dict(common), weight_type=WeightType.WEIGHTS))
            update = site.get_weights()  # copied: the site may go on training them
            own = {name: tensor.clone() for name, tensor in (update.weights or {}).items()}
            updates.append(ExchangeObject(own, None, None, update.weight_type, update.statistics))
        common = average_updates(updates)
        logger.info("Round %d of %d: %s steps.", number, rounds, [_steps(update) for update in updates])
    return common


def average_updates(updates: Sequence[ExchangeObject]) -> Weights:
    """Average the sites' weights by the training steps that each has made in the round.

    Federated averaging: McMahan et al., AISTATS 2017, https://arxiv.org/abs/1602.05629. Everything of a state dict is
    averaged, statistics of batch norms too; whole numbers are rounded.

    Raises:
        ValueError: no site, weight differences in place of weights, other names or shapes than the first site's, a
            weight that is no number, or no step at all.
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


def _config(bundle_root: Path, name: str) -> str:
    """The file of a config: YAML in the source tree, JSON in the zoo's folder."""
    for suffix in (".yaml", ".json"):
        path = (bundle_root / "configs" / name).with_suffix(suffix)
        if path.is_file():
            return str(path.resolve())
    raise FileNotFoundError(f"{bundle_root}: no configs/{name}.yaml or .json in it; expected the folder of the bundle.")


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
