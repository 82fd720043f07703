"""From a map to boxes with scores."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from numpy.typing import NDArray
from scipy import ndimage

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.transforms.map_to_mask import MapToMask, upsample_map


class Boxes(NamedTuple):
    """Boxes of one image, the highest score first.

    ``boxes`` are ``(n, 4)`` float32: xmin, ymin, xmax, ymax; x = column; half-open pixel edges. ``scores`` are ``(n,)``
    float32 of 0-1.
    """

    boxes: torch.Tensor
    scores: torch.Tensor


class MapToBoxes(Transform):
    """Threshold a map, and turn each connected component into a box with a score.

    A relative threshold always finds something, on a healthy image as well (Choe et al., CVPR 2020). Therefore an image
    whose score is below ``score_threshold`` gets no boxes in either mode.

    Args:
        size: of :class:`MapToMask`; the grid on which boxes are drawn.
        threshold: of :class:`MapToMask`.
        mode: of :class:`MapToMask`.
        score_threshold: images below this score get no boxes; 0 draws on every image.
        smallest_area: components below this fraction of the grid are dropped.
        largest_number: at most this many boxes, the highest scores first.

    Example:
        >>> tb_map = torch.zeros(1, 4, 4)
        >>> tb_map[0, 1, 2:] = 0.9
        >>> MapToBoxes(size=(4, 4), threshold=0.5, smallest_area=0.0)(tb_map).boxes
        tensor([[2., 1., 4., 2.]])
    """

    def __init__(
        self,
        size: tuple[int, int],
        threshold: float = 0.5,
        mode: str = "absolute",
        score_threshold: float = 0.0,
        smallest_area: float = 0.002,
        largest_number: int = 8,
    ) -> None:
        self.to_mask = MapToMask(size, threshold, mode)
        if not is_number(score_threshold, 0, 1):
            raise ValueError(f"score_threshold is {score_threshold!r}; expected 0 to 1.")
        if not (is_number(smallest_area, 0, 1) and smallest_area < 1 and is_number(largest_number, 1, 2**31)):
            raise ValueError(
                f"smallest_area is {smallest_area!r} and largest_number {largest_number!r}; expected a fraction of 0 "
                "to below 1, and at least 1."
            )
        self.score_threshold = float(score_threshold)
        self.smallest_area, self.largest_number = float(smallest_area), int(largest_number)

    def __call__(self, tb_map: torch.Tensor, score: float | torch.Tensor | None = None) -> Boxes:
        """Boxes of a map ``(1, h, w)`` of 0-1, on the grid.

        A box's score is the largest probability in its component.
        """
        if score is not None and float(score) < self.score_threshold:
            return no_boxes()
        on_grid = upsample_map(tb_map, self.to_mask.size).cpu()
        values, mask = on_grid[0].numpy(), self.to_mask.mask_of(on_grid)[0].numpy()
        components = large_components(mask, self.smallest_area)
        rows = []
        for index, position in enumerate(ndimage.find_objects(components), start=1):
            if position is None:  # too small
                continue
            ys, xs = position
            inside = components[ys, xs] == index
            rows.append((float(values[ys, xs][inside].max()), (xs.start, ys.start, xs.stop, ys.stop)))
        if not rows:
            return no_boxes()
        rows.sort(key=lambda row: (-row[0], row[1]))  # equal scores: by position, so that the order is always the same
        rows = rows[: self.largest_number]
        boxes = torch.tensor([box for _, box in rows], dtype=torch.float32)
        return Boxes(boxes, torch.tensor([s for s, _ in rows], dtype=torch.float32))


def large_components(mask: NDArray[np.bool_], smallest_area: float) -> NDArray[np.int32]:
    """Label the connected components (also by corners) of a mask ``(height, width)`` that are large enough for a box.

    Args:
        mask: ``(height, width)``.
        smallest_area: of a component, as a fraction of the mask.

    Returns:
        ``(height, width)``: 0 outside of them, and a number above 0 for each, not each number.
    """
    components, _ = ndimage.label(mask, structure=np.ones((3, 3), dtype=int))
    large = np.bincount(components.ravel()) >= smallest_area * mask.size
    return np.asarray(np.where(large[components], components, 0), dtype=np.int32)


def no_boxes() -> Boxes:
    """Boxes of an image that has none."""
    return Boxes(torch.zeros((0, 4)), torch.zeros(0))


class MapToBoxesd(MapTransform):
    """Dictionary form of :class:`MapToBoxes`.

    Reads the map at ``keys`` and ``score``, writes ``pred_boxes`` ``(n, 4)`` and

    ``pred_box_scores`` ``(n,)``, for a single image.
    """

    def __init__(
        self,
        size: tuple[int, int],
        keys: KeysCollection = "tb_map",
        threshold: float = 0.5,
        mode: str = "absolute",
        score_threshold: float = 0.5,
        smallest_area: float = 0.002,
        largest_number: int = 8,
    ) -> None:
        super().__init__(keys)
        self.to_boxes = MapToBoxes(size, threshold, mode, score_threshold, smallest_area, largest_number)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        boxes, scores = self.to_boxes(data[self.keys[0]], data["score"])
        return {**data, "pred_boxes": boxes, "pred_box_scores": scores}
