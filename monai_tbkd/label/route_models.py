"""Queries and forms of the routes: their keys, and what each may say."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import UploadFile
from pydantic import Field

from monai_tbkd.label.request_models import ClientParams, SafeId, SafeIdOrNone, Strict


class ImageQuery(Strict):
    """Which image."""

    image: SafeId


class LabelQuery(Strict):
    """Which label."""

    label: SafeId
    tag: SafeId


class InferQuery(Strict):
    """What to look at, and the form of the answer."""

    image: SafeIdOrNone = ""
    session_id: SafeIdOrNone = ""
    output: Literal["json", "image", "all", ""] = ""


class StoreQuery(Strict):
    """How much of the store is told."""

    output: Literal["train", "stats", "all", ""] = ""


class SaveQuery(ImageQuery):
    """Whose label, finished or a draft."""

    tag: SafeIdOrNone = ""


class UploadQuery(Strict):
    """What a new image is called."""

    image: SafeIdOrNone = ""


class RemoveQuery(Strict):
    """Which label to remove."""

    id: SafeId
    tag: SafeId


class ArchiveQuery(Strict):
    """How many images."""

    limit_cases: Annotated[int, Field(ge=1, lt=10**6)] | None = None


class StatusQuery(Strict):
    """Which tasks."""

    all: bool = False
    check_if_running: bool = False


class TrainQuery(Strict):
    """Whether to wait for another training."""

    enqueue: bool = False


class BatchQuery(Strict):
    """Which images."""

    images: Literal["all", "labeled", "unlabeled"] = "all"


class SessionQuery(Strict):
    """How long, in seconds."""

    expiry: Annotated[int, Field(ge=0, lt=10**6)] = 0
    uncompress: Literal["false", "False", "0", ""] = ""


class SessionInfoQuery(Strict):
    """Facts, or the image."""

    update_ts: bool = False
    image: bool = False


class InferForm(Strict):
    """Options, and an image that is not in the store."""

    params: str = ""
    file: UploadFile | None = None


class ImageForm(Strict):
    """A new image."""

    params: str = ""
    file: UploadFile


class LabelForm(Strict):
    """A label."""

    params: str = ""
    label: UploadFile


class InfoForm(Strict):
    """A note."""

    info: str = ""


class ReviewForm(Strict):
    """A note of 3D Slicer's reviewer."""

    params: str = ""


class SessionForm(ClientParams):
    """An image, or the files of a series."""

    files: Annotated[list[UploadFile], Field(min_length=1, max_length=64)]
