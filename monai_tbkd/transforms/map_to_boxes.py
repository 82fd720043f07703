"""From a network's map to the score, TB probabilities, a mask, and boxes with scores."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from numpy.typing import NDArray
from scipy import ndimage

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.networks.cell_positions import on_tiles
from monai_tbkd.networks.log_odds import class_log_odds
from monai_tbkd.transforms.plain_tensor import DictionaryForm, plain_tensor

THRESHOLD_MODES = ("absolute", "relative", "adaptive")
_LEVEL_AREA, _LEVEL_WEIGHT, _WEAKEST_REGION = 0.1, 0.5, 0.5
_SMALLEST_PROBABILITY = 1e-6


class MapToTBScore(Transform):
    """Pool an activation map in logits ``(C, h, w)`` to the probability of tuberculosis, ``(1,)`` of 0-1."""

    def __init__(self, pooling: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.pooling = pooling

    def __call__(self, activation_map: torch.Tensor) -> torch.Tensor:
        logits = self.pooling(plain_tensor(activation_map).float().unsqueeze(0))
        return torch.sigmoid(class_log_odds(logits))[0]


class MapToTBScored(DictionaryForm):
    """Dictionary form of :class:`MapToTBScore`: reads ``pred``, writes ``score``."""

    array_form, default_key, written = MapToTBScore, "pred", "score"


class MapToTBProbability(Transform):
    """TB probabilities ``(1, height / cell, width / cell)`` on tiles of the image, of a map in logits ``(C, h, w)``.

    Cell ``i`` of a network's map lies on pixel ``output_stride * i`` (:mod:`monai_tbkd.networks.cell_positions`); the
    result may be treated as a picture of the image.

    Args:
        output_stride: pixels of the network's input per cell of its map.
        size: (height, width) of the network's input in pixels; it need not be a multiple of the stride.
        cell: pixels of the network's input per cell of the result, about.

    Raises:
        ValueError: numbers that are not above 0, or in a call a map that is not of such an input.
    """

    def __init__(self, output_stride: int, size: Sequence[int], cell: int = 4) -> None:
        self.output_stride, self.size, self.cell = int(output_stride), (int(size[0]), int(size[1])), int(cell)
        if min(self.output_stride, *self.size, self.cell) < 1:
            raise ValueError(f"output_stride is {output_stride}, size {tuple(size)} and cell {cell}; expected above 0.")

    def __call__(self, activation_map: torch.Tensor) -> torch.Tensor:
        expected = tuple(-(-s // self.output_stride) for s in self.size)
        if tuple(activation_map.shape[-2:]) != expected:
            raise ValueError(
                f"The map is {tuple(activation_map.shape[-2:])}; an input of {self.size} pixels at an output stride of "
                f"{self.output_stride} has one of {expected}."
            )
        log_odds = class_log_odds(plain_tensor(activation_map).float().unsqueeze(0))
        return torch.sigmoid(on_tiles(log_odds, self.output_stride, self.size, self.cell))[0]


class MapToTBProbabilityd(DictionaryForm):
    """Dictionary form of :class:`MapToTBProbability`: reads ``pred``, writes ``tb_map``."""

    array_form, default_key, written = MapToTBProbability, "pred", "tb_map"


def upsample_map(tb_map: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bring a map ``(1, h, w)`` to a grid of ``size`` (height, width), bilinear, edge to edge."""
    return F.interpolate(plain_tensor(tb_map)[None].float(), size=size, mode="bilinear", align_corners=False)[0]


def stretch_map(values: torch.Tensor) -> torch.Tensor:
    """Stretch maps ``(..., H, W)`` one by one to 0-1; a flat map becomes 0."""
    low, high = values.amin(dim=(-2, -1), keepdim=True), values.amax(dim=(-2, -1), keepdim=True)
    return (values - low) / torch.where(high > low, high - low, torch.inf)


