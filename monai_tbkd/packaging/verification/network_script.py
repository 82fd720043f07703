"""The network of a bundle: its promised input and output, TorchScript export and equality. Run by launcher.py."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser, ckpt_export, verify_net_in_out
from torch import nn

_SIZES = {"n": 4, "p": 5, "any": 64}


def check(root: str, config: str) -> list[tuple[str, str, str]]:
    """All of it, as (check, level, text)."""
    meta = str(Path(root) / "configs" / "metadata.json")
    found = []
    try:
        verify_net_in_out("network_def", meta_file=meta, config_file=config, device="cpu", **_SIZES)
        found.append(("network", "ok", "input and output are as metadata promises (verify_net_in_out)."))
    except Exception as e:
        return [("network", "error", f"verify_net_in_out: {_why(e)}")]
    parser = ConfigParser()
    parser.read_config(config)
    parser.read_meta(meta)
    network = parser.get_parsed_content("network_def").cpu().eval()
    model = str(Path(root) / "models" / "model.pt")
    film = torch.rand(1, *_shape(parser.get("_meta_")))
    try:
        with tempfile.TemporaryDirectory() as folder:
            if not Path(model).is_file():
                found.append(("network", "skipped", "models/model.pt is not there: checked with random weights."))
                model = str(Path(folder) / "model.pt")
                torch.save(network.state_dict(), model)
            _load(network, model)
            script = str(Path(folder) / "model.ts")
            ckpt_export(
                "network_def", filepath=script, ckpt_file=model, meta_file=meta, config_file=config,
                input_shape=list(film.shape),
            )  # fmt: skip
            found.append(_same("torchscript", "exported by ckpt_export", network, script, film))
    except Exception as e:
        found.append(("torchscript", "error", f"ckpt_export: {_why(e)}"))
    stored = Path(root) / "models" / "model.ts"
    if stored.is_file():
        found.append(_same("torchscript", "models/model.ts", network, str(stored), film))
    return found


def _load(network: nn.Module, model: str) -> None:
    state = torch.load(model, map_location="cpu", weights_only=True)
    network.load_state_dict(state.get("model", state) if isinstance(state, dict) else state)


def _same(check: str, what: str, network: nn.Module, path: str, film: torch.Tensor) -> tuple[str, str, str]:
    try:
        with torch.no_grad():
            off = (torch.jit.load(path, map_location="cpu").eval()(film) - network(film)).abs().max().item()
            scale = network(film).abs().max().item()
    except Exception as e:
        return (check, "error", f"{what}: {_why(e)}")
    level = "ok" if off <= 1e-4 * max(scale, 1.0) else "error"
    return (check, level, f"{what} differs from the network by {off:.1e} at most.")


def _shape(meta: dict[str, Any]) -> list[int]:
    image = meta["network_data_format"]["inputs"]["image"]
    names = {"n": _SIZES["n"], "p": _SIZES["p"]}
    sides = []
    for size in image["spatial_shape"]:
        if size == "*":
            sides.append(_SIZES["any"])
        elif isinstance(size, str):
            if not re.fullmatch(r"[\d*/+\- np]+", size):
                raise ValueError(f"spatial_shape has {size!r}")
            sides.append(int(eval(size, {"__builtins__": {}}, names)))
        else:
            sides.append(int(size))
    return [int(image["num_channels"]), *sides]


def _why(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


if __name__ == "__main__":
    result = check(sys.argv[1], sys.argv[2])
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        json.dump(result, file)
