"""Choose the runtime of an inference by its name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_tbkd.backends.exported_net import PRECISIONS, RUNTIMES, ExportedNet, read_record, suffix_of
from monai_tbkd.networks import model_version
from monai_tbkd.networks.bfloat16_support import has_bfloat16
from monai_tbkd.networks.checkpoint import check_architecture, refuse_other_settings

logger = logging.getLogger(__name__)

TORCH = "torch"
BACKENDS = (TORCH, *RUNTIMES)


class Bfloat16Net(nn.Module):
    """Run a network in bfloat16, channels last.

    With AVX512-BF16 or AMX (Intel since 2020, AMD since Zen 4) a ResNet takes less than half the time; on other
    processors more. Maps differ in the third digit.

    Args:
        network: shared, not copied; its weights stay float32.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the network's output in float32."""
        with torch.autocast(image.device.type, dtype=torch.bfloat16):
            out = self.network(image.contiguous(memory_format=torch.channels_last))
        return out.float()  # type: ignore[no-any-return]


def input_channels(backend: str) -> int:
    """Return the channels of a backend's input: 3, normalized, or 1 of 8 bits, since normalization is in the file."""
    if backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}; expected one of {', '.join(BACKENDS)}.")
    return 3 if backend == TORCH else 1


def exported_record(backend: str, exported_model: str | Path | None, folder: str | Path) -> dict[str, Any] | None:
    """Return the record of an inference's exported file, with the file's path at ``path``; None for ``torch``.

    Args:
        backend: its name.
        exported_model: the file; None takes ``model`` in `folder`, with the suffix of the backend's format.
        folder: of checkpoints.
    """
    if input_channels(backend) == 3:
        return None
    path = Path(exported_model) if exported_model else Path(folder) / f"model{suffix_of(RUNTIMES[backend][0])}"
    return {**read_record(path), "path": str(path)}


def runtime_version(checkpoint: str | Path, record: dict[str, Any] | None) -> str:
    """Return the model that scores belong to.

    A float file counts as its checkpoint, so that a calibrated threshold holds for both. An int8 file gives slightly
    other scores and is a model of its own.
    """
    return model_version(checkpoint) if record is None else str(record["model_version"])


def runtime_network(
    backend: str,
    network: nn.Module,
    device: torch.device | str,
    record: dict[str, Any] | None,
    precision: str = "float32",
    image_size: int | None = None,
    pooling: str | None = None,
) -> nn.Module:
    """Return what an inference calls as its network.

    Args:
        backend: ``torch``, ``onnxruntime``, ``openvino`` or ``torchscript``.
        network: as the config describes it. torch runs it; of the others its architecture is compared with the file's.
        device: of torch.
        record: of :func:`exported_record`.
        precision: ``float32``, or ``bfloat16`` (torch on a CPU, openvino).
        image_size: side of the images in pixels.
        pooling: description of the pooling that inference uses.

    Raises:
        ValueError: an unknown name, or a file of another architecture, image size or pooling.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}.")
    if precision == "bfloat16" and not has_bfloat16(device if record is None else "cpu"):
        logger.warning(
            "precision is bfloat16, for which this device has no instructions: each image takes longer, many times on "
            "some. Give --precision float32."
        )
    if record is None:
        on_device = network.to(device)
        return on_device if precision == "float32" else Bfloat16Net(on_device)
    check_architecture(network, record, record["path"])
    here = {"image_size": image_size, "pooling": pooling}
    refuse_other_settings({"settings": record}, {k: v for k, v in here.items() if v is not None}, record["path"])
    return ExportedNet(record["path"], backend, precision)
