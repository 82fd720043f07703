"""How unlike both lungs are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

_PART = (0.10, 0.95, 0.10, 0.42)
"""Rows and columns of a half of the cut that are compared: lung, without its edges and the middle."""


def lung_asymmetry(cut: torch.Tensor, lung_field: torch.Tensor) -> torch.Tensor:
    """How much denser the right half of a film's cut is than the left, and how much less aerated.

    Disease makes a lung denser, and a lung-field network, which looks for air, finds less of it; most TB is not alike
    on both sides. So the signs tell which side is diseased without any label: on TBX11K's unilateral train films with
    an AUC of 0.81 and 0.85.

    Args:
        cut: ``(1, H, W)`` of gray values, of :class:`~monai_tbkd.transforms.CropToLungs`.
        lung_field: ``(1, h, w)`` of 0-1 on it.

    Returns:
        ``(2,)``: right minus left mean gray value, in shares of 255; left minus right lung area, in shares of the cut.
    """
    gray = F.adaptive_avg_pool2d(cut.float()[None], (96, 96))[0, 0] / 255.0
    top, bottom, outer, inner = (round(share * 96) for share in _PART)
    left, right = (half[top:bottom, outer:inner].mean() for half in (gray, gray.flip(-1)))
    columns = lung_field.shape[-1]
    area = [
        half.float().mean() / 2 for half in (lung_field[..., : columns // 2], lung_field[..., (columns + 1) // 2 :])
    ]
    return torch.stack([right - left, area[0] - area[1]])


class LungAsymmetryd(MapTransform):
    """Dictionary form of :func:`lung_asymmetry`: of the cut at ``keys``; writes ``asymmetry_key``."""

    def __init__(
        self,
        keys: KeysCollection = "image",
        field_key: str = "lung_field",
        asymmetry_key: str = "asymmetry",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.field_key, self.asymmetry_key = field_key, asymmetry_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            cut = d[key].as_tensor() if isinstance(d[key], MetaTensor) else d[key]
            d[self.asymmetry_key] = lung_asymmetry(cut, d[self.field_key])
        return d
