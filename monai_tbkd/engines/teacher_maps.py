"""A teacher's maps, made once and kept."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import DataLoader, Dataset
from monai.transforms import RandomizableTransform, Transform
from monai.utils import convert_to_tensor
from torch import nn

from monai_tbkd.engines.distillation_trainer import TEACHER_MAP
from monai_tbkd.handlers.film_progress import with_progress


class RandMirrorWithTeacherMapd(RandomizableTransform):
    """Mirror a film left to right with a probability, and add the teacher's map of what comes out.

    The teacher has looked at each film and at its mirror image, once. A map can't be mirrored afterwards: its cells lie
    on multiples of the stride, which mirroring moves by almost a cell. What else moves a film must not follow; what
    changes its gray values is seen by the student alone.

    Args:
        maps: ``(N, 2, C, h, w)`` in logits, of each film and of its mirror image.
        names: of the films, in the order of the maps.
        prob: probability of mirroring.

    Raises:
        ValueError: maps and names of different number, or a film without maps.
    """

    def __init__(self, maps: torch.Tensor, names: Sequence[str], prob: float = 0.5) -> None:
        RandomizableTransform.__init__(self, prob)
        if len(maps) != len(names):
            raise ValueError(f"There are {len(maps)} teacher maps for {len(names)} films.")
        self.maps = maps
        self.index = {name: i for i, name in enumerate(names)}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if d["name"] not in self.index:
            raise ValueError(f"There is no teacher map of the film {d['name']}; make the maps from the same films.")
        self.randomize(None)
        mirrored = bool(self._do_transform)
        if mirrored:
            d["image"] = d["image"].flip(-1)
        d[TEACHER_MAP] = self.maps[self.index[d["name"]], int(mirrored)].float()
        return d


def make_teacher_maps(
    teacher: nn.Module,
    data: Sequence[Mapping[str, Any]],
    transform: Transform,
    device: torch.device | str = "cpu",
    batch_size: int = 16,
    num_workers: int = 0,
    prob: float = 0.5,
) -> RandMirrorWithTeacherMapd:
    """Let the teacher look at every film and its mirror image once.

    Args:
        teacher: from films ``(B, 3, H, W)`` to maps ``(B, C, h, w)``; put into eval mode.
        data: datalist items with ``image`` and ``name``.
        transform: deterministic preprocessing up to the normalized film at ``image``.
        device: where the teacher is.
        batch_size: films at a time.
        num_workers: processes that read films.
        prob: probability of mirroring in training.
    """
    loader = DataLoader(Dataset(data, transform), batch_size=batch_size, num_workers=num_workers)
    teacher.eval()
    names: list[str] = []
    maps = []
    with torch.no_grad():
        for batch in with_progress(loader, len(data), "teacher maps"):
            # plain tensors: what MONAI notes on films has no place on their maps
            image = convert_to_tensor(batch["image"], track_meta=False).to(device)
            both = torch.stack([teacher(image), teacher(image.flip(-1))], dim=1)  # (B, 2, C, h, w)
            maps.append(both.half().cpu())
            names += list(batch["name"])
    return RandMirrorWithTeacherMapd(torch.cat(maps), names, prob)
