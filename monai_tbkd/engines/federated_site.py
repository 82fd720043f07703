"""A site of a federation, as monai.fl drives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.fl.client import MonaiAlgo

STAGES = ("teacher", "student")


def federated_site(
    stage: str,
    bundle_root: str | Path,
    settings: Mapping[str, Any],
    recipes: Sequence[str | Path] = (),
    local_epochs: int = 1,
) -> MonaiAlgo:
    """MONAI's client algorithm on the bundle, for one stage of the training.

    It still has to be initialized. The configs are the site's own: none comes from the server.

    Args:
        stage: ``teacher``, or ``student``, which needs the teacher in the site's ``ckpt_dir``.
        bundle_root: folder of the bundle.
        settings: of the config, such as ``dataset_dir``, ``ckpt_dir``, ``output_dir`` and ``max_epochs``, which is that
            of all rounds together.
        recipes: config files that lie between training's and the federation's, such as ``demo.yaml``.
        local_epochs: in each round.

    Raises:
        ValueError: no such stage.
        FileNotFoundError: a bundle without the config.

    Example:
        >>> from monai_tbkd.bundle import bundle_root
        >>> site = federated_site("teacher", bundle_root(), {"dataset_dir": "FILMS", "ckpt_dir": "MODELS"})
    """
    if stage not in STAGES:
        raise ValueError(f"stage is {stage!r}; expected one of {', '.join(STAGES)}.")
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


def _config(bundle_root: Path, name: str) -> str:
    """The file of a config: YAML in the source tree, JSON in the zoo's folder."""
    found = [
        path for path in ((bundle_root / "configs" / name).with_suffix(s) for s in (".yaml", ".json")) if path.is_file()
    ]
    if not found:
        raise FileNotFoundError(
            f"{bundle_root}: no configs/{name}.yaml or .json in it; expected the folder of the bundle."
        )
    return str(found[0].resolve())
