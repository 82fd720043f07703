"""Training a head on features that are kept, with MONAI's engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from monai.data import DataLoader, Dataset
from monai.handlers import LrScheduleHandler
from monai.utils import convert_to_tensor
from torch import nn

from monai_tbkd.engines.distillation_trainer import TEACHER_MAP, DistillationTrainer
from monai_tbkd.handlers.film_progress import with_progress
from monai_tbkd.losses import DistillationObjective
from monai_tbkd.networks.bfloat16_support import has_bfloat16
from monai_tbkd.networks.symmetric_map_net import SymmetricMapNet, mirror_mean, swap_mirror


def keep_features(
    network: SymmetricMapNet,
    data: Sequence[Mapping[str, Any]],
    transform: Callable[[Any], Any],
    device: torch.device | str = "cpu",
    batch_size: int = 4,
    num_workers: int = 0,
    fit_films: int = 0,
    cells: int = 160,
    keys: Sequence[str] = ("lung_crop",),
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Let the frozen part of a network look at every film once.

    Args:
        network: its components are fitted first if ``fit_films`` is not 0.
        data: datalist items with ``image``.
        transform: deterministic preprocessing up to the normalized film at ``image``, ``(3, H, W)``.
        device: where the network is; it computes in bfloat16 if the device has instructions for that, else in float32.
        batch_size: films at a time.
        num_workers: processes that read films.
        fit_films: the first so many films of ``data`` in a fixed random order fit the components; no label takes part.
        cells: places of each of these films that take part.
        keys: what else the transform puts out and is wanted.

    Returns:
        Features ``(N, 2 D, h, w)`` in half precision, in the order of ``data``, and what stands at ``keys``, stacked.
    """
    network.eval()
    if fit_films:
        fit_components(network, data, transform, device, fit_films, batch_size, num_workers, cells)
    kept, others = [], {key: [] for key in keys}  # type: tuple[list[torch.Tensor], dict[str, list[torch.Tensor]]]
    for batch in _looks(data, transform, device, batch_size, num_workers, "features"):
        with _fast_precision(device):
            kept.append(network.features(batch["image"]).half().cpu())
        for key in keys:
            others[key].append(convert_to_tensor(batch[key], track_meta=False))
    return torch.cat(kept), {key: torch.cat(parts) for key, parts in others.items()}


