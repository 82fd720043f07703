"""One decoder a file format; `decode_image` chooses by content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.data.readers.decode import decode_image, whole_image_size
    from monai_tbkd.data.readers.decoded_image import DecodedImage, ImageLimits

__all__ = ["DecodedImage", "ImageLimits", "decode_image", "whole_image_size"]

names_on_demand(__name__)
