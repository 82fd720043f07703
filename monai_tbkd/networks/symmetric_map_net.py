"""An activation map from frozen features of a film and of its mirror image."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.networks.activation_map_net import ActivationMapNet
from monai_tbkd.networks.backbone import stage_features


class SymmetricMapHead(nn.Module):
    """From features of a film and of its mirror image to the map of the film.

    At each cell it sees what is there and what is at the same place of the other lung, since most disease is not alike
    on both sides. Without ``convolutions`` every cell is judged by itself.

    Args:
        features: channels D of the features of one of the two.
        num_classes: channels C of the map.
        hidden: channels between.
        convolutions: 3x3 convolutions between, each added to its input; with two of them a cell looks five cells wide.
        dropout: share of the channels that are left out in training.
        mirror: False hides the mirror image's half from the head.

    Raises:
        ValueError: a number out of range.

    Example:
        >>> SymmetricMapHead(features=8, num_classes=1)(torch.zeros(2, 16, 6, 6)).shape
        torch.Size([2, 1, 6, 6])
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
                f"dropout {dropout}; expected counts of at least 1 (convolutions 0) and a share below 1."
            )
        self.seen = 2 * features if mirror else features
        self.first = nn.Conv2d(self.seen, hidden, 1)
        self.context = nn.ModuleList(nn.Conv2d(hidden, hidden, 3, padding=1) for _ in range(convolutions))
        self.last = nn.Conv2d(hidden, num_classes, 1)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features ``(B, 2 D, h, w)``, the mirror image's in the second half, to a map in logits ``(B, C, h, w)``."""
        x = F.relu(self.first(self.dropout(features[:, : self.seen])))
        for convolution in self.context:
            x = x + F.relu(convolution(self.dropout(x)))
        return self.last(x)  # type: ignore[no-any-return]


class SymmetricMapNet(nn.Module):
    """A frozen backbone, its features brought to their principal components, and a small head that learns.

    Only the head learns, so that features can be kept per film and a training takes minutes on two cores. The film and
    its mirror image go through the backbone; the map is the mean of the head's maps of both, each cell where it looks.

    Args:
        backbone: as of :class:`ActivationMapNet`.
        num_classes: channels C of the map.
        output_stride: pixels of the input per cell of the map: 16 or 8.
        components: channels D that the features are brought to, see `fit_components`; at most as many as these have.
        hidden: of :class:`SymmetricMapHead`.
        convolutions: of :class:`SymmetricMapHead`.
        dropout: of :class:`SymmetricMapHead`.
        mirror: of :class:`SymmetricMapHead`; the map is the mean of the image's and its mirror image's in either case.
        width: widening factor of every stage.
        stride_in_1x1: as of :class:`ActivationMapNet`.
        weights: path of a state dict for the backbone, see :func:`load_backbone_weights`; None leaves it at random, for
            a checkpoint that is loaded afterwards; so does ``"random"``, for checks of a config.

    Raises:
        ValueError: an option that the backbone does not know.

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
        """Map of a batch of films.

        Args:
            image: films, ``(B, 3, H, W)``, normalized.

        Returns:
            The class activation map in logits, ``(B, num_classes, ceil(H / stride), ceil(W / stride))``.
        """
        features = self.features(image)
        own, mirrored = self.head(features), self.head(swap_mirror(features))
        return mean_with_mirror(own, mirrored, image.shape[-1], self.output_stride)

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """What the head is trained on, ``(B, 2 D, h, w)``: of the film, then of its mirror image as that lies."""
        own, mirrored = self.reduce(self.stages(torch.cat([image, image.flip([-1])]))).chunk(2)
        return torch.cat([own, mirrored], dim=1)

    def fit_components(self, stages: torch.Tensor) -> float:
        """Set the reduction to the principal components of a sample of cells.

        Each stage gets the same share of the variance; components are scaled between keeping their variance and
        whitening (exponent 0.75), so that small ones are heard without drowning the others in noise.

        Args:
            stages: ``(N, F)``, rows of `stages` at cells of training films; no label takes part.

        Returns:
            The share of the variance that the components hold.

        Raises:
            ValueError: fewer cells than components.
        """
        components = self.reduce.out_channels
        if len(stages) < components:
            raise ValueError(f"There are {len(stages)} cells to fit {components} components on; give more films.")
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
        # an eigenvector's sign is anybody's; this one is the same each time
        largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
        vectors = vectors * largest.sign()
        weight = vectors / values.sqrt() ** 0.75
        weight = weight / (x @ weight).std()
        share = float(values.sum() / x.square().sum(dim=1).mean())
        weight = weight * scale[:, None]
        with torch.no_grad():
            self.reduce.weight.copy_(weight.T[:, :, None, None])
            self.reduce.bias.copy_(-(mean @ weight))  # type: ignore[union-attr]
        return share

    def stages(self, image: torch.Tensor) -> torch.Tensor:
        """Features of the last stages together, ``(B, F, h, w)``, of films ``(B, 3, H, W)``."""
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            return torch.cat(stage_features(self.backbone, image), dim=1)
        # as of ActivationMapNet
        x = self.backbone.conv1(image)
        x = self.backbone.bn1(x)
        x = self.backbone.act(x)
        x = self.backbone.maxpool(x)
        x = self.backbone.layer1(x)
        x = self.backbone.layer2(x)
        shallow = self.backbone.layer3(x)
        return torch.cat([shallow, self.backbone.layer4(shallow)], dim=1)

    def train(self, mode: bool = True) -> SymmetricMapNet:
        """Training mode, in which the backbone keeps its batch-norm statistics."""
        super().train(mode)
        self.backbone.eval()
        return self


def swap_mirror(features: torch.Tensor) -> torch.Tensor:
    """Features ``(B, 2 D, h, w)`` of films as those of their mirror images: the halves change places."""
    own, mirror = features.chunk(2, dim=1)
    return torch.cat([mirror, own], dim=1)


def mirror_mean(head: nn.Module, features: torch.Tensor, width: int, output_stride: int) -> torch.Tensor:
    """The mean of a head's maps of films and of their mirror images, each cell where it looks.

    Cell j of the mirror image's map looks at its pixel stride * j, which is pixel width - 1 - stride * j of the film;
    so that map is turned back and moved by the rest before the mean is taken.

    Args:
        head: from features to maps ``(B, C, h, w)``.
        features: ``(B, 2 D, h, w)``.
        width: of the films in pixels.
        output_stride: pixels per cell.
    """
    return mean_with_mirror(head(features), head(swap_mirror(features)), width, output_stride)


def mean_with_mirror(own: torch.Tensor, mirrored: torch.Tensor, width: int, output_stride: int) -> torch.Tensor:
    """The second half of `mirror_mean`, which TorchScript takes as well.

    Args:
        own: maps of films, ``(B, C, h, w)``.
        mirrored: maps of their mirror images, as those lie.
        width: of the films in pixels.
        output_stride: pixels per cell.
    """
    turned = mirrored.flip([-1])
    rest = (width - 1 - output_stride * (own.shape[-1] - 1)) / output_stride  # in cells, 0 to below 1
    left = torch.cat([turned[..., :1], turned[..., :-1]], dim=-1)
    return 0.5 * (own + rest * left + (1.0 - rest) * turned)
