"""A lung-field network that a user supplies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from monai_tbkd.networks.checkpoint import file_sha256
from monai_tbkd.networks.weights import load_plain, read_state_dict

_SIDE = 400
_KINDS = ("InputLayer", "Conv2D", "Conv2DTranspose", "BatchNormalization", "LeakyReLU", "MaxPooling2D", "Add")


class LungFieldNet(nn.Module):
    """Probability of lung at each pixel, by a network from a file.

    Images are brought to 400 x 400 pixels, their histogram is flattened and they are standardized, which is what
    lung-field networks trained on JSRT (Shiraishi et al., AJR 2000) expect. Two kinds of file are taken: TorchScript,
    from ``(B, 1, 400, 400)`` to probabilities of 0-1 (channel 0: lungs); and a Keras network as ``graph`` (a list of
    layers: class, name, inputs, sizes) with its ``state_dict``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of neither kind.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.network = _load(Path(path)).eval()
        self.sha256 = file_sha256(path)
        for parameter in self.network.parameters():  # TorchScript has no requires_grad_ for all of them
            parameter.requires_grad_(False)

    def fingerprint_of(self) -> str:
        """The file's hash: a state dict need not show all weights of TorchScript."""
        return self.sha256

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images ``(B, 1, H, W)`` of gray values to probabilities of lung, ``(B, 1, H, W)`` of 0-1."""
        size = (int(images.shape[-2]), int(images.shape[-1]))
        x = F.interpolate(images.float(), size=(_SIDE, _SIDE), mode="bilinear", align_corners=False, antialias=True)
        x = torch.stack([_standardized(image) for image in x])
        lungs = self.network(x)[:, :1].float()
        return F.interpolate(lungs, size=size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)


def flat_histogram(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flatten the histogram of an image: the fraction of its pixels that are at most as bright, for each pixel."""
    low, high = values.min(), values.max()
    levels = np.rint((values - low) / max(high - low, 1e-9) * 255).astype(np.int64)
    return np.asarray((np.bincount(levels.ravel(), minlength=256).cumsum() / levels.size)[levels])


def _standardized(image: torch.Tensor) -> torch.Tensor:
    flat = flat_histogram(image.cpu().numpy().astype(np.float64))
    flat = (flat - flat.mean()) / max(flat.std(), 1e-6)
    return torch.from_numpy(flat.astype(np.float32)).to(image.device)


def _load(path: Path) -> nn.Module:
    if not path.is_file():
        raise FileNotFoundError(f"There is no lung-field network {path}; give the path of a file that exists.")
    try:
        content = load_plain(path)
    except ValueError as not_a_dict:
        try:
            return torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-any-return,no-untyped-call]
        except RuntimeError:
            raise ValueError(
                f"{path} is neither TorchScript nor a graph with its weights; export the lung-field network by "
                "torch.jit.script or trace."
            ) from not_a_dict
    if not isinstance(content, Mapping) or not isinstance(content.get("graph"), list):
        raise ValueError(f"{path} holds no graph; export the lung-field network by torch.jit.script or trace.")
    network = _GraphNet(content["graph"], path)
    state = {key.removeprefix("m."): value for key, value in read_state_dict(path).items()}
    own = network.layers.state_dict()
    needed = {key: value for key, value in own.items() if not key.endswith("num_batches_tracked")}
    if any(key not in state or state[key].shape != value.shape for key, value in needed.items()):
        raise ValueError(f"{path}: the weights do not fit the graph beside them.")
    network.layers.load_state_dict({key: state[key] for key in own if key in state}, strict=False)
    return network


class _GraphNet(nn.Module):
    """Runs a list of Keras layers with Keras' sizes: "same" padding, the odd pixel at the end."""

    def __init__(self, graph: Sequence[Mapping[str, Any]], path: Path) -> None:
        super().__init__()
        unknown = sorted({str(layer["class"]) for layer in graph} - set(_KINDS))
        if unknown:
            raise ValueError(f"{path} has layers of kind {', '.join(unknown)}; known are {', '.join(_KINDS)}.")
        self.graph = list(graph)
        self.layers = nn.ModuleDict()
        for layer in graph:
            kind, name = layer["class"], layer["name"]
            if kind == "Conv2D":
                self.layers[name] = nn.Conv2d(layer["cin"], layer["cout"], layer["k"])
            elif kind == "Conv2DTranspose":
                self.layers[name] = nn.ConvTranspose2d(layer["cin"], layer["cout"], layer["k"], layer["s"])
            elif kind == "BatchNormalization":
                self.layers[name] = nn.BatchNorm2d(layer["cin"], eps=1.0e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: dict[str, torch.Tensor] = {}
        for layer in self.graph:
            inputs = [made[other] for other in layer["in"]] or [x]
            made[layer["name"]] = x = self._run(layer, *inputs)
        return x

    def _run(self, layer: Mapping[str, Any], x: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        kind, name = layer["class"], layer["name"]
        if kind == "Conv2D":
            before = (layer["k"] - 1) // 2
            x = F.pad(x, (before, layer["k"] - 1 - before) * 2)
        if name in self.layers:
            x = self.layers[name](x)
        if kind == "Conv2DTranspose":
            beyond = layer["k"] - layer["s"]
            first = beyond // 2
            last = [size - (beyond - first) for size in x.shape[-2:]]
            return torch.sigmoid(x[..., first : last[0], first : last[1]])
        if kind == "LeakyReLU":
            return F.leaky_relu(x, 0.3)
        if kind == "MaxPooling2D":
            return F.max_pool2d(x, 2)
        return x + others[0] if kind == "Add" else x
