"""Files that came with a request: kept under names of our own, in a folder of this user alone, and removed."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import UploadFile

from monai_tbkd.data import ImageError
from monai_tbkd.data.readers.itk_header import read_header
from monai_tbkd.label.image_sources import image_suffix

_HEADERS = {".mha": "metaimage", ".nrrd": "nrrd"}


@contextmanager
def kept_upload(upload: UploadFile | None, suffix: str = "") -> Iterator[Path | None]:
    """Keep an upload as a file as long as its request is answered; nothing of its name is taken over.

    Without a `suffix` it gets that of an image of its content; its header is checked then.
    """
    if upload is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="upload_") as folder:
        path = Path(folder, f"upload{suffix}")
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file)
        if not suffix:
            path = path.replace(path.with_name(path.name + image_suffix(path)))
            try:
                if path.suffix in _HEADERS:
                    read_header(path, _HEADERS[path.suffix])
            except ImageError as error:
                raise ValueError(f"{upload_name(upload)}: {error.detail}.") from error
        yield path


def new_session(sessions: Any, uploads: Sequence[UploadFile], expiry: int) -> Any:
    """Keep an image, or the DICOM files of a series, for `expiry` seconds, in MONAI Label's sessions.

    Raises:
        ValueError: a file that is no image by its content, or several that are not DICOM.
    """
    with tempfile.TemporaryDirectory(prefix="session_") as folder:
        series = Path(folder, "series")
        series.mkdir()
        for number, upload in enumerate(uploads, start=1):
            with kept_upload(upload) as path:
                assert path is not None
                if not path.suffix or (len(uploads) > 1 and path.suffix != ".dcm"):
                    dicom = "a DICOM file, as several were sent"
                    expected = dicom if path.suffix else "PNG, JPEG, DICOM or another image"
                    raise ValueError(f"{upload_name(upload)} is not an image by its content; expected {expected}.")
                kept = path.replace(series / f"image{number:04d}{path.name.removeprefix('upload')}")
        return sessions.add_session(str(kept if len(uploads) == 1 else series), expiry)[1]


def upload_name(upload: UploadFile) -> str:
    """The last part of an upload's name, printable and short, for errors and identifiers."""
    name = re.split(r"[/\\]", upload.filename or "")[-1]
    return "".join(each if each.isprintable() else "?" for each in name)[-100:] or "upload"
