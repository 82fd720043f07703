"""Start a command that only infers: MONAI imported in half the time, and nothing printed but the command's words."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import pkgutil
import sys
import warnings
from collections.abc import Iterator
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


@contextlib.contextmanager
def quick_and_quiet() -> Iterator[None]:
    """Import MONAI quickly; drop what libraries warn, log and print. Warnings of this package stay."""
    root, own = logging.getLogger(), logging.getLogger("monai_tbkd")
    levels, handlers = (root.level, own.level), root.handlers[:]
    with _detached("stdout"), _detached("stderr"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.basicConfig(level=logging.CRITICAL, format="%(message)s", stream=sys.stderr, force=True)
        own.setLevel(logging.WARNING)
        try:
            import_monai_quickly()
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(levels[0])
            own.setLevel(levels[1])


@contextlib.contextmanager
def _detached(name: str) -> Iterator[None]:
    """Move a standard stream to a copy of its descriptor, and drop what others write to the descriptor."""
    stream = getattr(sys, name)
    try:
        number = stream.fileno()
    except (OSError, ValueError, AttributeError):  # in a notebook, or closed
        number = -1
    if number not in (1, 2):
        yield
        return
    stream.flush()
    own = open(os.dup(number), "w", encoding=stream.encoding, errors=stream.errors, buffering=1)  # noqa: SIM115
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), number)
    setattr(sys, name, own)
    try:
        yield
    finally:
        os.dup2(own.fileno(), number)
        setattr(sys, name, stream)
        with contextlib.suppress(BrokenPipeError):
            own.close()
