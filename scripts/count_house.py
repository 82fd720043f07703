"""Count the package, the README and the docs; with --check, end with 1 where a count is above its limit.

    python scripts/count_house.py [--check]

`make lint` runs the check. Lower a limit when its count has fallen.
"""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "monai_tbkd"
LIMITS = {
    "package lines": 35_050,  # the figure of the day; to be 24,000
    "README lines": 130,
    "docs pages": 12,
    "docs words": 20_000,
}


def count() -> dict[str, int]:
    """Count lines, files, rooms and arrows of the package, and lines, pages and words of the documents."""
    files = sorted(PACKAGE.rglob("*.py"))
    rooms = {path.parent.relative_to(PACKAGE).parts[0] for path in files if path.parent != PACKAGE}
    arrows = {(room, other) for room in rooms for path in (PACKAGE / room).rglob("*.py") for other in imported(path)}
    pages = sorted((ROOT / "docs").rglob("*.md"))
    return {
        "package lines": sum(map(lines, files)),
        "package files": len(files),
        "rooms": len(rooms),
        "arrows": sum(room != other and other in rooms for room, other in arrows),
        "README lines": lines(ROOT / "README.md"),
        "docs pages": len(pages),
        "docs words": sum(len(page.read_text(encoding="utf-8").split()) for page in pages),
    }


def lines(path: Path) -> int:
    """Count the lines of a text file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def imported(path: Path) -> set[str]:
    """Return the rooms that a module imports from, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {module.split(".")[1] for module in modules if module.startswith("monai_tbkd.")}
    return found


def main() -> int:
    """Print the counts; 1 where one is to be checked and above its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="end with 1 where a count is above its limit")
    check = parser.parse_args().check
    counts = count()
    above = {name for name, limit in LIMITS.items() if counts[name] > limit}
    for name, number in counts.items():
        limit = f"   at most {LIMITS[name]:,}" if name in LIMITS else ""
        sys.stdout.write(f"{name:14} {number:7,}{limit}{'   <-- above' if name in above else ''}\n")
    return int(check and bool(above))


if __name__ == "__main__":
    sys.exit(main())
