"""The part of this package that configs need, as a folder that comes along with them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

from monai_tbkd import listed_names

PACKAGE = "monai_tbkd"
_NAMED = re.compile(rf"\b{PACKAGE}(?:\.\w+)+")
_ALWAYS_THERE = {"monai", "torch", "numpy"}  # metadata has keys of their own for them


def package_folder() -> Path:
    """Where this package's code is."""
    return Path(__file__).resolve().parents[1]


def needed_files(texts: Iterable[str], without: Collection[str] = ()) -> list[Path]:
    """Every file of this package that configs with these texts can reach, as paths under the package's folder.

    Modules are followed through their imports, also through those inside of functions, and a name of a package to the
    module that defines it. A data file comes along with a module that names it.

    Args:
        texts: of the configs; dotted names in them (``monai_tbkd.networks.ActivationMapNet``) are where it begins.
        without: modules that are not followed: those that are imported when a feature is asked for.

    Returns:
        Sorted paths.
    """
    root = package_folder()
    modules = _reached(texts, without)
    files = {_file(module).relative_to(root) for module in modules}
    for module in modules:
        words = set(_words(module))
        beside = (f for f in _file(module).parent.iterdir() if f.name in words and f.suffix and f.suffix != ".py")
        files |= {f.relative_to(root) for f in beside}
    return sorted({*files, Path("py.typed")})


def needed_distributions(texts: Iterable[str], without: Collection[str] = ()) -> dict[str, str]:
    """What must be installed beside MONAI, PyTorch and NumPy for that code, with the versions that are installed here.

    Args:
        texts: as of `needed_files`.
        without: as of `needed_files`.

    Returns:
        Names as packages are installed by, to versions.
    """
    found: set[str] = set()
    for module in _reached(texts, without):
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


def copy_code(texts: Iterable[str], target: str | Path, without: Collection[str] = ()) -> list[Path]:
    """Write the needed files into a folder, as they are; packages list the names that came along.

    Args:
        texts: as of `needed_files`.
        target: the folder, such as ``DIR/monai_tbkd``.
        without: as of `needed_files`.

    Returns:
        The files as written.
    """
    files, written = needed_files(texts, without), []
    for file in files:
        copy = Path(target) / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        content = (package_folder() / file).read_bytes()
        if file.name == "__init__.py" and file.parent.name:
            content = _with_names_of(content.decode(), files).encode()
        copy.write_bytes(content)
        written.append(copy)
    return written


def _with_names_of(source: str, files: Iterable[Path]) -> str:
    """The text of a package's ``__init__.py`` that lists the names of some modules alone."""
    modules = {".".join((PACKAGE, *file.with_suffix("").parts)) for file in files}
    listed = listed_names(source)
    kept = {name: module for name, module in listed.items() if module in modules}
    if kept == listed:
        return source
    if not kept:
        return source.partition("from typing import TYPE_CHECKING")[0]
    head = source.partition("if TYPE_CHECKING:")[0]
    lines: dict[str, list[str]] = {}
    for name, module in kept.items():
        lines.setdefault(module, []).append(name)
    imports = "".join(f"    from {module} import {', '.join(names)}\n" for module, names in lines.items())
    names = "".join(f'    "{name}",\n' for name in sorted(kept))
    return f"{head}if TYPE_CHECKING:\n{imports}\n__all__ = [\n{names}]\n\nnames_on_demand(__name__)\n"


def _reached(texts: Iterable[str], without: Collection[str]) -> set[str]:
    waiting = {PACKAGE}.union(*(_modules_of(name) for text in texts for name in _NAMED.findall(text)))
    reached: set[str] = set()
    while waiting:
        module = waiting.pop()
        reached.add(module)
        names = (name for name in _imports(module) if f"{name}.".startswith(f"{PACKAGE}."))
        own = (name for name in names if not any(f"{name}.".startswith(f"{each}.") for each in without))
        waiting |= {each for name in own for each in _modules_of(name)} - reached
    return reached


def _modules_of(name: str) -> list[str]:
    """A dotted name as the modules that importing it runs: ``a.b.C`` is a, a.b and, if b lists C, the module of C."""
    parts = name.split(".")
    found = [".".join(parts[:n]) for n in range(1, len(parts) + 1) if _exists(".".join(parts[:n]))]
    package = ".".join(parts[:2])
    if len(parts) > 2 and package in found and _file(package).name == "__init__.py":
        defined_in = listed_names(_file(package).read_text(encoding="utf-8")).get(parts[2])
        found += [defined_in] if defined_in else []
    return found


def _exists(module: str) -> bool:
    return _file(module).is_file()


def _file(module: str) -> Path:
    path = package_folder().joinpath(*module.split(".")[1:])
    package = path / "__init__.py"
    return package if package.is_file() or module == PACKAGE else path.with_suffix(".py")


def _imports(module: str) -> set[str]:
    names: set[str] = set()
    for node in _nodes(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _words(module: str) -> Iterator[str]:
    return (node.value for node in _nodes(module) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _nodes(module: str) -> Iterator[ast.AST]:
    """All of a module but what only type checkers read."""
    waiting: list[ast.AST] = [ast.parse(_file(module).read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
