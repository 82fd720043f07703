"""How much of a map lies in true boxes, and how strong it is there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric

from monai_tbkd.metrics.refuse_nan import refuse_nan
from monai_tbkd.transforms import stretch_map

DEFINITIONS = {
    "proportional_energy": (
        "Sum of the map in the true boxes over its sum on the film, mean over TB films with boxes; a map of zeros "
        "counts 0 (mednet's name; its maps are stretched to 0-1 film by film)."
    ),
    "average_saliency_focus": (
        "Sum of the map in the true boxes over their area, mean over TB films with boxes (mednet's name; its maps are "
        "stretched to 0-1 film by film)."
    ),
}


class SaliencyEnergy(NamedTuple):
    """Two numbers a film; nan for films without true boxes."""

    proportional_energy: np.ndarray
    """``(N,)`` of 0-1."""
    average_saliency_focus: np.ndarray
    """``(N,)``, 0-1 for maps of 0-1."""


def saliency_energy(maps: np.ndarray, true_masks: np.ndarray, stretch: bool = False) -> SaliencyEnergy:
    """Proportional energy and average saliency focus of each film.

    Source: the definitions of https://mednet.readthedocs.io/en/stable/usage/saliency.html. Where boxes overlap, their
    union counts once. To set numbers beside mednet's, whose maps go from 0 to 1 on every film, ``stretch``.

    Args:
        maps: ``(N, H, W)``, not negative.
        true_masks: ``(N, H, W)`` bool, unions of the true boxes.
        stretch: bring each map to 0-1 first; a flat one becomes 0.

    Raises:
        ValueError: shapes that differ, nan, or negative values.

    Example:
        >>> saliency_energy(np.array([[[0.6, 0.2]]]), np.array([[[True, False]]])).proportional_energy
        array([0.75])
    """
    masks = np.asarray(true_masks, dtype=bool)
    if np.ndim(maps) != 3 or np.shape(maps) != masks.shape:
        raise ValueError(f"Maps are {np.shape(maps)} and masks {masks.shape}; expected both (films, rows, columns).")
    energy, focus = np.full(len(masks), np.nan), np.full(len(masks), np.nan)
    for i in np.flatnonzero(masks.any(axis=(1, 2))):
        values = torch.from_numpy(np.asarray(maps[i], dtype=np.float64))
        refuse_nan(values, f"the map of film {i} (from 0)")
        film = (stretch_map(values) if stretch else values).numpy()
        if film.min() < 0:
            raise ValueError(
                f"The map of film {i} (from 0) goes down to {film.min():.3g}; expected 0 or above, such as "
                "probabilities and not logits, or stretch=True."
            )
        inside, total = float(film[masks[i]].sum()), float(film.sum())
        energy[i] = inside / total if total > 0 else 0.0
        focus[i] = inside / masks[i].sum()
    return SaliencyEnergy(energy, focus)


class ProportionalEnergy(CumulativeIterationMetric):
    """Share of a map's sum that lies in the true boxes, averaged over films with boxes.

    Also known as the energy-based pointing game. A map that does not look at the film gets the boxes' share of the
    film (0.095 on TBX11K), so read it beside the blind baselines.

    Args:
        stretch: bring each map to 0-1 first, as mednet's are.

    Example:
        >>> metric = ProportionalEnergy()
        >>> _ = metric(torch.tensor([[[[0.6, 0.2]]]]), torch.tensor([[[[True, False]]]]))
        >>> round(metric.aggregate().item(), 4)
        0.75
    """

    def __init__(self, stretch: bool = False) -> None:
        super().__init__()
        self.stretch = stretch

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """The number of each film.

        Args:
            y_pred: maps ``(B, 1, H, W)``, not negative.
            y: union masks of the true boxes ``(B, 1, H, W)``, bool or 0/1.

        Returns:
            ``(B, 1)``, nan where the film has no box.

        Raises:
            ValueError: shapes that differ, nan, or negative values.
        """
        films = saliency_energy(y_pred[:, 0].cpu().numpy(), y[:, 0].bool().cpu().numpy(), self.stretch)
        return torch.from_numpy(self._chosen(films))[:, None]

    def _chosen(self, films: SaliencyEnergy) -> np.ndarray:
        return films.proportional_energy

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over films with boxes, a scalar; nan where there is none."""
        return torch.nanmean(torch.as_tensor(self.get_buffer()))


class AverageSaliencyFocus(ProportionalEnergy):
    """Mean of a map in the true boxes, averaged over films with boxes.

    A map that is 1 everywhere gets 1, so it says nothing without proportional energy.

    Args:
        stretch: bring each map to 0-1 first, as mednet's are.

    Example:
        >>> metric = AverageSaliencyFocus()
        >>> _ = metric(torch.tensor([[[[0.6, 0.2]]]]), torch.tensor([[[[True, False]]]]))
        >>> round(metric.aggregate().item(), 4)
        0.6
    """

    def _chosen(self, films: SaliencyEnergy) -> np.ndarray:
        return films.average_saliency_focus
