"""Run finished networks on images that were changed, all networks on the same ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Compose
from torch import nn

from monai_tbkd.engines.stages import finished_part, finished_records
from monai_tbkd.metrics import Predictions
from monai_tbkd.networks import class_log_odds
from monai_tbkd.robustness.corruptions import gray_image
from monai_tbkd.robustness.cues import CUE_MASK
from monai_tbkd.transforms.crop_border import INSIDE

ImageTransform = Callable[[Any], Any]


class Looked(NamedTuple):
    """Predictions of networks on the images of one condition."""

    predictions: dict[str, Predictions]
    """By network."""
    cue_masks: np.ndarray | None
    """``(N, grid, grid)`` bool where images bear a cue that has a location."""


def finished_networks(
    networks: Mapping[str, Mapping[str, Any]],
    student: nn.Module,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, nn.Module]:
    """Load the networks of an evaluation that have finished, each behind its view.

    ``networks`` is what :class:`~monai_tbkd.engines.ModelComparison` takes, ``student`` what is trained; with
    ``settings``, a network that was trained with other images, image size or pooling is refused.

    Raises:
        FileNotFoundError: the student has not finished.
        ValueError: a checkpoint of other settings or another architecture.
    """
    return {
        name: finished_part(spec["checkpoint"], student, name, spec.get("view"))
        for name, spec, _ in finished_records(networks, settings or {})
    }


class ImagePredictor:
    """Runs networks over 8-bit images, changed on the way.

    An image is changed once for all networks, and what follows (normalization, map, score) is the evaluation's own, so
    that images that are not changed get exactly the evaluation's numbers.

    Args:
        networks: by name, from normalized images ``(B, C, H, W)`` to maps in logits ``(B, K, h, w)``.
        to_network: dictionary transform from the 8-bit image to the network's input.
        postprocessing: from ``pred`` to ``score`` and ``tb_map``, image by image.
        batch_size: images at a time.
        num_workers: processes that change images.
        device: where the networks are.
        amp: compute in half precision, as the evaluation did.
    """

    def __init__(
        self,
        networks: Mapping[str, Callable[[torch.Tensor], torch.Tensor]],
        to_network: ImageTransform,
        postprocessing: Callable[[dict[str, Any]], Mapping[str, Any]],
        batch_size: int = 16,
        num_workers: int = 0,
        device: torch.device | str = "cpu",
        amp: bool = False,
    ) -> None:
        self.networks, self.to_network, self.postprocessing = dict(networks), to_network, postprocessing
        self.batch_size, self.num_workers, self.device, self.amp = batch_size, num_workers, torch.device(device), amp

    def __call__(self, images: Sequence[Mapping[str, Any]], change: ImageTransform | None = None) -> Looked:
        """Compute maps and scores of images in their order.

        Args:
            images: each with ``image`` ``(1, H, W)`` uint8, ``name`` and ``tb``.
            change: of such a dictionary; None takes the images as they are.
        """
        maps: dict[str, list[np.ndarray]] = {name: [] for name in self.networks}
        scores: dict[str, list[float]] = {name: [] for name in self.networks}
        masks: list[np.ndarray] = []
        with torch.no_grad():
            for batch in self._loader(images, change):
                image = batch["image"].to(self.device)
                for name, network in self.networks.items():
                    for pred in self._forward(network, image):
                        done = self.postprocessing({"pred": pred})
                        maps[name].append(done["tb_map"][0].cpu().numpy())
                        scores[name].append(float(done["score"]))
                if CUE_MASK in batch:
                    masks += list(batch[CUE_MASK].bool().numpy())
        found = {name: Predictions(np.stack(maps[name]), np.array(scores[name])) for name in self.networks}
        return Looked(found, np.stack(masks) if masks else None)

    def log_odds(
        self, network: Callable[[torch.Tensor], torch.Tensor], images: Sequence[Mapping[str, Any]]
    ) -> np.ndarray:
        """Compute maps of TB's log-odds on the network's own grid, ``(N, h, w)``; probabilities crowd near 1."""
        with torch.no_grad():
            maps = [
                class_log_odds(self._forward(network, batch["image"].to(self.device)).float())[:, 0].cpu()
                for batch in self._loader(images, None)
            ]
        return torch.cat(maps).numpy()

    def _forward(self, network: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device.type, enabled=self.amp and self.device.type == "cuda"):
            return network(image)

    def _loader(self, images: Sequence[Mapping[str, Any]], change: ImageTransform | None) -> DataLoader:
        steps = [_only_what_collates, *([change] if change is not None else []), self.to_network]
        dataset = Dataset(images, Compose(steps))
        return DataLoader(dataset, batch_size=self.batch_size, num_workers=self.num_workers)


def _only_what_collates(image: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the plain image, its name and whether it has TB."""
    if INSIDE in image and image[INSIDE].tolist() != [0, 0, 1, 1]:
        raise ValueError(
            f"{image['name']} has a large plain border, which is cut off: the robustness study lays its corruptions "
            "and cues on whole images; cut the file itself, or leave it out."
        )
    return {"image": gray_image(image["image"]), "name": image["name"], "tb": image["tb"]}
