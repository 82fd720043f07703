"""A teacher's maps, made once and kept."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Transform
from monai.utils import convert_to_tensor
from torch import nn
from tqdm import tqdm

from monai_tbkd.engines.distillation_trainer import TEACHER_MAP

logger = logging.getLogger(__name__)


class TeacherMaps(Transform):
    """Adds the teacher's map of the unchanged film to an item, so that the teacher needs to look only once.

    Put it before the random transforms, and name ``teacher_map`` in the ``keys`` of those that move things, so that
    map and film move together. It is exact for what maps onto the map's coarse grid (flips), near for rotations and
    zooms about the center, and wrong for translations in pixels; changes of gray values are seen by the student alone.

    Args:
        maps: ``(N, C, h, w)`` in logits, any float type.
        names: of the films, in the order of the maps.
    """

    def __init__(self, maps: torch.Tensor, names: Sequence[str]) -> None:
        if len(maps) != len(names):
            raise ValueError(f"There are {len(maps)} teacher maps for {len(names)} films.")
        self.maps = maps
        self.index = {name: i for i, name in enumerate(names)}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if d["name"] not in self.index:
            raise ValueError(f"There is no teacher map of the film {d['name']}; make the maps from the same films.")
        d[TEACHER_MAP] = self.maps[self.index[d["name"]]].float()
        return d


def make_teacher_maps(
    teacher: nn.Module,
    data: Sequence[Mapping[str, Any]],
    transform: Transform,
    device: torch.device | str = "cpu",
    batch_size: int = 16,
    num_workers: int = 0,
) -> TeacherMaps:
    """Let the teacher look at every film once, as it is.

    Args:
        teacher: from films ``(B, 3, H, W)`` to maps ``(B, C, h, w)``; put into eval mode.
        data: datalist items with ``image`` and ``name``.
        transform: deterministic preprocessing up to the normalized film at ``image``.
        device: where the teacher is.
        batch_size: films at a time.
        num_workers: processes that read films.
    """
    loader = DataLoader(Dataset(data, transform), batch_size=batch_size, num_workers=num_workers)
    teacher.eval()
    names: list[str] = []
    maps = []
    with torch.no_grad():
        for batch in tqdm(loader, desc="teacher maps", disable=None):
            # plain tensors: what MONAI notes on films has no place on their maps
            maps.append(teacher(convert_to_tensor(batch["image"], track_meta=False).to(device)).half().cpu())
            names += list(batch["name"])
    return TeacherMaps(torch.cat(maps), names)
