"""The part of this package that configs need, as a folder that comes along with them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

PACKAGE = "monai_tbkd"
_NAMED = re.compile(rf"\b{PACKAGE}(?:\.\w+)+")
_ALWAYS_THERE = {"monai", "torch", "numpy"}  # metadata has keys of their own for them


def package_folder() -> Path:
    """Where this package's code is."""
    return Path(__file__).resolve().parents[1]


def needed_files(texts: Iterable[str]) -> list[Path]:
    """Every file of this package that configs with these texts can reach, as paths under the package's folder.

    Modules are followed through their imports, also through those inside of functions; data files come along with the
    package that they lie in.

    Args:
        texts: of the configs; dotted names in them (``monai_tbkd.networks.ActivationMapNet``) are where it begins.

    Returns:
        Sorted paths.
    """
    root = package_folder()
    modules = _reached(texts)
    files = {_file(module).relative_to(root) for module in modules}
    for folder in {file.parent for file in files if file.name == "__init__.py"}:
        files |= {f.relative_to(root) for f in (root / folder).iterdir() if f.is_file() and f.suffix not in _CODE}
    return sorted(files)


_CODE = {".py", ".pyc", ".pyo"}


def needed_distributions(texts: Iterable[str]) -> dict[str, str]:
    """What must be installed beside MONAI, PyTorch and NumPy for that code, with the versions that are installed here.

    Args:
        texts: as of `needed_files`.

    Returns:
        Names as packages are installed by, to versions.
    """
    found: set[str] = set()
    for module in _reached(texts):
        found |= {name.split(".")[0] for name in _imports(module) if not name.startswith(PACKAGE)}
    owners = packages_distributions()
    beyond = (name for name in found - _ALWAYS_THERE - set(sys.stdlib_module_names) if name in owners)
    optional = _only_for_extras()
    names = {name for name in (_distribution(name, owners[name]) for name in beyond) if _plain(name) not in optional}
    return {name: version(name) for name in sorted(names, key=str.lower)}


def _only_for_extras() -> set[str]:
    """Distributions that this package asks for in extras alone: configs run without them until they are turned on."""
    try:
        wanted = [(re.split(r"[^\w.-]", line)[0], "extra ==" in line) for line in requires(PACKAGE) or []]
    except PackageNotFoundError:
        return set()
    always = {_plain(name) for name, extra in wanted if not extra}
    return {_plain(name) for name, _ in wanted} - always


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _distribution(module: str, owners: Sequence[str]) -> str:
    """The one of a module's own name brings the others, where a module comes in parts as ITK's does."""
    try:
        version(module)
    except PackageNotFoundError:
        return owners[0]
    return module


def copy_code(texts: Iterable[str], target: str | Path) -> list[Path]:
    """Write the needed files into a folder.

    Args:
        texts: as of `needed_files`.
        target: the folder, such as ``DIR/monai_tbkd``.

    Returns:
        The files as written.
    """
    written = []
    for file in needed_files(texts):
        copy = Path(target) / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((package_folder() / file).read_bytes())
        written.append(copy)
    return written


def _reached(texts: Iterable[str]) -> set[str]:
    waiting = {module for text in texts for name in _NAMED.findall(text) for module in _modules_of(name)} | {PACKAGE}
    reached: set[str] = set()
    while waiting:
        module = waiting.pop()
        reached.add(module)
        own = (name for name in _imports(module) if name == PACKAGE or name.startswith(PACKAGE + "."))
        waiting |= {each for name in own for each in _modules_of(name)} - reached
    return reached


def _modules_of(name: str) -> list[str]:
    """A dotted name as the modules that importing it runs: ``a.b.C`` is a and a.b if C is no module."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1) if _exists(".".join(parts[:n]))]


def _exists(module: str) -> bool:
    return _file(module).is_file()


def _file(module: str) -> Path:
    path = package_folder().joinpath(*module.split(".")[1:])
    package = path / "__init__.py"
    return package if package.is_file() or module == PACKAGE else path.with_suffix(".py")


def _imports(module: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(_file(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names
