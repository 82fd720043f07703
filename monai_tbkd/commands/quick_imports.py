"""MONAI without what a command does not need: a start in half the time."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys
import types
from collections.abc import Iterator

_LEFT_OUT = ("matplotlib.pyplot", "mlflow", "nibabel", "nibabel.nifti1", "pandas", "skimage", "scipy.signal",
             "tensorboard", "tensorboardX", "torch.utils.tensorboard", "itk", "cucim", "cv2", "h5py", "zarr",
             "transformers", "onnx", "pynvml", "nrrd", "openslide", "sklearn")  # fmt: skip
"""Optional to MONAI, and slow to import."""
_OPTIMIZERS = "torch.distributed.optim"
"""Ignite takes one class of it, to ask whether an optimizer is of that; it brings torch.distributed and SymPy along."""


def import_monai_quickly() -> None:
    """Import MONAI without loading all of its modules and all that it could make use of.

    ``import monai`` loads every module of MONAI, twice, and with them whatever is installed of fifty optional packages.
    A command that only infers needs few of them. What it does need is imported as ever when it is asked for, in full.
    Nothing happens where MONAI has been imported before; where this fails, MONAI is imported as always. For commands in
    a process of their own: a program that goes on might miss ``monai.apps`` and others.
    """
    if "monai" in sys.modules:
        return
    try:
        with _nothing_walked(), _left_out():
            importlib.import_module("monai.apps")  # its modules import each other, which works from here on
            importlib.import_module("monai.bundle")
            importlib.import_module("monai.engines")
    except ImportError:
        for name in [name for name in sys.modules if name.split(".")[0] in ("monai", "ignite")]:
            del sys.modules[name]


@contextlib.contextmanager
def _nothing_walked() -> Iterator[None]:
    """MONAI looks for its modules by `pkgutil.walk_packages`: for now there are none."""
    walk = pkgutil.walk_packages
    pkgutil.walk_packages = lambda *args, **more: iter(())
    try:
        yield
    finally:
        pkgutil.walk_packages = walk
        if module := sys.modules.get("monai.utils.module"):
            module.walk_packages = walk  # type: ignore[attr-defined]


@contextlib.contextmanager
def _left_out() -> Iterator[None]:
    """Modules that cannot be imported for now, and a stand-in for `_OPTIMIZERS`."""
    stand_in = types.ModuleType(_OPTIMIZERS)
    stand_in.ZeroRedundancyOptimizer = type("ZeroRedundancyOptimizer", (), {})  # type: ignore[attr-defined]
    placed: dict[str, types.ModuleType | None] = {**dict.fromkeys(_LEFT_OUT), _OPTIMIZERS: stand_in}
    placed = {name: module for name, module in placed.items() if name not in sys.modules}
    sys.modules.update(placed)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in placed:
            del sys.modules[name]
