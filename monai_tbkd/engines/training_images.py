"""Training images: kept features, pasted copies, maps of a teacher with another backbone."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import torch
from monai.data import CacheDataset
from monai.transforms import Compose
from torch.utils.data import Dataset as TorchDataset

from monai_tbkd.data.lists.content_store import ContentStore
from monai_tbkd.data.lists.pasted_copies import COPIES, OWN, PASTE, with_pasted_copies
from monai_tbkd.engines.preparation import with_progress
from monai_tbkd.engines.stages import FinishedTeacher
from monai_tbkd.networks.symmetric_map_net import FeatureMapNet, SymmetricMapNet, swap_mirror
from monai_tbkd.transforms.frozen_features import LUNG_FIELD, MIRRORED_MAP, TEACHER_MAP, FrozenFeaturesd
from monai_tbkd.transforms.paste_regions import PasteRegionsd


def kept_images(
    items: Sequence[Mapping[str, Any]],
    transform: Callable[[Any], Any],
    cache_dir: str | Path | None = None,
    cache_rate: float = 1.0,
    pasted_copies: bool = False,
) -> TorchDataset[Any]:
    """Keep what a deterministic transform makes of images: on disk by content (:class:`ContentStore`), and in memory.

    ``cache_rate`` is the fraction in memory; ``pasted_copies`` adds to each image its copies
    (:func:`~monai_tbkd.data.with_pasted_copies`).
    """
    items = with_pasted_copies(items) if pasted_copies else items
    store = ContentStore(items, transform, cache_dir)
    missing = store.missing()
    if missing:
        with ThreadPoolExecutor(2) as threads:  # one reads while the other computes
            made = ({"image": [i]} for i, _ in zip(missing, threads.map(store.__getitem__, missing), strict=True))
            deque(with_progress(made, len(missing), "features"), maxlen=0)
    bar = sys.stderr.isatty() and cache_dir is None
    images = CacheDataset(store, [], cache_rate=cache_rate, num_workers=None, progress=bar)
    return CopiesDataset(images) if pasted_copies else images


def features_of(
    items: Sequence[Mapping[str, Any]],
    network: SymmetricMapNet,
    preprocessing: Callable[[Any], Any],
    cache_dir: str | Path | None = None,
) -> TorchDataset[Any]:
    """Kept features that a finished network has of images."""
    transform = Compose([PasteRegionsd(preprocessing), FrozenFeaturesd(network, "image")])
    return kept_images(items, transform, cache_dir, cache_rate=0.0)


class TaughtImages(TorchDataset):  # type: ignore[type-arg]
    """Images with a teacher's ``maps`` ``(2, C, h, w)`` of them and of their mirror images."""

    def __init__(self, images: TorchDataset[Any], maps: Sequence[torch.Tensor]) -> None:
        self.images, self.maps = images, maps

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: int) -> dict[str, Any]:
        own, mirrored = self.maps[index]
        return {**self.images[index], TEACHER_MAP: own, MIRRORED_MAP: mirrored}


@torch.no_grad()
def with_teacher_maps(
    images: TorchDataset[Any],
    items: Sequence[Mapping[str, Any]],
    teacher: FinishedTeacher | None,
    preprocessing: Callable[[Any], Any],
    cache_dir: str | Path | None = None,
) -> TorchDataset[Any]:
    """Add a teacher's maps to images, where the teacher has another backbone and can't take their features.

    ``items`` are those of the images. No teacher, or one of the same backbone, leaves the images as they are.
    """
    if teacher is None or not teacher.has_own_features:
        return images
    teacher.load()
    network = cast(FeatureMapNet, teacher.network)
    kept = features_of(items, network.whole_network, preprocessing, cache_dir)
    device = network.whole_network.reduce.weight.device
    maps = []
    for item in map(kept.__getitem__, range(len(items))):
        features = item["image"].to(device)[None]
        maps.append(torch.stack([network(each)[0].float().cpu() for each in (features, swap_mirror(features))]))
    return TaughtImages(images, maps)


class CopiesDataset(TorchDataset):  # type: ignore[type-arg]
    """Stack the arrays of each image and its copies, which follow each other in ``images``."""

    def __init__(self, images: Any) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images) // COPIES

    def __getitem__(self, index: int) -> dict[str, Any]:
        copies = [self.images[COPIES * index + i] for i in range(COPIES)]
        found = {key: value for key, value in copies[0].items() if key != PASTE}
        for key in ("image", LUNG_FIELD):
            if key in found:
                found[key] = torch.stack([torch.as_tensor(copy[key]) for copy in copies])
        if LUNG_FIELD in found:
            whole = torch.full_like(found[LUNG_FIELD][0], 255)
            found[OWN] = torch.stack([torch.as_tensor(copy.get(OWN, whole)) for copy in copies])
        return found