def level_map(values: torch.Tensor) -> torch.Tensor:
    """Bring maps ``(..., H, W)`` of 0-1 halfway to a common level, one by one.

    In log-odds, half of the value that a tenth of the map's area reaches is subtracted. An image whose map is high or
    low as a whole, as on another hospital's images, is then thresholded halfway between a common value and its own.
    """
    log_odds = _log_odds(values)
    flat = log_odds.flatten(-2)
    own = flat.kthvalue(max(1, round((1 - _LEVEL_AREA) * flat.shape[-1])), dim=-1).values
    return torch.sigmoid(log_odds - _LEVEL_WEIGHT * own[..., None, None])


def in_mode(values: torch.Tensor, mode: str) -> torch.Tensor:
    """Bring maps ``(..., H, W)`` of 0-1 to the scale that thresholds of a mode are on, see :class:`MapToMask`."""
    if mode == "absolute":
        return values
    return stretch_map(values) if mode == "relative" else level_map(values)


def _log_odds(values: torch.Tensor) -> torch.Tensor:
    return torch.logit(values, eps=_SMALLEST_PROBABILITY)


class MapToMask(Transform):
    """Threshold a map ``(1, h, w)`` of 0-1 on a given grid; returns a mask ``(1, *size)``, bool.

    Args:
        size: (height, width) of the grid, in pixels; the map is brought to it first.
        threshold: cells at or above it count.
        mode: ``absolute``: the threshold is a probability of 0-1. ``relative``: a fraction of 0-1 of the way from the
            map's smallest to its largest value. ``adaptive``: a value of :func:`level_map`; regions whose largest value
            is less than halfway, in log-odds, from the threshold to the map's largest value do not count.

    Raises:
        ValueError: an unknown mode, or a threshold out of range.
    """

    def __init__(self, size: tuple[int, int], threshold: float = 0.5, mode: str = "absolute") -> None:
        if mode not in THRESHOLD_MODES:
            raise ValueError(f"mode is {mode!r}; expected one of {THRESHOLD_MODES}.")
        if not is_number(threshold, 0, 1):
            raise ValueError(f"threshold is {threshold!r}; expected 0 to 1.")
        if not all(is_number(side, 1, 2**15) for side in size):
            raise ValueError(f"The grid is {tuple(size)}; expected (height, width) of at least 1.")
        self.size = (int(size[0]), int(size[1]))
        self.threshold, self.mode = float(threshold), mode

    def __call__(self, tb_map: torch.Tensor) -> torch.Tensor:
        return self.mask_of(upsample_map(tb_map, self.size))

    def mask_of(self, values: torch.Tensor) -> torch.Tensor:
        """Mask of a map that is on the grid already."""
        adapted = in_mode(values, self.mode)
        mask = adapted >= self.threshold
        if self.mode == "relative":
            return mask & (adapted.amax(dim=(-2, -1), keepdim=True) > 0)
        return mask & _of_strong_regions(mask, adapted, self.threshold) if self.mode == "adaptive" else mask


def _of_strong_regions(mask: torch.Tensor, adapted: torch.Tensor, threshold: float) -> torch.Tensor:
    """Mark the regions of a mask ``(1, H, W)`` that reach halfway from the threshold to the map's largest value."""
    components, number = _components(mask[0].cpu().numpy())
    log_odds = _log_odds(adapted[0]).cpu().numpy()
    lowest = float(_log_odds(torch.tensor(threshold)))
    weakest = lowest + _WEAKEST_REGION * (float(log_odds.max()) - lowest)
    peaks = np.asarray(ndimage.maximum(log_odds, components, np.arange(1, number + 1)))
    strong = np.concatenate([[False], peaks >= weakest])
    return torch.from_numpy(strong[components])[None].to(mask.device)


class MapToMaskd(DictionaryForm):
    """Dictionary form of :class:`MapToMask`: reads ``tb_map``, writes ``tb_mask``."""

    array_form, default_key, written = MapToMask, "tb_map", "tb_mask"


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
    whose score is below ``score_threshold`` gets no boxes, whatever the mode.

    Args:
        size, threshold, mode: of :class:`MapToMask`.
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
        """Boxes of a map ``(1, h, w)`` of 0-1, on the grid; a box's score is the largest probability in it."""
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
        scores, boxes = zip(*rows[: self.largest_number], strict=True)
        return Boxes(torch.tensor(boxes, dtype=torch.float32), torch.tensor(scores, dtype=torch.float32))


