"""Run a program as a user without this package would; started by its path, it imports nothing of ours.

``python launcher.py ROOT monai.bundle run ...``, ``python launcher.py ROOT check.py ...``, or one of the checks below:
``python launcher.py ROOT check_network RESULT CONFIG``. Whatever package the bundle at ROOT brings itself is taken from
there or not at all, also where it is installed.
"""

from __future__ import annotations

import importlib.machinery
import json
import re
import runpy
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

_SIZES = {"n": 4, "p": 5, "any": 64}


class OwnCodeOnly:
    """Refuse installed packages of the same names as those in the bundle's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = {path.parent.name for path in root.glob("*/__init__.py")}

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """See Python's meta path finders."""
        if name not in self.names:
            return None
        inside = [entry for entry in sys.path if Path(entry).resolve() == self.root]
        spec = importlib.machinery.PathFinder.find_spec(name, inside) if inside else None
        if spec is None:
            raise ModuleNotFoundError(f"{name} is in the bundle, whose folder is not on the path", name=name)
        return spec


def check_network(root: Path, config: str) -> list[tuple[str, str, str]]:
    """Check the network's promised input and output, and its TorchScript: (check, level, text) each."""
    import torch
    from monai.bundle import ConfigParser, ckpt_export, verify_net_in_out

    meta, model = root / "configs" / "metadata.json", root / "models" / "model.pt"
    try:
        verify_net_in_out("network_def", meta_file=str(meta), config_file=config, device="cpu", **_SIZES)
    except Exception as e:
        return [("network", "error", f"verify_net_in_out: {_why(e)}")]
    found = [("network", "ok", "input and output are as metadata promises (verify_net_in_out).")]
    parser = ConfigParser()
    parser.read_config(config)
    network = parser.get_parsed_content("network_def").cpu().eval()
    image = torch.rand(1, *_shape(json.loads(meta.read_text(encoding="utf-8")), parser.get("image_size")))

    def compare(what: str, path: Path) -> None:
        with torch.no_grad():
            expected = network(image)
            off = (torch.jit.load(str(path), map_location="cpu").eval()(image) - expected).abs().max().item()
        level = "ok" if off <= 1e-4 * max(expected.abs().max().item(), 1.0) else "error"
        found.append(("torchscript", level, f"{what} differs from the network by {off:.1e} at most."))

    doing = "ckpt_export"
    try:
        with tempfile.TemporaryDirectory() as folder:
            if not model.is_file():
                found.append(("network", "skipped", "models/model.pt is not there: checked with random weights."))
                model = Path(folder) / "model.pt"
                torch.save(network.state_dict(), model)
            state = torch.load(model, map_location="cpu", weights_only=True)
            network.load_state_dict(state.get("model", state) if isinstance(state, dict) else state)
            script = Path(folder) / "model.ts"
            given = {"filepath": str(script), "ckpt_file": str(model), "meta_file": str(meta), "config_file": config,
                     "input_shape": list(image.shape)}  # fmt: skip
            try:
                ckpt_export("network_def", **given)
            except Exception as e:
                text = f"the network can't be scripted ({_why(e)}) and was traced; the zoo has a list of such bundles."
                found.append(("torchscript", "warning", text))
                ckpt_export("network_def", **given, use_trace=True)
            compare("exported by ckpt_export", script)
        doing, stored = "models/model.ts", root / "models" / "model.ts"
        if stored.is_file():
            compare(doing, stored)
    except Exception as e:
        found.append(("torchscript", "error", f"{doing}: {_why(e)}"))
    return found


def check_properties(root: Path, wanted: str) -> dict[str, Any]:
    """List the properties of a workflow that it lacks; `wanted` is JSON of configs, kind and overrides."""
    from monai.bundle import ConfigWorkflow

    configs, kind, overrides = json.loads(wanted)
    try:
        workflow = ConfigWorkflow(configs, workflow_type=kind, logging_file=False, **overrides)
        workflow.initialize()
        missing = workflow.check_properties() or []
        workflow.finalize()
    except BaseException as e:
        return {"error": _why(e)}
    return {"missing": missing}


def _shape(meta: dict[str, Any], side: object) -> list[int]:
    """Return channels, height and width of the network's input; `side` is the config's, since traced files need it."""
    image = meta["network_data_format"]["inputs"]["image"]
    sides = [_SIZES["any"] if size == "*" else size for size in image["spatial_shape"]]
    for number, size in enumerate(sides):
        if isinstance(size, str):
            if not re.fullmatch(r"[\d*/+\- np]+", size):
                raise ValueError(f"spatial_shape has {size!r}")
            sides[number] = int(eval(size, {"__builtins__": {}}, _SIZES))
    return [int(image["num_channels"]), *([side] * 2 if isinstance(side, int) else map(int, sides))]


def _why(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def main() -> None:
    """Take the launcher itself off the path and the command line, and go on."""
    root, what = Path(sys.argv[1]).resolve(), sys.argv[2]
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    sys.meta_path.insert(0, OwnCodeOnly(root))  # type: ignore[arg-type]
    sys.argv = sys.argv[2:]
    check = {"check_network": check_network, "check_properties": check_properties}.get(what)
    if check is not None or what.endswith(".py"):
        sys.path.insert(0, str(root))  # as the zoo's checks have it
    if check is not None:
        _, result, given = sys.argv
        Path(result).write_text(json.dumps(check(root, given)), encoding="utf-8")
    elif what.endswith(".py"):
        runpy.run_path(what, run_name="__main__")
    else:
        sys.path.insert(0, str(Path.cwd()))  # as python -m has it
        runpy.run_module(what, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
