"""Features of a frozen backbone as a transform, and their mirror image."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_tbkd.networks.bfloat16_support import has_bfloat16
from monai_tbkd.networks.symmetric_map_net import SymmetricMapNet, swap_mirror
from monai_tbkd.transforms.image_augmentation import RandMirrorImaged
from monai_tbkd.transforms.lung_crop import LUNG_FIELD as LUNG_FIELD
from monai_tbkd.transforms.network_input import NormalizeImage
from monai_tbkd.transforms.plain_tensor import plain_tensor

PICTURE = "picture"
TEACHER_MAP, MIRRORED_MAP = "teacher_map", "teacher_map_mirrored"
_PICTURE_SIZE = 256


class FrozenFeaturesd(MapTransform):
    """Replace an 8-bit image by the features that a frozen backbone has of it and of its mirror image.

    The transform is deterministic, so that its result can be kept (:class:`~monai_tbkd.data.ContentStore`). It computes
    in bfloat16 where the device has instructions for it, else in float32, and keeps half precision.

    Args:
        network: in eval mode; its reduction has been fitted.
        keys: of images ``(1, H, W)`` uint8; replaced by ``(2 D, h, w)`` float16. A picture of at most 256 pixels for
            TensorBoard is kept at ``picture``.
    """

    def __init__(self, network: SymmetricMapNet, keys: KeysCollection = "image") -> None:
        super().__init__(keys)
        self.network, self.normalize = network.eval(), NormalizeImage()
        self._one_at_a_time = threading.Lock()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            image = plain_tensor(d[key])
            d[key] = self.features(image)
            d[PICTURE] = small_picture(image)
        return d

    @torch.no_grad()
    def features(self, image: torch.Tensor) -> torch.Tensor:
        """Features ``(2 D, h, w)`` float16 of an image ``(1, H, W)`` of 0-255."""
        device = self.network.reduce.weight.device
        with self._one_at_a_time, torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            return self.network.features(self.normalize(image)[None].to(device))[0].half().cpu()

    def fingerprint_of(self) -> list[Any]:
        """What the features depend on: not the head."""
        network = self.network
        return [self.keys, network.backbone, network.reduce, network.architecture["output_stride"], self.normalize]

    def __getstate__(self) -> dict[str, Any]:  # data loader processes get a lock of their own
        return {key: value for key, value in vars(self).items() if key != "_one_at_a_time"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._one_at_a_time = threading.Lock()


class RandMirrorFeaturesd(RandMirrorImaged):
    """Mirror kept features ``(2 D, h, w)`` with a probability, with the lung field and labels of halves."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = super().__call__(data)
        if MIRRORED_MAP in d:
            other = d.pop(MIRRORED_MAP)
            d[TEACHER_MAP] = other if self._do_transform else d[TEACHER_MAP]
        return d

    def mirrored(self, image: torch.Tensor) -> torch.Tensor:
        """Features ``(2 D, h, w)`` of the mirror image, or ``(K, 2 D, h, w)`` of copies."""
        return swap_mirror(image[None])[0] if image.ndim == 3 else swap_mirror(image)


def small_picture(image: torch.Tensor) -> torch.Tensor:
    """An image ``(1, H, W)`` of 0-255 with at most 256 pixels a side, uint8."""
    size = [min(side, _PICTURE_SIZE) for side in image.shape[-2:]]
    return F.interpolate(image[None].float(), size=size, mode="area")[0].round().to(torch.uint8)
