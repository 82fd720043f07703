"""Import MONAI in half the time, for commands that only infer."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType
from typing import Any

_LEFT_OUT = ("matplotlib.pyplot", "mlflow", "nibabel", "nibabel.nifti1", "pandas", "skimage", "scipy.signal",
             "tensorboard", "tensorboardX", "torch.utils.tensorboard", "itk", "cucim", "cv2", "h5py", "zarr",
             "transformers", "onnx", "pynvml", "nrrd", "openslide", "sklearn")  # fmt: skip
"""Optional to MONAI, and slow to import."""
_OPTIMIZERS = "torch.distributed.optim"
"""Ignite needs one class of it for an isinstance check; it imports torch.distributed and SymPy."""


def import_monai_quickly() -> None:
    """Import MONAI without all of its modules and optional packages; they are imported when they are asked for.

    ``import monai`` loads every module of MONAI, twice. Nothing happens if MONAI is imported already; if this fails,
    MONAI is imported as usual. Only for commands in a process of their own: ``monai.apps`` and others are incomplete.
    """
    if "monai" in sys.modules:
        return
    stand_in: Any = ModuleType(_OPTIMIZERS)
    stand_in.ZeroRedundancyOptimizer = type("ZeroRedundancyOptimizer", (), {})
    placed = {name: module for name, module in {**dict.fromkeys(_LEFT_OUT), _OPTIMIZERS: stand_in}.items()
              if name not in sys.modules}  # fmt: skip
    sys.modules.update(placed)  # type: ignore[arg-type]
    walk = pkgutil.walk_packages
    pkgutil.walk_packages = lambda *args, **more: iter(())  # how MONAI finds its modules
    try:
        importlib.import_module("monai.apps")  # first: its modules import each other
        importlib.import_module("monai.bundle")
        importlib.import_module("monai.engines")
    except ImportError:
        for name in [name for name in sys.modules if name.split(".")[0] in ("monai", "ignite")]:
            del sys.modules[name]
    finally:
        pkgutil.walk_packages = walk
        if module := sys.modules.get("monai.utils.module"):
            module.walk_packages = walk  # type: ignore[attr-defined]
        for name in placed:
            del sys.modules[name]
