"""An image reader for MONAI: chest X-rays, upright, one channel, format told by content."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.data.image_reader import ImageReader
from numpy.typing import NDArray

from monai_tbkd.data.readers import DecodedImage, ImageLimits, decode_image
from monai_tbkd.data.readers.dicom_display import VOI_CHOICES
from monai_tbkd.data.readers.dicom_rules import ImageRules
from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode

PathLike = str | os.PathLike[str]


def image_meta(size: tuple[int, int] = (0, 0), image: DecodedImage | None = None) -> dict[str, Any]:
    """Return the metadata of an image, also of a refused one of `size`, so that any of them collate into one batch.

    Returns:
        ``original_size`` (int64, 2) and ``spacing_mm`` (float64, 2; NaN where unknown), both rows first;
        ``sop_instance_uid``; ``source_format``; ``turn``; ``pixel_steps`` and ``warnings``, each joined by ``"; "``,
        since a batch cannot hold lists of several lengths; and MONAI's ``spatial_shape``, ``affine`` (identity) and
        ``original_channel_dim`` (NaN: none).
    """
    image = image or DecodedImage(np.empty(size, dtype=np.float32), "")
    return {
        "original_size": np.array(image.pixels.shape, dtype=np.int64),
        "spacing_mm": np.array(image.spacing_mm or (np.nan, np.nan), dtype=np.float64),
        "sop_instance_uid": image.sop_instance_uid,
        "source_format": image.source_format,
        "pixel_steps": "; ".join(image.steps),
        "turn": str(image.turn),
        "warnings": "; ".join(image.warnings),
        "spatial_shape": np.array(image.pixels.shape, dtype=np.int64),
        "affine": np.eye(4),
        "original_channel_dim": float("nan"),
    }


class CXRReader(ImageReader):
    """Read a chest X-ray from PNG, JPEG, TIFF, BMP, DICOM, NIfTI, MetaImage or NRRD.

    The image comes as ``(H, W)`` float32, upright, rows first; values keep the scale of the file, larger is brighter.
    The format is told by content, never by suffix. The metadata (see `image_meta`) hold no patient data.

    All that can fail happens in `get_data`, not in `read`: MONAI's ``LoadImage`` answers an error in `read` by trying
    its own readers, some of which load a damaged file as garbage.

    Args:
        voi: for DICOM, ``"first"`` applies the first VOI LUT or window (what a viewer shows), ``"none"`` leaves it out.
        min_side: shortest height or width that is accepted, in pixels.
        max_pixels: most pixels that are decoded.
        min_age: youngest patient in years, where DICOM tags tell; see `ImageRules`.
        secondary_capture: take Secondary Capture objects and modality OT.
        any_view: take every view, not just PA and AP.
        any_body_part: take every body part, not just the chest.

    Raises:
        ValueError: `voi` is not known, or `min_age` is below 0.

    Example:
        >>> from monai.transforms import LoadImaged
        >>> load = LoadImaged(keys="image", reader=CXRReader, ensure_channel_first=True)
        >>> load({"image": "image.dcm"})["image"].shape  # doctest: +SKIP
        torch.Size([1, 2022, 1756])
    """

    def __init__(
        self,
        voi: str = "first",
        min_side: int = ImageLimits.min_side,
        max_pixels: int = ImageLimits.max_pixels,
        min_age: float = ImageRules.min_age,
        secondary_capture: bool = False,
        any_view: bool = False,
        any_body_part: bool = False,
    ) -> None:
        if voi not in VOI_CHOICES:
            raise ValueError(f"voi is {voi!r}; expected one of {VOI_CHOICES}.")
        self.voi = voi
        self.limits = ImageLimits(min_side, max_pixels)
        self.rules = ImageRules(min_age, secondary_capture, any_view, any_body_part)

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """Accept every name: content decides."""
        return True

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: Any) -> list[Path]:
        """Return the path, or a sequence of one, as paths; nothing is opened."""
        return [Path(data)] if isinstance(data, (str, os.PathLike)) else [Path(path) for path in data]

    def get_data(self, img: list[Path]) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Decode the image.

        Args:
            img: what `read` returned.

        Returns:
            The pixels ``(H, W)``, float32, and the metadata of `image_meta`.

        Raises:
            ImageError: the image cannot be used; its reason says why.
        """
        if len(img) != 1:
            raise ImageError(
                ReasonCode.MULTI_FRAME,
                ", ".join(map(str, img)),
                f"{len(img)} files as one image; give one path an image",
            )
        image = decode_image(img[0], voi=self.voi, limits=self.limits, rules=self.rules)
        if image.pixels.min() == image.pixels.max():
            raise ImageError(ReasonCode.CORRUPT, img[0], "all pixels have one value; export the image again")
        return image.pixels, image_meta(image=image)
