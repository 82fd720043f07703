"""Which configs are laid one over the other, and whether all that they refer to is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver

from monai_tbkd.packaging.config_layers import read_config
from monai_tbkd.packaging.verification.finding import ERROR, OK, Finding

_SUFFIXES = (".json", ".yaml", ".yml")
_NO_CONFIG = {"metadata"}


def config_files(root: Path) -> dict[str, Path]:
    """A bundle's configs by name; JSON before YAML where both are there."""
    paths = [p for suffix in _SUFFIXES for p in sorted((root / "configs").glob(f"*{suffix}"))]
    return {p.stem: p for p in reversed(paths) if p.stem not in _NO_CONFIG}


def chain_of(name: str, files: dict[str, Path]) -> list[str] | None:
    """The fewest configs under which everything that a config refers to is there and something can be run.

    Args:
        name: of the config.
        files: all of the bundle's.

    Returns:
        Names, the config itself last; None where there is no such chain.
    """
    before: list[list[str]] = [[], ["train"], ["train", "evaluate"], ["inference"]]
    if "infer" in name:
        before = [[], ["inference"], ["train"]]
    elif "evaluate" in name:
        before = [[], ["train", "evaluate"], ["train"], ["inference"]]
    for below in before:
        if name in below or not all(each in files for each in below):
            continue
        chain = [*below, name]
        if not missing([files[each] for each in chain]) and _can_run([files[each] for each in chain]):
            return chain
    return None


def missing(paths: Sequence[Path]) -> list[str]:
    """What these configs together refer to and don't have: ids, macros, files of macros; a sentence each."""
    parser = ConfigParser()
    try:
        parser.read_config([str(p) for p in paths])
        parser.parse()
    except (ValueError, KeyError, OSError, RuntimeError) as e:
        return [f"{e}"]
    items = parser.ref_resolver.items
    faults = []
    for item_id, item in items.items():
        if not isinstance(item.get_config(), str):  # what is in it has items of its own
            continue
        for reference in ReferenceResolver.find_refs_in_config(config=item.get_config(), id=item_id):
            if reference not in items:
                faults.append(f"{item_id} refers to {reference}, which is not there.")
    return sorted(set(faults))


def check_configs(root: Path) -> tuple[list[Finding], dict[str, list[str]]]:
    """Whether each config can be read and has what it refers to, alone or over others.

    Args:
        root: the bundle.

    Returns:
        Findings, and the chain of each config that has one.
    """
    files = config_files(root)
    found: list[Finding] = []
    chains: dict[str, list[str]] = {}
    for name, path in sorted(files.items()):
        try:
            read_config(path)
        except ValueError as e:
            found.append(Finding("configs", ERROR, str(e)))
            continue
        takers = [other for other in files if _takes(files[other], name)]
        if takers:
            faults = missing([files[takers[0]], path])
            found += [Finding("configs", ERROR, f"{path.name}: {fault}") for fault in faults]
            if not faults:
                found.append(
                    Finding("configs", OK, f"{name}: taken by {', '.join(sorted(takers))}; nothing is missing.")
                )
            continue
        chain = chain_of(name, files)
        if chain is None:
            alone = missing([path])
            text = alone[0] if alone else "there is no run id in it."
            found.append(Finding("configs", ERROR, f"{path.name}, alone or over train, evaluate or inference: {text}"))
        elif name in ("train", "inference") and len(chain) > 1:
            found.append(
                Finding("configs", ERROR, f"{path.name} needs {chain[0]}; MONAI Label and load() take it alone.")
            )
        else:
            chains[name] = chain
            found.append(Finding("configs", OK, f"{' + '.join(chain)}: everything that is referred to is there."))
    if "train" not in files and "inference" not in files:
        found.append(Finding("configs", ERROR, "there is neither a train nor an inference config."))
    return found, chains


def _takes(path: Path, name: str) -> bool:
    """Whether a config takes a part of another by :func:`monai_tbkd.packaging.shared`."""
    return f"shared('{name}'" in path.read_text(encoding="utf-8")


def _can_run(paths: Sequence[Path]) -> bool:
    return any(key == "run" or key.startswith("run_") for path in paths for key in read_config(path))
