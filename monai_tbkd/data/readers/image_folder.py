"""List the images of a folder for scoring."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from monai_tbkd.data.files.own_results import made_files, made_folders
from monai_tbkd.data.files.paths import absolute_path, natural_key
from monai_tbkd.data.readers.file_format import HEAD_BYTES, sniff_format

logger = logging.getLogger(__name__)

_NOT_IMAGES = {
    ".csv", ".tsv", ".json", ".jsonl", ".txt", ".md", ".rst", ".xml", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".html",
    ".htm", ".css", ".js", ".py", ".ipynb", ".sh", ".bat", ".npy", ".npz", ".pt", ".pth", ".ts", ".onnx", ".ckpt",
    ".log", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".zip", ".tar", ".7z", ".rar", ".db", ".lnk", ".tmp", ".md5",
    ".sha256", ".conf", ".bin",
}  # fmt: skip
_IMAGE_SUFFIXES = (
    ".nii.gz", ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dcm", ".dicom", ".dic", ".ima",
    ".nii", ".mha", ".mhd", ".nrrd", ".nhdr", ".webp", ".jp2",
)  # fmt: skip
_NOT_IMAGE_NAMES = {"readme", "license", "licence", "copying", "notice", "changelog", "makefile"}


PathLike = str | os.PathLike[str]


def list_images(
    source: PathLike | Sequence[PathLike], recursive: bool = True, leave_out: PathLike | None = None
) -> list[dict[str, str]]:
    """List every file that may be an image; whether it is one is told by its content, when it is read.

    Left out: hidden folders, results of earlier runs in the folders that they were written to, and files that are
    hidden or something else by their name (tables, texts, archives), unless their content is that of an image. A
    sub-folder that may not be opened is listed itself, so that its images are not lost unnoticed.

    Args:
        source: a folder, one image, or a list of these.
        recursive: list sub-folders too; a link back up is not followed twice.
        leave_out: a folder that is not listed, such as the one that results are written to.

    Returns:
        ``{"image": absolute path, "name": path under the folder with forward slashes}`` each, ``f2`` before ``f10``. Of
        several sources each image is listed once, in their order, by its path under the folder that they have in
        common.

    Raises:
        FileNotFoundError: no such folder or file.
        ValueError: nothing in it may be an image, it may not be opened, or it is the folder to leave out.

    Example:
        >>> list_images("images")  # doctest: +SKIP
        [{'image': '/data/images/a.dcm', 'name': 'a.dcm'}]
    """
    if isinstance(source, (list, tuple)) and len(source) > 1:
        roots = [absolute_path(each) for each in source]
        common = os.path.commonpath([root if root.is_dir() else root.parent for root in roots])
        images = dict.fromkeys(image["image"] for root in roots for image in list_images(root, recursive, leave_out))
        return [{"image": image, "name": Path(image).relative_to(common).as_posix()} for image in images]
    source = source[0] if isinstance(source, (list, tuple)) and source else source
    if not isinstance(source, (str, os.PathLike)):
        raise ValueError(f"dataset_dir is {source!r}; expected a folder of images, one image, or a list of these.")
    root = absolute_path(source)
    skipped = None if leave_out is None else os.path.realpath(absolute_path(leave_out))
    if skipped == os.path.realpath(root):
        raise ValueError(f"{root} is the folder of images and of results alike; give results a folder of their own.")
    if not root.exists():
        raise FileNotFoundError(f"{root}: there is no such folder or file; check the path.")
    if not root.is_dir():
        return [{"image": str(root), "name": root.name}]
    names: list[str] = []
    seen: set[str] = set()
    locked: list[OSError] = []
    left_out = 0
    for folder, subfolders, files in os.walk(root, onerror=locked.append, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen or real == skipped:
            subfolders.clear()
            continue
        seen.add(real)
        # In a fixed order, so that which of two links to a folder is kept does not depend on the disk.
        subfolders[:] = sorted(name for name in subfolders if recursive and not name.startswith("."))
        for made in made_folders(files, subfolders):
            subfolders.remove(made)
            left_out += sum(len(inner) for _, _, inner in os.walk(Path(folder, made)))
        results = made_files(Path(folder)) & set(files)
        left_out += len(results)
        paths = [Path(folder, file) for file in files if file not in results]
        names += [path.relative_to(root).as_posix() for path in paths if _may_be_image(path)]
    if left_out:
        logger.info("%s: %d files that this program made are left out.", root, left_out)
    for error in locked:
        if os.fspath(error.filename) == str(root):
            raise ValueError(f"{root}: cannot be opened ({error.strerror}); check its permissions.") from error
        # How many images are in there nobody knows; the folder itself gets a row that says so.
        names.append(Path(error.filename).relative_to(root).as_posix())
    if not names:
        raise ValueError(
            f"{root}: no image in this folder; expected PNG, JPEG, DICOM or NIfTI files"
            f"{'' if recursive else ' (sub-folders were not looked into)'}."
        )
    return [{"image": str(root / name), "name": name} for name in sorted(names, key=natural_key)]


def image_stem(name: str) -> str:
    """Return a file name without the suffix of an image format; other dots belong to the name.

    Example:
        >>> image_stem("a.b.PNG"), image_stem("1.2.840.3"), image_stem("a.nii.gz")
        ('a.b', '1.2.840.3', 'a')
    """
    suffix = next((suffix for suffix in _IMAGE_SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] or name


def _may_be_image(path: Path) -> bool:
    name = path.name.lower()
    if name == "dicomdir":
        return False
    other = Path(name).suffix in _NOT_IMAGES or name.split(".")[0] in _NOT_IMAGE_NAMES or ".tfevents." in name
    if name.startswith(".") or other:  # an image by its content all the same?
        try:
            with path.open("rb") if path.is_file() else io.BytesIO() as file:
                return sniff_format(file.read(HEAD_BYTES)) not in (None, "headless_dicom")
        except OSError:
            return False
    try:
        # A broken link counts, so that it gets a row with a reason; a pipe or a socket does not.
        return path.is_file() or path.is_symlink()
    except OSError:  # a folder that may be listed but not entered: reading the image gives the reason
        return True