def fit_components(
    network: SymmetricMapNet,
    data: Sequence[Mapping[str, Any]],
    transform: Callable[[Any], Any],
    device: torch.device | str = "cpu",
    films: int = 200,
    batch_size: int = 4,
    num_workers: int = 0,
    cells: int = 160,
) -> float:
    """Fit a network's components on some films, see :meth:`SymmetricMapNet.fit_components`; no label takes part.

    Args:
        network: on the device.
        data: datalist items with ``image``.
        transform: to the normalized film at ``image``, ``(3, H, W)``.
        device: of the network.
        films: how many, in a fixed random order.
        batch_size: films at a time.
        num_workers: processes that read films.
        cells: places of each film that take part; more where there are so few films that components would be left.

    Returns:
        The share of the variance that the components hold.
    """
    network.eval()
    order = np.random.default_rng(0).permutation(len(data))[:films]
    cells = max(cells, -(-2 * network.reduce.out_channels // len(order)))
    rows: list[torch.Tensor] = []
    for batch in _looks([data[int(i)] for i in order], transform, device, batch_size, num_workers, "components"):
        with _fast_precision(device):
            stages = network.stages(batch["image"])
        chosen = torch.randperm(stages[0, 0].numel(), generator=torch.Generator().manual_seed(len(rows)))[:cells]
        rows.append(stages.float().flatten(2)[..., chosen.to(stages.device)].transpose(1, 2).flatten(0, 1).cpu())
    return network.fit_components(torch.cat(rows))


def _looks(
    data: Sequence[Mapping[str, Any]],
    transform: Callable[[Any], Any],
    device: torch.device | str,
    batch_size: int,
    num_workers: int,
    what: str,
) -> Iterator[dict[str, Any]]:
    loader = DataLoader(Dataset(data, transform), batch_size=batch_size, num_workers=num_workers)
    for batch in with_progress(loader, len(data), what):
        yield {**batch, "image": convert_to_tensor(batch["image"], track_meta=False).to(device)}


@contextmanager
def _fast_precision(device: torch.device | str) -> Iterator[None]:
    kind = torch.device(device).type
    with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=has_bfloat16(device)):
        yield


class FeatureBatches:
    """Batches of kept features, each film once an epoch, each batch mirrored or not.

    Args:
        features: ``(N, 2 D, h, w)``, as `keep_features` gives them.
        rows: the films that take part.
        labels: ``(N,)`` classes, or ``(N, 2)`` of the film's left and right half, which change places in mirror images.
        batch_size: films at a time; a last batch that is not full is left out.
        targets: ``(N, 2, C, h, w)`` teacher maps in logits of each film and of its mirror image, or None.
        seed: of order and mirroring.

    Raises:
        ValueError: no film takes part.
    """

    def __init__(
        self,
        features: torch.Tensor,
        rows: Sequence[int] | np.ndarray,
        labels: torch.Tensor,
        batch_size: int = 32,
        targets: torch.Tensor | None = None,
        seed: int = 0,
    ) -> None:
        self.features, self.rows, self.labels, self.targets = features, np.asarray(rows), labels, targets
        if not len(self.rows):
            raise ValueError("No film takes part in the training; expected one or more rows.")
        self.batch_size = min(int(batch_size), len(self.rows))
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return 2 * len(self.rows) // self.batch_size  # the film and its mirror image

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        order = self._rng.permutation(np.repeat(self.rows, 2))
        for step in range(len(self)):
            rows = torch.from_numpy(order[step * self.batch_size : (step + 1) * self.batch_size])
            mirrored = int(self._rng.integers(2))
            batch = {"image": self.features[rows].float(), "label": self.labels[rows]}
            if mirrored:
                batch["image"] = swap_mirror(batch["image"])
                batch["label"] = batch["label"].flip(-1) if batch["label"].ndim == 2 else batch["label"]
            if self.targets is not None:
                batch[TEACHER_MAP] = self.targets[rows, mirrored].float()
            yield batch


def train_head(
    head: nn.Module,
    batches: FeatureBatches,
    objective: DistillationObjective,
    epochs: int,
    learning_rate: float = 2.0e-3,
    weight_decay: float = 1.0e-3,
    device: torch.device | str = "cpu",
) -> nn.Module:
    """Train a head: AdamW, one cycle of the learning rate, `DistillationTrainer`.

    Args:
        head: from features ``(B, 2 D, h, w)`` to maps ``(B, C, h, w)``; on the device, trained in place.
        batches: with teacher maps where the objective compares with a teacher.
        objective: of map, label and teacher map.
        epochs: each with every film and every mirror image once.
        learning_rate: at its highest.
        weight_decay: of AdamW.
        device: of the head.

    Returns:
        The head, in eval mode.
    """
    optimizer = torch.optim.AdamW(head.parameters(), learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=epochs * len(batches) + 1)
    trainer = DistillationTrainer(
        objective,
        device=torch.device(device),
        max_epochs=epochs,
        train_data_loader=batches,
        epoch_length=len(batches),
        network=head,
        optimizer=optimizer,
        decollate=False,
        train_handlers=[LrScheduleHandler(schedule, print_lr=False, epoch_level=False)],
    )
    trainer.logger.setLevel("WARNING")
    trainer.run()
    return head.eval()


@torch.no_grad()
def maps_of(
    head: nn.Module, features: torch.Tensor, width: int, output_stride: int, batch_size: int = 64
) -> torch.Tensor:
    """Maps ``(N, C, h, w)`` in logits of kept features of films ``width`` pixels wide, both mirror images averaged."""
    device = next(head.parameters()).device
    parts = features.split(batch_size)
    return torch.cat([mirror_mean(head, part.float().to(device), width, output_stride).cpu() for part in parts])
