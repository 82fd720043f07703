"""One decoder a file format; `decode_image` chooses by content."""

from __future__ import annotations

from monai_tbkd.data.readers.decode import decode_image, whole_image_size
from monai_tbkd.data.readers.decoded_image import DecodedImage, ImageLimits

__all__ = ["DecodedImage", "ImageLimits", "decode_image", "whole_image_size"]
