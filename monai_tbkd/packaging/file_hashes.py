"""A list of a folder's files with their hashes, to be kept outside of the folder."""

from __future__ import annotations

from pathlib import Path

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.networks.checkpoint import file_sha256


def files_of(folder: str | Path) -> list[str]:
    """List a folder's files and links, as sorted paths with forward slashes; links are not followed.

    Byte code that Python has left is no file of the folder.
    """
    root = Path(folder)
    paths = (p for p in root.rglob("*") if p.is_file() or p.is_symlink())
    return sorted(p.relative_to(root).as_posix() for p in paths if "__pycache__" not in p.parts)


def write_hashes(folder: str | Path, target: str | Path) -> Path:
    """Write a list of a folder's files, in the form that ``sha256sum --check`` reads.

    Raises:
        ValueError: the list would lie inside of the folder, where whoever changes a file can change it too.
    """
    target, root = Path(target), Path(folder).resolve()
    if target.resolve().is_relative_to(root):
        raise ValueError(f"{target} lies in {folder}; a list of hashes is worth something only outside of the folder.")
    lines = [f"{file_sha256(root / name)}  {name}\n" for name in files_of(root)]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(lines), encoding="utf-8")
    return target


def differences(folder: str | Path, listed_in: str | Path) -> list[str]:
    """Compare a folder with a list: changed, missing and unlisted files, and links, a sentence each.

    Raises:
        ValueError: the file is no such list.
        OSError: it can't be read.
    """
    root = Path(folder)
    wanted: dict[str, str] = {}
    try:
        lines = read_text(listed_in).splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{listed_in}: not text in UTF-8 ({error.reason}); expected a list of hashes.") from error
    for number, line in enumerate(lines, 1):
        value, _, name = line.partition(" ")
        name = name.lstrip(" *")
        if line.strip() and (len(value) != 64 or not name):
            raise ValueError(f"{listed_in}, line {number}: expected a SHA-256 and a path, found {line[:80]!r}.")
        if line.strip():
            wanted[name] = value.lower()
    if not wanted:
        raise ValueError(f"{listed_in} lists no file.")
    there, found = set(files_of(root)), []
    for name in sorted(there | set(wanted)):
        if name not in wanted:
            found.append(f"{name} is in the folder and not in the list.")
        elif name not in there:
            found.append(f"{name} is in the list and not in the folder.")
        elif (root / name).is_symlink():
            found.append(f"{name} is a link; a folder that is checked has none.")
        elif file_sha256(root / name) != wanted[name]:
            found.append(f"{name} has another hash than in the list.")
    return found
