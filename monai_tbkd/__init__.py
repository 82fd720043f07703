"""Find where tuberculosis is on a chest X-ray, from image-level labels alone: a MONAI plugin."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_tbkd.inference import Finding, LocalizationModel, load_model

__version__ = "0.1.0"
__all__ = ["Finding", "LocalizationModel", "__version__", "load_model", "names_on_demand"]


def names_on_demand(package: str) -> None:
    """Let a package import the names under its ``if TYPE_CHECKING:`` when they are first asked for (PEP 562).

    So one name of a package costs the import of its own module, and type checkers and editors see them all.

    Args:
        package: ``__name__`` of the package.
    """
    sys.modules[package].__class__ = _Package


class _Package(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name == "_modules":
            self._modules = listed_names(self.__spec__.loader.get_source(self.__name__))  # type: ignore[union-attr]
            return self._modules
        if name not in self._modules:
            raise AttributeError(f"{self.__name__} has no {name}.")
        value = self.__dict__[name] = getattr(import_module(self._modules[name]), name)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # the import of a module of the same name as what it defines does not hide the latter
        if not (isinstance(value, ModuleType) and self._modules.get(name) == value.__name__):
            super().__setattr__(name, value)


if not TYPE_CHECKING:  # which would take any name then

    def __getattr__(name: str) -> Any:
        """Import a folder of this package, as expressions of configs name it, or a name of the Python API."""
        if name in __all__:
            return getattr(import_module(f"{__name__}.inference"), name)
        module = f"{__name__}.{name}"
        try:
            return import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise AttributeError(f"{__name__} has no {name}.") from None


def listed_names(source: str) -> dict[str, str]:
    """The names under ``if TYPE_CHECKING:`` of a package, and the modules that define them.

    Args:
        source: of its ``__init__.py``.
    """
    blocks = [node.body for node in ast.parse(source).body if isinstance(node, ast.If)]
    lines = [node for block in blocks for node in block if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: str(node.module) for node in lines for alias in node.names}
