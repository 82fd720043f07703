"""Which configs are laid one over the other, and whether all that they refer to is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver

from monai_tbkd.bundle.config_files import SUFFIXES, read_config
from monai_tbkd.packaging.zoo_rules import ERROR, OK, Finding


def config_files(root: Path) -> dict[str, Path]:
    """List a bundle's configs by name; JSON before YAML where both are there."""
    paths = [p for suffix in SUFFIXES for p in sorted((root / "configs").glob(f"*{suffix}"))]
    return {p.stem: p for p in paths if p.stem != "metadata"}


def chain_of(name: str, files: dict[str, Path]) -> list[str] | None:
    """Find the fewest configs, `name` last, under which all that it refers to is there and something can be run."""
    before: list[list[str]] = [[], ["train"], ["train", "evaluate"], ["inference"]]
    if "infer" in name:
        before = [[], ["inference"], ["train"]]
    elif "evaluate" in name:
        before = [[], ["train", "evaluate"], ["train"], ["inference"]]
    for chain in ([*below, name] for below in before if name not in below and files.keys() >= set(below)):
        paths = [files[each] for each in chain]
        can_run = any(key == "run" or key.startswith("run_") for path in paths for key in read_config(path))
        if can_run and not missing(paths):
            return chain
    return None


def missing(paths: Sequence[Path]) -> list[str]:
    """List what these configs together refer to and don't have (ids, macros, files of macros), a sentence each."""
    parser = ConfigParser()
    try:
        parser.read_config([str(p) for p in paths])
        parser.parse()
    except (ValueError, KeyError, OSError, RuntimeError) as e:
        return [f"{e}"]
    items = parser.ref_resolver.items
    return sorted({
        f"{key} refers to {reference}, which is not there."
        for key, item in items.items() if isinstance(item.get_config(), str)  # what is in others has items of its own
        for reference in ReferenceResolver.find_refs_in_config(config=item.get_config(), id=key)
        if reference not in items
    })  # fmt: skip


def check_configs(root: Path) -> tuple[list[Finding], dict[str, list[str]]]:
    """Check that each config can be read and has what it refers to; return findings, and each config's chain."""
    files = config_files(root)
    found: list[Finding] = []
    chains: dict[str, list[str]] = {}

    def note(level: str, text: str) -> None:
        found.append(Finding("configs", level, text))

    for name, path in sorted(files.items()):
        try:
            read_config(path)
        except ValueError as e:
            note(ERROR, str(e))
            continue
        # those that take a part of it by monai_tbkd.bundle.shared
        takers = sorted(each for each in files if f"shared('{name}'" in files[each].read_text(encoding="utf-8"))
        chain = None if takers else chain_of(name, files)
        if takers:
            faults = missing([files[takers[0]], path])
            for fault in faults:
                note(ERROR, f"{path.name}: {fault}")
            if not faults:
                note(OK, f"{name}: taken by {', '.join(takers)}; nothing is missing.")
        elif chain is None:
            text = next(iter(missing([path])), "there is no run id in it.")
            note(ERROR, f"{path.name}, alone or over train, evaluate or inference: {text}")
        elif name in ("train", "inference") and len(chain) > 1:
            note(ERROR, f"{path.name} needs {chain[0]}; MONAI Label and load() take it alone.")
        else:
            chains[name] = chain
            note(OK, f"{' + '.join(chain)}: everything that is referred to is there.")
    if not files.keys() & {"train", "inference"}:
        note(ERROR, "there is neither a train nor an inference config.")
    return found, chains
