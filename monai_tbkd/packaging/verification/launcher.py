"""Run a module or a script as a user without this package would; started by its path, it imports nothing of ours.

``python launcher.py ROOT monai.bundle run ...`` or ``python launcher.py ROOT check.py ...``. Whatever package the
bundle at ROOT brings itself is taken from there or not at all, also where it is installed.
"""

from __future__ import annotations

import importlib.machinery
import runpy
import sys
from pathlib import Path
from types import ModuleType


class OwnCodeOnly:
    """Refuses installed packages of the same names as those in the bundle's folder.

    Args:
        root: the bundle.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = {path.parent.name for path in root.glob("*/__init__.py")}

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """As of Python's meta path finders."""
        if name not in self.names:
            return None
        inside = [entry for entry in sys.path if Path(entry).resolve() == self.root]
        spec = importlib.machinery.PathFinder.find_spec(name, inside) if inside else None
        if spec is None:
            raise ModuleNotFoundError(f"{name} is in the bundle, whose folder is not on the path", name=name)
        return spec


def main() -> None:
    """Take the launcher itself off the path and the command line, and go on."""
    root, what = Path(sys.argv[1]).resolve(), sys.argv[2]
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    sys.meta_path.insert(0, OwnCodeOnly(root))  # type: ignore[arg-type]
    sys.argv = sys.argv[2:]
    if what.endswith(".py"):
        sys.path.insert(0, str(root))  # as the zoo's checks have it
        runpy.run_path(what, run_name="__main__")
    else:
        sys.path.insert(0, str(Path.cwd()))  # as python -m has it
        runpy.run_module(what, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
