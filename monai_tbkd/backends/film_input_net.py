"""A network that takes films as they are kept: one gray channel of 0-255."""

from __future__ import annotations

import torch
from torch import nn

from monai_tbkd.transforms.normalize_film import NormalizeFilm


class FilmInputNet(nn.Module):
    """A network with its normalization inside, so that a runtime needs nothing but the film.

    Args:
        network: from normalized films ``(B, 3, H, W)`` to maps in logits ``(B, C, h, w)``.

    Example:
        >>> from monai_tbkd.networks import ActivationMapNet
        >>> net = FilmInputNet(ActivationMapNet("resnet18", width=0.25)).eval()
        >>> net(torch.zeros(1, 1, 64, 64, dtype=torch.uint8)).shape
        torch.Size([1, 2, 2, 2])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.normalize = NormalizeFilm()

    def forward(self, film: torch.Tensor) -> torch.Tensor:
        """Films ``(B, 1, H, W)`` of 0-255, uint8 or float, to maps in logits ``(B, C, h, w)``."""
        return self.network(self.normalize(film))  # type: ignore[no-any-return]