def large_components(mask: NDArray[np.bool_], smallest_area: float) -> NDArray[np.int32]:
    """Label the connected components (also by corners) of a mask that are at least this fraction of it.

    Returns ``(height, width)``: 0 outside of them, and a number above 0 for each, not each number.
    """
    components, _ = _components(mask)
    large = np.bincount(components.ravel()) >= smallest_area * mask.size
    return np.asarray(np.where(large[components], components, 0), dtype=np.int32)


def _components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the connected components (also by corners) from 1; returns them and how many there are."""
    components, number = ndimage.label(mask, structure=np.ones((3, 3), dtype=int))
    return components, int(number)


def no_boxes() -> Boxes:
    """Boxes of an image that has none."""
    return Boxes(torch.zeros((0, 4)), torch.zeros(0))


class MapToBoxesd(MapTransform):
    """Dictionary form of :class:`MapToBoxes`, whose ``arguments`` it takes.

    Reads ``tb_map`` and ``score``, writes ``pred_boxes`` ``(n, 4)`` and ``pred_box_scores`` ``(n,)``.
    """

    def __init__(self, *arguments: Any, keys: KeysCollection = "tb_map", **named: Any) -> None:
        super().__init__(keys)
        self.to_boxes = MapToBoxes(*arguments, **{"score_threshold": 0.5, **named})

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        boxes, scores = self.to_boxes(data[self.keys[0]], data["score"])
        return {**data, "pred_boxes": boxes, "pred_box_scores": scores}


def rescale_boxes(boxes: torch.Tensor, from_size: Sequence[int], to_size: Sequence[int]) -> torch.Tensor:
    """Scale boxes ``(n, 4)`` by the sizes of two grids, (height, width) each, edge to edge; clip them to the new one.

    Example:
        >>> rescale_boxes(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), (4, 4), (8, 40))
        tensor([[10.,  4., 30.,  8.]])
    """
    (from_h, from_w), (to_h, to_w) = from_size, to_size
    if min(from_h, from_w, to_h, to_w) <= 0:
        raise ValueError(f"Sizes are {tuple(from_size)} and {tuple(to_size)}; expected (height, width) above 0.")
    scale = torch.tensor([to_w / from_w, to_h / from_h] * 2, dtype=torch.float64)
    edge = torch.tensor([to_w, to_h] * 2, dtype=torch.float64)
    scaled = boxes.reshape(-1, 4).double().cpu() * scale
    return torch.minimum(scaled.clamp(min=0), edge).float()


class BoxesToImaged(MapTransform):
    """Bring boxes ``(n, 4)`` from the network's grid into the pixels of the original image, of ``original_size``.

    An image without a size, which was refused, gets none.

    Args:
        grid_size: (height, width) of the grid.
        keys: of the boxes.
        position_key: key of the grid's position on the image, xmin, ymin, xmax, ymax in fractions of width and height;
            None, or an item without it: the grid spans the image.
    """

    def __init__(
        self, grid_size: tuple[int, int], keys: KeysCollection = "pred_boxes", position_key: str | None = None
    ) -> None:
        super().__init__(keys)
        self.grid_size, self.position_key = (int(grid_size[0]), int(grid_size[1])), position_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        height, width = (int(v) for v in d["original_size"])
        position = d.get(self.position_key, (0, 0, 1, 1))
        x0, y0, x1, y1 = (round(float(v) * side) for v, side in zip(position, (width, height) * 2, strict=True))
        for key in self.key_iterator(d):
            if height == 0 and width == 0:
                d[key] = torch.zeros((0, 4))
            else:
                d[key] = rescale_boxes(d[key], self.grid_size, (y1 - y0, x1 - x0)) + torch.tensor([x0, y0] * 2)
        return d
