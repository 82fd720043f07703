"""Where the bundle is, and where its outputs go."""

from __future__ import annotations

from pathlib import Path


def bundle_root(start: str | Path | None = None) -> str:
    """The folder that checkpoints and outputs belong to, wherever a command is started.

    Where this code came along in a bundle it is that bundle, whatever the folder of the command. Otherwise: inside a
    bundle it is that bundle; in a folder that holds one as ``bundle/`` (such as the repository) it is the
    latter; elsewhere, as after an installation from a wheel, it is the folder itself.

    Args:
        start: the folder of the command; the current one by default.

    Returns:
        An absolute path.
    """
    here = Path(start or Path.cwd()).resolve()
    around_this_code = [] if start else [Path(__file__).resolve().parents[2]]
    for candidate in (*around_this_code, here, here / "bundle"):
        if (candidate / "configs" / "metadata.json").is_file():
            return str(candidate)
    return str(here)


def bundle_files() -> Path:
    """The bundle's own files: configs, docs, licence; from the installed package or from the source tree.

    Raises:
        FileNotFoundError: the package was installed without them.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "_bundle", package.parent / "bundle", package.parent):
        if (candidate / "configs" / "metadata.json").is_file():
            return candidate
    raise FileNotFoundError(f"The bundle's configs are not beside {package}; install monai_tbkd again from its wheel.")


def recipe_files() -> Path:
    """The recipes that lie over the bundle's configs (demo, paper, halves).

    Raises:
        FileNotFoundError: the package was installed without them.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "_recipes", package.parent / "configs"):
        if (candidate / "demo.yaml").is_file():
            return candidate
    raise FileNotFoundError(f"The recipes are not beside {package}; install monai_tbkd again from its wheel.")
