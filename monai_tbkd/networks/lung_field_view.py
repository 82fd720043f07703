"""A view of a film in which only the lungs and what is next to them can be seen."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

OUTSIDE = ("blank", "blur")
# Two upright ellipses (center x, center y, half width, half height), shares of the film: where lungs lie on frontal
# films that are centered and filled by the chest.
ELLIPSES = ((0.29, 0.45, 0.20, 0.37), (0.71, 0.45, 0.20, 0.37))


class LungFieldView(nn.Module):
    """Blank or blur what is outside the lungs: frame, letters, shoulders, abdomen.

    The lungs are found by a network that the user gives. It is an optional component: without one, or on a film where
    it finds too little to be lungs, two ellipses stand in, the same for every film. The mask is widened, since lesions
    lie at its edge, and ends softly, since a hard edge would be a figure of its own.

    The view moves nothing, so that maps stay on the film's grid.

    Args:
        lung_network: from films of one channel, ``(B, 1, H, W)``, the mean of the normalized film's channels, to the
            probability of lung ``(B, 1, h, w)`` in 0-1, of any size that covers the film; frozen here. None takes the
            ellipses.
        dilate: how far the mask is widened, as a share of the film's longer side.
        soft: width of its soft edge, as a share of the film's longer side; 0 for a hard one.
        outside: ``"blank"`` (``fill`` throughout) or ``"blur"`` (the film, blurred: what it is stays, what is
            written on it goes).
        fill: value outside, in the units of the normalized film (0 is the mean).
        blur: how strong the blur is, the side of the averaged square as a share of the film's longer side.
        threshold: probability from which a place is lung.
        smallest: share of the film below which what the network finds is not taken for lungs.
        uneven: where one half of the film has less than this share of the lung that the other has, the ellipse is added
            in that half: lung-field networks miss lungs that disease has whitened, which must not be hidden.

    Raises:
        ValueError: an unknown ``outside``, or a number out of range.

    Example:
        >>> seen = LungFieldView()(torch.ones(1, 3, 64, 64))
        >>> bool(seen[0, 0, 30, 18] == 1), bool(seen[0, 0, 0, 0] == 0)
        (True, True)
    """

    def __init__(
        self,
        lung_network: nn.Module | None = None,
        dilate: float = 0.03,
        soft: float = 0.03,
        outside: str = "blank",
        fill: float = 0.0,
        blur: float = 0.1,
        threshold: float = 0.5,
        smallest: float = 0.08,
        uneven: float = 0.6,
    ) -> None:
        super().__init__()
        if outside not in OUTSIDE:
            raise ValueError(f"outside is {outside!r}; expected one of {', '.join(OUTSIDE)}.")
        shares = {"dilate": dilate, "soft": soft, "blur": blur, "threshold": threshold, "smallest": smallest}
        shares["uneven"] = uneven
        for name, value in shares.items():
            if not 0 <= value < 1:
                raise ValueError(f"{name} is {value}; expected a share of 0 to below 1.")
        self.lung_network = None if lung_network is None else lung_network.eval().requires_grad_(False)
        self.lungs = "ellipses" if lung_network is None else type(lung_network).__name__
        self.dilate, self.soft, self.outside, self.fill = float(dilate), float(soft), outside, float(fill)
        self.blur, self.threshold, self.smallest = float(blur), float(threshold), float(smallest)
        self.uneven = float(uneven)

    def train(self, mode: bool = True) -> LungFieldView:
        """Training mode, in which the lung network stays as it is."""
        super().train(mode)
        if self.lung_network is not None:
            self.lung_network.eval()
        return self

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Films ``(B, C, H, W)`` with the outside of the lungs blank or blurred."""
        seen = self.mask(image)
        if self.outside == "blank":
            outside = torch.full_like(image, self.fill)
        else:
            outside = _averaged(image, self.blur, rounds=2)
        return seen * image + (1 - seen) * outside

    @torch.no_grad()
    def mask(self, image: torch.Tensor) -> torch.Tensor:
        """How much of each pixel is seen: ``(B, 1, H, W)`` of 0-1 for films ``(B, C, H, W)``.

        Raises:
            ValueError: the lung network gives something else than one map a film.
        """
        lungs = self._ellipses(image)
        if self.lung_network is not None:
            found = self.lung_network(image.mean(dim=1, keepdim=True))
            if found.shape[:2] != lungs.shape[:2]:
                raise ValueError(
                    f"The lung network gives {tuple(found.shape)} for {len(image)} films; expected one channel, "
                    "(B, 1, h, w), of probabilities."
                )
            found = F.interpolate(found.float(), size=image.shape[-2:], mode="bilinear", align_corners=False)
            inside = (found >= self.threshold).to(image.dtype)
            enough = inside.mean(dim=(1, 2, 3), keepdim=True) >= self.smallest
            lungs = torch.where(enough, self._with_missing_half(inside, lungs), lungs)
        reach = self.dilate + self.soft / 2  # the soft edge lies outside of the widened lungs
        side = _odd_side(image, 2 * reach)
        widened = F.max_pool2d(lungs, side, stride=1, padding=side // 2)
        return _averaged(widened, self.soft)

    def _with_missing_half(self, inside: torch.Tensor, ellipses: torch.Tensor) -> torch.Tensor:
        middle = inside.shape[-1] // 2
        halves = [slice(0, middle), slice(middle, None)]
        areas = [inside[..., half].mean(dim=(1, 2, 3), keepdim=True) for half in halves]
        whole = [
            torch.where(
                own < self.uneven * other, torch.maximum(inside[..., half], ellipses[..., half]), inside[..., half]
            )
            for half, own, other in zip(halves, areas, areas[::-1])
        ]
        return torch.cat(whole, dim=-1)

    def _ellipses(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[-2:]
        y = ((torch.arange(height, device=image.device, dtype=image.dtype) + 0.5) / height)[:, None]
        x = ((torch.arange(width, device=image.device, dtype=image.dtype) + 0.5) / width)[None]
        inside = [((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1 for cx, cy, rx, ry in ELLIPSES]
        lungs = (inside[0] | inside[1]).to(image.dtype)
        return lungs.expand(len(image), 1, height, width)


def _odd_side(image: torch.Tensor, share: float) -> int:
    return 2 * round(share * max(image.shape[-2:]) / 2) + 1


def _averaged(image: torch.Tensor, share: float, rounds: int = 1) -> torch.Tensor:
    side = _odd_side(image, share)
    for _ in range(rounds):
        image = F.avg_pool2d(image, side, stride=1, padding=side // 2, count_include_pad=False)
    return image
