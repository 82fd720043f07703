"""What is trained of a network, on images or on features that are kept."""

from __future__ import annotations

import torch
from torch import nn

from monai_tbkd.networks.symmetric_map_net import SymmetricMapNet, mirror_mean
from monai_tbkd.networks.teacher_view import ViewedNet


class FeatureMapNet(nn.Module):
    """The part of a :class:`SymmetricMapNet` that learns, on features that are kept.

    In training the map is the head's of the features as they are, mirrored or not; in evaluation the mean with the
    mirror image's, as the whole network has it.

    Args:
        network: shares its head with it.
        image_size: width of the images in pixels.
    """

    def __init__(self, network: SymmetricMapNet, image_size: int) -> None:
        super().__init__()
        self.whole = [network]  # in a list, so that the frozen backbone is no part of this module
        self.head, self.width, self.output_stride = network.head, int(image_size), network.output_stride

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features ``(B, 2 D, h, w)`` to a map in logits ``(B, C, h, w)``, or of K copies ``(B, K, ...)``."""
        if features.ndim == 5:
            return self(features.flatten(0, 1)).unflatten(0, features.shape[:2])  # type: ignore[no-any-return]
        features = features.float()
        if self.training:
            return self.head(features)  # type: ignore[no-any-return]
        return mirror_mean(self.head, features, self.width, self.output_stride)


def trained_part(network: nn.Module, keep_features: bool, image_size: int, view: nn.Module | None = None) -> nn.Module:
    """What is trained of a network, and evaluated beside it.

    Args:
        network: of the config.
        keep_features: batches bring kept features in place of images.
        image_size: width of the images in pixels.
        view: through which a network sees images; None shows them as they are.

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


def alike(trained: nn.Module, network: nn.Module, view: nn.Module | None = None) -> nn.Module:
    """The part of another network that takes the same batches as what is trained.

    Args:
        trained: see `trained_part`.
        network: another one, such as a teacher.
        view: through which it sees images.
    """
    width = trained.width if isinstance(trained, FeatureMapNet) else 1
    return trained_part(network, isinstance(trained, FeatureMapNet), width, view)


def whole_network(trained: nn.Module) -> nn.Module:
    """The whole network of what is trained, see `trained_part`."""
    if isinstance(trained, FeatureMapNet):
        return trained.whole[0]
    return trained.network if isinstance(trained, ViewedNet) else trained
