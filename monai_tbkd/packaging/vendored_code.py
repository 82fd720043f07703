"""Copy the part of this package that configs need."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

from monai_tbkd import listed_names

PACKAGE = "monai_tbkd"
_NAMED = re.compile(rf"\b{PACKAGE}(?:\.\w+)+")
_ALWAYS_THERE = {"monai", "torch", "numpy"}  # metadata has keys of their own for them


def package_folder() -> Path:
    """Return the folder of this package's code."""
    return Path(__file__).resolve().parents[1]


def needed_files(texts: Iterable[str], without: Collection[str] = ()) -> list[Path]:
    """List the files of this package that configs with these texts can reach, as sorted paths in the package's folder.

    Modules are followed through their imports, also through those inside of functions, and a name of a package to the
    module that defines it. A data file comes along with a module that names it.

    Args:
        texts: of the configs; dotted names in them (``monai_tbkd.networks.ActivationMapNet``) are where it begins.
        without: modules that are not followed: those that are imported when a feature is asked for.
    """
    root = package_folder()
    files = {Path("py.typed")}
    for module in _reached(texts, without):
        file = _file(module)
        words = {n.value for n in _nodes(module) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        beside = [f for f in file.parent.iterdir() if f.name in words and f.suffix not in ("", ".py")]
        files |= {f.relative_to(root) for f in (file, *beside)}
    return sorted(files)


def needed_distributions(texts: Iterable[str], without: Collection[str] = ()) -> dict[str, str]:
    """Return versions of what must be installed beside MONAI, PyTorch and NumPy for that code, see `needed_files`.

    What this package asks for in extras alone is left out: configs run without it until it is turned on.
    """
    imported = {name.split(".")[0] for module in _reached(texts, without) for name in _imports(module)}
    owners = packages_distributions()
    beyond = (imported - _ALWAYS_THERE - {PACKAGE} - set(sys.stdlib_module_names)) & owners.keys()
    names = set()
    for module in beyond:
        try:  # the distribution of a module's own name brings the others, where it comes in parts as ITK's does
            version(module)
            names.add(module)
        except PackageNotFoundError:
            names.add(owners[module][0])
    try:
        wanted = [(normal_name(re.split(r"[^\w.-]", line)[0]), "extra ==" in line) for line in requires(PACKAGE) or []]
    except PackageNotFoundError:
        wanted = []
    optional = {name for name, _ in wanted} - {name for name, extra in wanted if not extra}
    return {name: version(name) for name in sorted(names, key=str.lower) if normal_name(name) not in optional}


def normal_name(name: str) -> str:
    """Return a distribution's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def copy_code(texts: Iterable[str], target: str | Path, without: Collection[str] = ()) -> list[Path]:
    """Copy the needed files into a folder; packages list the names that came along. See `needed_files`."""
    files = needed_files(texts, without)
    for file in files:
        copy = Path(target) / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        content = (package_folder() / file).read_bytes()
        if file.name == "__init__.py" and file.parent.name:
            content = _with_names_of(content.decode(), files).encode()
        copy.write_bytes(content)
    return [Path(target) / file for file in files]


def _with_names_of(source: str, files: Iterable[Path]) -> str:
    """Return the text of a package's ``__init__.py`` with the names of some modules alone."""
    modules = {".".join((PACKAGE, *file.with_suffix("").parts)) for file in files}
    listed = listed_names(source)
    kept = {name: module for name, module in listed.items() if module in modules}
    if kept == listed:
        return source
    if not kept:
        return source.partition("from typing import TYPE_CHECKING")[0]
    head = source.partition("if TYPE_CHECKING:")[0]
    imports = "".join(f"    from {module} import {name}\n" for name, module in kept.items())
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
    """Return the modules that importing a name runs: for ``a.b.C`` a, a.b and, if b lists C, the module of C."""
    parts = name.split(".")
    found = [".".join(parts[:n]) for n in range(1, len(parts) + 1) if _file(".".join(parts[:n])).is_file()]
    if 1 < len(found) < len(parts) and _file(found[-1]).name == "__init__.py":
        defined_in = listed_names(_file(found[-1]).read_text(encoding="utf-8")).get(parts[len(found)])
        found += [defined_in] if defined_in else []
    return found


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


def _nodes(module: str) -> Iterator[ast.AST]:
    """Yield all of a module but what only type checkers read."""
    waiting: list[ast.AST] = [ast.parse(_file(module).read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
