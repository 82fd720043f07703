"""The student's target: the teacher's map, smoothed, with a location prior, above 0 where there is disease.

Each transform works on a batch: ``teacher_map`` ``(B, C, h, w)`` in logits, and what the images bring. ``fit`` gets all
training images with TB, after the steps before; no box takes part.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from monai.networks.layers import GaussianFilter
from monai.transforms import Transform

from monai_tbkd.networks.cell_positions import sample_at_cells
from monai_tbkd.networks.log_odds import UNKNOWN_LABEL, add_to_class, class_log_odds
from monai_tbkd.transforms.frozen_features import LUNG_FIELD
from monai_tbkd.transforms.frozen_features import TEACHER_MAP as TEACHER_MAP

_CLOSED = -100.0


class SmoothMapd(Transform):
    """Smooth the teacher's map by a Gaussian.

    Args:
        sigma: standard deviation in cells of the map; 0 leaves the map as it is.
    """

    def __init__(self, sigma: float = 1.0) -> None:
        self.sigma = float(sigma)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if self.sigma > 0:
            maps, reach = d[TEACHER_MAP], max(int(4 * self.sigma + 0.5), 1)
            smooth = GaussianFilter(2, self.sigma, truncated=4.0).to(maps.device)
            padded = F.pad(maps, (reach,) * 4, mode="replicate")
            d[TEACHER_MAP] = smooth(padded)[..., reach:-reach, reach:-reach]
        return d


class AddLungPriord(Transform):
    """Add the logits of a location prior: the image's lung field, with a weight that falls from apex to base.

    Tuberculosis of adults is most frequent in the upper zones of the lungs.

    Args:
        weight: of the prior; 0 leaves it out.
        margin: fraction of the crop above and below the lungs, as of :class:`CropToLungs`.
        least: probability outside the lungs.
        most: probability at the apex.
    """

    def __init__(self, weight: float = 1.0, margin: float = 0.07, least: float = 0.01, most: float = 0.95) -> None:
        self.weight, self.margin, self.least, self.most = float(weight), float(margin), float(least), float(most)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if self.weight > 0:
            if LUNG_FIELD not in d:
                raise ValueError(
                    "The student's target adds a location prior of the lungs, but images bring no lung field: set "
                    "lung_crop to true and lung_field_key to lung_field, or the prior's weight in target to 0."
                )
            maps = d[TEACHER_MAP]
            prior = self.prior(d[LUNG_FIELD].to(maps.device), (maps.shape[-2], maps.shape[-1]))
            d[TEACHER_MAP] = add_to_class(maps, self.weight * prior)
        return d

    def prior(self, lung_field: torch.Tensor, cells: tuple[int, int]) -> torch.Tensor:
        """Logits ``(B, 1, *cells)`` of lung fields ``(B, 1, H, W)`` of 0-255 on the crop."""
        field = lung_field.float() / 255.0
        rows = ((torch.arange(field.shape[-2]) + 0.5) / field.shape[-2] - self.margin) / (1 - 2 * self.margin)
        falling = (1 - rows).clamp(0.02, 1).to(field)[:, None]
        smooth = F.avg_pool2d(field, 7, stride=1, padding=3, count_include_pad=False) * falling
        placed = sample_at_cells(smooth, cells)
        return torch.logit(placed.clamp(self.least, self.most))


class CloseByLabeld(Transform):
    """Take disease out of the map where the label rules it out: everywhere in an image without TB.

    An image of unknown label keeps its map; a label ``(B, 2)`` of the left and the right half closes a half.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        maps = data[TEACHER_MAP]
        label = torch.as_tensor(data["label"]).to(maps.device)
        closed = (label != max(maps.shape[1], 2) - 1) & (label != UNKNOWN_LABEL)
        sides = closed.reshape(len(maps), -1)  # (B, 1) or (B, 2)
        columns = (torch.arange(maps.shape[-1], device=maps.device) * sides.shape[1]) // maps.shape[-1]
        closed_cells = sides[:, columns][:, None, None, :].expand(-1, 1, maps.shape[-2], -1)
        return {**data, TEACHER_MAP: add_to_class(maps, _CLOSED * closed_cells)}


class CenterMapd(Transform):
    """Shift TB's log-odds so that they are above 0 in a given fraction of the area of images with TB, and sharpen them.

    Each ``source`` (hospital) that was fitted has its own threshold.

    Args:
        area: fraction of the area of images with TB that shows disease. TBX11K's boxes take a tenth.
        sharpness: factor of the shifted log-odds.

    Raises:
        ValueError: an area that is not between 0 and 1.
    """

    def __init__(self, area: float = 0.1, sharpness: float = 2.0) -> None:
        if not 0 < area < 1:
            raise ValueError(f"area is {area}; expected a fraction between 0 and 1.")
        self.area, self.sharpness = float(area), float(sharpness)
        self.threshold: float | None = None
        self.thresholds: dict[str, float] = {}

    def fit(self, maps: torch.Tensor, image_fractions: torch.Tensor, sources: Sequence[str] | None = None) -> None:
        """Choose the thresholds.

        Args:
            maps: log-odds ``(N, 1, h, w)`` of images with TB, with the steps before done.
            image_fractions: ``(N,)``, the fraction of the image that its map covers.
            sources: of each image; None is one source.
        """
        self.threshold = self._reached(maps, image_fractions)
        for source in sorted(set(sources or ())):
            own = torch.tensor([each == source for each in sources or ()])
            self.thresholds[source] = self._reached(maps[own], image_fractions[own])

    def _reached(self, maps: torch.Tensor, image_fractions: torch.Tensor) -> float:
        values = maps.flatten(1)
        weights = (image_fractions.to(values) / values.shape[1])[:, None].expand_as(values).flatten()
        order = values.flatten().argsort(descending=True)
        reached = weights[order].cumsum(0) / len(maps)
        at = min(int(torch.searchsorted(reached, self.area)), len(order) - 1)
        return float(values.flatten()[order[at]])

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if self.threshold is None:
            raise ValueError("The student's target has no threshold yet; fit it on the training images.")
        maps = data[TEACHER_MAP]
        log_odds = class_log_odds(maps)
        sources = data.get("source") or [None] * len(maps)
        found = [self.thresholds.get(source, self.threshold) for source in sources]
        threshold = torch.tensor(found, device=maps.device, dtype=log_odds.dtype).reshape(-1, 1, 1, 1)
        wanted = self.sharpness * (log_odds - threshold)
        return {**data, TEACHER_MAP: add_to_class(maps, wanted - log_odds)}
