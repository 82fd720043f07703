"""Folders of the bundle, its recipes and its models."""

from __future__ import annotations

from pathlib import Path

MODEL, CARD, LICENSE = "model.pt", "model_card.md", "LICENSE"
"""Files of the released model."""
_PACKAGE = Path(__file__).resolve().parents[1]


def bundle_root(start: str | Path | None = None) -> str:
    """Return the folder that checkpoints and outputs belong to, as an absolute path.

    This is the bundle that this code was copied into, if any; else `start` (the current folder) if it is a bundle, or
    its subfolder ``bundle``; else `start` itself.
    """
    here = Path(start or Path.cwd()).resolve()
    own = [] if start else [_PACKAGE.parent]
    return str(next(filter(_is_bundle, (*own, here, here / "bundle")), here))


def bundle_files() -> Path:
    """Find the bundle's own files (configs, docs, license), of the installed package or the source tree.

    Raises:
        FileNotFoundError: the package was installed without them.
    """
    return _first([p for p in (_PACKAGE / "_bundle", _PACKAGE.parent / "bundle", _PACKAGE.parent) if _is_bundle(p)],
                  "bundle's configs")  # fmt: skip


def recipe_files() -> Path:
    """Find the recipes that lie over the bundle's configs (demo, paper, halves, release).

    Raises:
        FileNotFoundError: the package was installed without them.
    """
    positions = (_PACKAGE / "_recipes", _PACKAGE.parent / "configs")
    return _first([position for position in positions if (position / "demo.yaml").is_file()], "recipes")


def recipe_file(name: str) -> Path:
    """Find a recipe: a file, or one of the package by its name.

    Raises:
        FileNotFoundError: it is neither.
    """
    for candidate in (Path(name), recipe_files() / f"{name}.yaml"):
        if candidate.is_file():
            return candidate
    known = ", ".join(sorted(p.stem for p in recipe_files().glob("*.yaml")))
    raise FileNotFoundError(f"There is no recipe {name}; expected one of {known}, or a file.")


def released_folder() -> Path:
    """Return the released model's folder, whether or not it is there."""
    return _PACKAGE / "models"


def released_model() -> Path:
    """Return the released model's folder.

    Raises:
        FileNotFoundError: it is not there, as in a checkout before ``make release-model``.
    """
    folder = released_folder()
    if not (folder / MODEL).is_file():
        raise FileNotFoundError(
            f"The released model is not in this installation (there is no {folder / MODEL}). A wheel brings it; in a "
            "checkout `make release-model` puts it there. Or give a model of your own with --ckpt_dir."
        )
    return folder


def models_folder(bundle_root: str | Path) -> str:
    """Return the folder of models for inference: the bundle's ``models`` if it holds one, else the released model's.

    It is the bundle's too where there is no released model.
    """
    own = Path(bundle_root) / "models"
    is_released = not (own / MODEL).is_file() and (released_folder() / MODEL).is_file()
    return str(released_folder() if is_released else own)


def called(folder: str | Path) -> str:
    """Name a folder of models in a message.

    Example:
        >>> called("outputs/models"), called(released_folder())
        ('outputs/models', 'the released model')
    """
    return "the released model" if Path(folder).resolve() == released_folder() else str(folder)


def _is_bundle(folder: Path) -> bool:
    return (folder / "configs" / "metadata.json").is_file()


def _first(found: list[Path], what: str) -> Path:
    if not found:
        raise FileNotFoundError(f"The {what} are not beside {_PACKAGE}; install monai_tbkd again from its wheel.")
    return found[0]
