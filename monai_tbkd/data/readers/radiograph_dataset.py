"""A data set that a bad image does not stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.data import Dataset, MetaTensor
from monai.utils import ImageMetaKey

from monai_tbkd.data.readers.cxr_reader import image_meta
from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode

logger = logging.getLogger(__name__)


class RadiographDataset(Dataset):
    """MONAI's ``Dataset`` for scoring: an image that fails becomes a placeholder with a reason, not an exception.

    The placeholder collates with good items; whoever reads the scores leaves out items whose ``reason`` is not empty.

    Args:
        data: items with ``image`` (path) and ``name``.
        transform: as in ``Dataset``; it starts with the loader.
        placeholder_shape: shape ``(C, H, W)`` that the transforms give.
        keys: what an item keeps; ``original_size`` (int64, ``[height, width]``) is added.
        tensors: more that the transforms give and an item keeps: by key the shape of a placeholder of zeros (float32),
            or the placeholder.
        placeholder_dtype: type that the transforms give.

    Example:
        >>> from monai.transforms import LoadImaged
        >>> from monai_tbkd.data import CXRReader
        >>> load = LoadImaged(keys="image", reader=CXRReader, ensure_channel_first=True)
        >>> RadiographDataset([{"image": "missing.png", "name": "missing.png"}], load, (1, 512, 512))[0]["reason"]
        'NOT_READABLE'
    """

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] | None,
        placeholder_shape: Sequence[int],
        keys: Sequence[str] = ("image", "name", "reason", "detail"),
        tensors: Mapping[str, Sequence[int] | torch.Tensor] | None = None,
        placeholder_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(data=data, transform=transform)
        self.placeholder_dtype = placeholder_dtype
        self.tensors = dict(tensors or {})
        self.placeholder_shape = tuple(int(length) for length in placeholder_shape)
        self.keys = tuple(keys)

    def _transform(self, index: int) -> dict[str, Any]:
        source = self.data[index]
        try:
            item = dict(super()._transform(index))
            item["original_size"] = torch.as_tensor(item["image"].meta["original_size"], dtype=torch.int64).clone()
            return self._kept({**item, "reason": "", "detail": ""})
        except Exception as error:
            return self._kept(self._placeholder(source, error))

    def _kept(self, item: dict[str, Any]) -> dict[str, Any]:
        kept = {key: item[key] for key in (*self.keys, *self.tensors, "original_size")}
        for key in self.tensors:  # with metadata they would not collate with a placeholder
            kept[key] = kept[key].as_tensor() if isinstance(kept[key], MetaTensor) else kept[key]
        return kept

    def _placeholder(self, source: dict[str, Any], error: Exception) -> dict[str, Any]:
        path = str(source.get("image", ""))
        found = image_error_in(error)
        if found is None:
            root = _causes(error)[-1]
            # No traceback in the item: a row of results has room for a sentence. The log has the rest.
            logger.error("%s: %s: %s", path, type(root).__name__, root, exc_info=error)
            found = ImageError(ReasonCode.INTERNAL, path, f"{type(root).__name__} while it was prepared; see the log")
        else:
            logger.debug("%s", found)  # whoever reads the item reports it
        pixels = torch.zeros(self.placeholder_shape, dtype=self.placeholder_dtype)
        item = {**source, "reason": found.reason.value, "detail": str(found)}
        for key, each in self.tensors.items():
            item[key] = each.clone() if isinstance(each, torch.Tensor) else torch.zeros(tuple(each))
        item["image"] = MetaTensor.ensure_torch_and_prune_meta(
            pixels, {**image_meta(), ImageMetaKey.FILENAME_OR_OBJ: path}
        )
        item["original_size"] = torch.zeros(2, dtype=torch.int64)
        return item


def image_error_in(error: BaseException) -> ImageError | None:
    """Find the first `ImageError` among an exception and its causes: MONAI's ``Compose`` wraps what a transform raises.

    Example:
        >>> image_error_in(RuntimeError("applying transform")) is None
        True
    """
    return next((each for each in _causes(error) if isinstance(each, ImageError)), None)


def _causes(error: BaseException | None) -> list[BaseException]:
    """An exception and those that it was raised from, the first cause last."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain
