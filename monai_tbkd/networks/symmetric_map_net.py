"""An activation map from frozen features of an image and of its mirror image, and the part of it that is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.networks.activation_map_net import ActivationMapNet
from monai_tbkd.networks.cell_positions import mean_with_mirror
from monai_tbkd.networks.teacher_view import ViewedNet


class SymmetricMapHead(nn.Module):
    """Map an image's features and those of its mirror image, ``(B, 2 D, h, w)``, to a map in logits ``(B, C, h, w)``.

    Args:
        features: channels D of the features of one of the two.
        num_classes: channels C of the map.
        hidden: channels between.
        convolutions: 3x3 convolutions between, each added to its input; without any every cell is judged by itself.
        dropout: fraction of the channels that are left out in training.
        mirror: False hides the mirror image's half from the head.
    """

    def __init__(
        self,
        features: int,
        num_classes: int = 1,
        hidden: int = 64,
        convolutions: int = 0,
        dropout: float = 0.3,
        mirror: bool = True,
    ) -> None:
        super().__init__()
        if min(features, num_classes, hidden) < 1 or convolutions < 0 or not 0 <= dropout < 1:
            raise ValueError(
                f"features is {features}, num_classes {num_classes}, hidden {hidden}, convolutions {convolutions} and "
                f"dropout {dropout}; expected counts of at least 1 (convolutions 0) and a fraction below 1."
            )
        self.seen = 2 * features if mirror else features
        self.first = nn.Conv2d(self.seen, hidden, 1)
        self.context = nn.ModuleList(nn.Conv2d(hidden, hidden, 3, padding=1) for _ in range(convolutions))
        self.last = nn.Conv2d(hidden, num_classes, 1)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.first(self.dropout(features[:, : self.seen])))
        for convolution in self.context:
            x = x + F.relu(convolution(self.dropout(x)))
        return self.last(x)  # type: ignore[no-any-return]


class SymmetricMapNet(nn.Module):
    """A frozen backbone, its features reduced to their principal components, and a small head that learns.

    The image and its mirror image go through the backbone; the map is the mean of the head's maps of both. Only the
    head learns, so that features can be kept and a training takes minutes on two cores.

    Args:
        backbone, num_classes, width, stride_in_1x1: as of :class:`ActivationMapNet`.
        output_stride: pixels of the input per cell of the map: 16 or 8.
        components: channels D that the features are reduced to, see `fit_components`; at most as many as these have.
        hidden, convolutions, dropout, mirror: of :class:`SymmetricMapHead`.
        weights: path of a state dict for the backbone, see :func:`load_backbone_weights`; None leaves it at random, for
            a checkpoint that is loaded afterwards; so does ``"random"``, for checks of a config.

    Example:
        >>> net = SymmetricMapNet("resnet18", components=8, width=0.25).eval()
        >>> net(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 1, 4, 4])
    """

    def __init__(
        self,
        backbone: str = "resnet50",
        num_classes: int = 1,
        output_stride: int = 16,
        components: int = 256,
        hidden: int = 64,
        convolutions: int = 2,
        dropout: float = 0.3,
        width: float = 1.0,
        stride_in_1x1: bool = False,
        weights: str | Path | None = None,
        mirror: bool = False,
    ) -> None:
        super().__init__()
        if output_stride not in (16, 8):
            raise ValueError(
                f"output_stride is {output_stride}; expected 16 or 8, with features of two stages or more."
            )
        inner = ActivationMapNet(
            backbone, 1, output_stride=output_stride, width=width, stride_in_1x1=stride_in_1x1, weights=weights
        )
        self.backbone = inner.backbone.requires_grad_(False)
        self.weights, self.stage_channels = inner.weights, inner.stage_channels
        components = min(components, sum(self.stage_channels))
        self.reduce = nn.Conv2d(sum(self.stage_channels), components, 1).requires_grad_(False)
        self.head = SymmetricMapHead(components, num_classes, hidden, convolutions, dropout, mirror)
        self.output_stride = output_stride
        self.architecture = {
            "network_class": "SymmetricMapNet", "backbone": backbone, "num_classes": num_classes,
            "output_stride": output_stride, "width": width, "stride_in_1x1": stride_in_1x1, "components": components,
            "hidden": hidden, "convolutions": convolutions, "mirror": mirror,
        }  # fmt: skip

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Normalized images ``(B, 3, H, W)`` to maps ``(B, num_classes, ceil(H / stride), ceil(W / stride))``."""
        features = self.features(image)
        own, mirrored = self.head(features), self.head(swap_mirror(features))
        return mean_with_mirror(own, mirrored, image.shape[-1], self.output_stride)

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """What the head is trained on, ``(B, 2 D, h, w)``: of the image, then of its mirror image, not turned back."""
        own, mirrored = self.reduce(self.stages(torch.cat([image, image.flip([-1])]))).chunk(2)
        return torch.cat([own, mirrored], dim=1)

    def stages(self, image: torch.Tensor) -> torch.Tensor:
        """Features of the last stages together, ``(B, F, h, w)``, of images ``(B, 3, H, W)``."""
        return torch.cat(self.backbone.features(image), dim=1)

    def fit_components(self, stages: torch.Tensor) -> None:
        """Set the reduction to the principal components of cells ``(N, F)``, rows of `stages`; no label takes part.

        Each stage gets the same fraction of the variance; components are scaled between keeping their variance and
        whitening (exponent 0.75).
        """
        components = self.reduce.out_channels
        if len(stages) < components:
            raise ValueError(f"There are {len(stages)} cells to fit {components} components on; give more images.")
        x = stages.double()
        mean = x.mean(dim=0)
        stage_scales = [
            (1.0 / part.square().sum(dim=1).mean().sqrt().clamp_min(1e-12)).repeat(part.shape[1])
            for part in (x - mean).split(self.stage_channels, dim=1)
        ]
        scale = torch.cat(stage_scales)
        x = (x - mean) * scale
        values, vectors = torch.linalg.eigh(x.T @ x / len(x))
        values, vectors = values.flip(0)[:components].clamp_min(1e-12), vectors.flip(1)[:, :components]
        # the sign of an eigenvector is arbitrary: its largest entry is made positive
        largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
        vectors = vectors * largest.sign()
        weight = vectors / values.sqrt() ** 0.75
        weight = weight / (x @ weight).std()
        weight = weight * scale[:, None]
        with torch.no_grad():
            self.reduce.weight.copy_(weight.T[:, :, None, None])
            self.reduce.bias.copy_(-(mean @ weight))  # type: ignore[union-attr]

    def train(self, mode: bool = True) -> SymmetricMapNet:
        """Set training mode; the backbone keeps its batch-norm statistics."""
        super().train(mode)
        self.backbone.eval()
        return self


class FeatureMapNet(nn.Module):
    """The part of a :class:`SymmetricMapNet` that learns, on kept features; it shares the network's head.

    In training the map is the head's of the features as they are, mirrored or not; in evaluation the mean with the
    mirror image's, as of the whole network. ``image_size`` is the width of the images in pixels.
    """

    def __init__(self, network: SymmetricMapNet, image_size: int) -> None:
        super().__init__()
        self.whole = [network]  # in a list, so that the frozen backbone is no part of this module
        self.head, self.width, self.output_stride = network.head, int(image_size), network.output_stride

    @property
    def whole_network(self) -> SymmetricMapNet:
        """The whole network."""
        return self.whole[0]

    def shares_backbone(self, architecture: Mapping[str, Any]) -> bool:
        """Whether a :class:`SymmetricMapNet` of this architecture can take the same features."""
        own = self.whole_network.architecture
        return all(architecture.get(key, own[key]) == own[key] for key in ("backbone", "width"))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features ``(B, 2 D, h, w)`` to a map in logits ``(B, C, h, w)``, or of K copies ``(B, K, ...)``."""
        if features.ndim == 5:
            return self(features.flatten(0, 1)).unflatten(0, features.shape[:2])  # type: ignore[no-any-return]
        features = features.float()
        if self.training:
            return self.head(features)  # type: ignore[no-any-return]
        own, mirrored = self.head(features), self.head(swap_mirror(features))
        return mean_with_mirror(own, mirrored, self.width, self.output_stride)


def trained_part(
    network: nn.Module, keep_features: bool, image_size: int = 1, view: nn.Module | None = None
) -> nn.Module:
    """What is trained of a network: the whole, behind a view if there is one, or on kept features a `FeatureMapNet`.

    Raises:
        ValueError: features are kept and the network has no frozen backbone, or there is a view.
    """
    if not keep_features:
        return network if view is None else ViewedNet(network, view)
    if not isinstance(network, SymmetricMapNet) or view is not None:
        raise ValueError(
            f"keep_features is true, but {type(network).__name__ if view is None else 'a view of the images'} needs "
            "the images themselves; set keep_features to false."
        )
    return FeatureMapNet(network, image_size)


def whole_network(trained: nn.Module) -> nn.Module:
    """The whole network of what is trained, see `trained_part`."""
    return getattr(trained, "whole_network", trained)  # type: ignore[no-any-return]


def swap_mirror(features: torch.Tensor) -> torch.Tensor:
    """Turn features ``(B, 2 D, h, w)`` of images into those of their mirror images: the halves change places."""
    own, mirror = features.chunk(2, dim=1)
    return torch.cat([mirror, own], dim=1)
