"""What may be asked of the label server: these routes, each with a model of what it takes. There is nothing else.

3D Slicer's extension (and its reviewer), OHIF's, CVAT's function and ``MONAILabelClient`` need no more. Handlers are
plain functions, which FastAPI runs in threads, so that nobody waits for another's label or upload.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import BackgroundTasks, Body, FastAPI, Form, HTTPException, Query, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.data import FilmError
from monai_tbkd.label.dicomweb_proxy import DicomwebProxy
from monai_tbkd.label.guard import LARGEST_TEXT, GuardRules
from monai_tbkd.label.label_folder import label_suffix
from monai_tbkd.label.request_models import (
    AllTrainParams,
    BatchParams,
    ClientParams,
    InferParams,
    LabelParams,
    Note,
    Nothing,
    SafeId,
    Strict,
    TrainParams,
    read_params,
    sentence,
)
from monai_tbkd.label.route_models import (
    ArchiveQuery,
    BatchQuery,
    ImageForm,
    ImageQuery,
    InferForm,
    InferQuery,
    InfoForm,
    LabelForm,
    LabelQuery,
    RemoveQuery,
    ReviewForm,
    SaveQuery,
    SessionForm,
    SessionInfoQuery,
    SessionQuery,
    StatusQuery,
    StoreQuery,
    TrainQuery,
    UploadQuery,
)
from monai_tbkd.label.uploads import kept_upload, new_session, upload_name

if TYPE_CHECKING:
    from monai_tbkd.label.app import TuberculosisApp

logger = logging.getLogger(__name__)

_OHIF = re.compile(r"|[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def make_api(app: Callable[[], TuberculosisApp], rules: GuardRules, lifespan: Lifespan | None = None) -> FastAPI:
    """The server.

    Args:
        app: gives the app that answers.
        rules: whether there is a PACS behind, and which other pages may ask.
        lifespan: what is done at its start and end.
    """
    api = FastAPI(
        title="Tuberculosis on chest X-rays (research use only)", docs_url="/", redoc_url=None, lifespan=lifespan
    )
    if rules.origins:
        api.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(rules.origins),
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=True,
        )
    api.add_exception_handler(RequestValidationError, _say_what_cannot_be)
    api.add_exception_handler(ValueError, _say_what_is_wrong)

    @api.get("/info/")
    def info(query: Annotated[Nothing, Query()]) -> dict[str, Any]:
        return app().info()

    @api.post("/infer/{model}")
    def infer(
        model: SafeId, query: Annotated[InferQuery, Query()], form: Annotated[InferForm, Form()], after: BackgroundTasks
    ) -> Any:
        _known("model", model, app().names("infer"))
        request = {**_params(InferParams, form.params), "model": model}
        with kept_upload(form.file) as upload:
            image = upload or _session_image(app(), query.session_id) or query.image
            if not image:
                raise HTTPException(422, "The request names no image: expected image, session_id, or a file.")
            result = app().infer({**request, "image": str(image)})
        found, file = result["params"], Path(result["file"]) if result["file"] else None
        if file is not None:
            after.add_task(file.unlink, missing_ok=True)
        if query.output == "image":
            return FileResponse(file) if file else JSONResponse(_without_image(found), 422)
        return found if file is None or query.output == "json" else _parts(found, file)

    @api.post("/batch/infer/{model}")
    def batch(
        model: SafeId, query: Annotated[BatchQuery, Query()], body: Annotated[BatchParams | None, Body()] = None
    ) -> Any:
        _known("model", model, app().names("batch"))
        return _run("batch_infer", {"model": model, "images": query.images, **_given(body)})

    @api.post("/train/{model}")
    def train(
        model: SafeId, query: Annotated[TrainQuery, Query()], body: Annotated[TrainParams | None, Body()] = None
    ) -> Any:
        _known("trainer", model, app().names("train"))
        return _run("train", {"model": model, **_given(body)}, query.enqueue)

    @api.post("/train/")
    def train_all(query: Annotated[Nothing, Query()], body: Annotated[AllTrainParams | None, Body()] = None) -> Any:
        found = {}
        for name in app().names("train"):
            found[name] = {"result": _run("train", {"model": name, **_given(getattr(body, name, None))}, True)}
        return found

    @api.post("/scoring/{method}")
    def scoring(
        method: SafeId, query: Annotated[Nothing, Query()], body: Annotated[ClientParams | None, Body()] = None
    ) -> Any:
        _known("method", method, app().names("scoring"))
        return _run("scoring", {"method": method})

    for path, kind in (("/batch/infer", "batch_infer"), ("/train/", "train"), ("/scoring/", "scoring")):
        _add_status(api, path, kind)

    @api.post("/activelearning/{strategy}")
    def sample(
        strategy: SafeId, query: Annotated[Nothing, Query()], body: Annotated[ClientParams | None, Body()] = None
    ) -> Any:
        _known("strategy", strategy, app().names("activelearning"))
        found = app().next_sample({"strategy": strategy})
        if not found:
            return {}
        store, image = app().datastore(), found["id"]
        offered = {"ts": int(time.time()), "client_id": body.client_id if body else None}
        store.note_offer(image, strategy, offered)
        return {**store.get_image_info(image), **found, "path": _text(found.get("path", ""))}

    @api.get("/datastore/")
    def datastore(query: Annotated[StoreQuery, Query()]) -> Any:
        store = app().datastore()
        if query.output == "train":
            return [{key: _text(value) for key, value in each.items()} for each in store.datalist()]
        return store.json() if query.output == "all" else store.status()

    @api.put("/datastore/")
    @api.put("/datastore/image")
    def add_image(query: Annotated[UploadQuery, Query()], form: Annotated[ImageForm, Form()]) -> Any:
        info = _params(Note, form.params)
        with kept_upload(form.file) as upload, _named(form.file):
            name = query.image or upload_name(form.file)
            return {"image": app().datastore().add_image(name, str(upload), info)}

    @api.head("/datastore/image", include_in_schema=False)
    @api.get("/datastore/image")
    def image(query: Annotated[ImageQuery, Query()]) -> Any:
        path = Path(app().datastore().get_image_uri(query.image))
        if not path.is_file():
            raise HTTPException(404, f"There is no image {query.image} that is one file.")
        return FileResponse(path, filename=query.image)

    @api.put("/datastore/label")
    def save_label(query: Annotated[SaveQuery, Query()], form: Annotated[LabelForm, Form()]) -> Any:
        info, tag = _params(LabelParams, form.params), query.tag or "final"
        with _named(form.label):
            suffix = label_suffix(Path(form.label.filename or ""))
            with kept_upload(form.label, suffix) as upload:
                understood = app().datastore().keep_label(query.image, upload, tag, info)
        return {"image": query.image, "label": query.image, "tag": tag, "understood": understood}

    @api.head("/datastore/label", include_in_schema=False)
    @api.get("/datastore/label")
    def label(query: Annotated[LabelQuery, Query()]) -> Any:
        name, content = app().datastore().read_whole(query.label, query.tag)
        return Response(
            content,
            media_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @api.delete("/datastore/label")
    def remove_label(query: Annotated[RemoveQuery, Query()]) -> Any:
        app().datastore().remove_label(query.id, query.tag)
        return {}

    @api.get("/datastore/image/info")
    def image_info(query: Annotated[ImageQuery, Query()]) -> Any:
        return app().datastore().get_image_info(query.image)

    @api.put("/datastore/image/info")
    def note_image(query: Annotated[ImageQuery, Query()], form: Annotated[InfoForm, Form()]) -> Any:
        app().datastore().update_image_info(query.image, _params(Note, form.info, "info"))
        return {}

    @api.get("/datastore/label/info")
    def label_info(query: Annotated[LabelQuery, Query()]) -> Any:
        return app().datastore().get_label_info(query.label, query.tag)

    @api.put("/datastore/label/info")
    def note_label(query: Annotated[LabelQuery, Query()], form: Annotated[InfoForm, Form()]) -> Any:
        app().datastore().update_label_info(query.label, query.tag, _params(Note, form.info, "info"))
        return {}

    @api.put("/datastore/updatelabelinfo")
    def review_label(query: Annotated[LabelQuery, Query()], form: Annotated[ReviewForm, Form()]) -> Any:
        app().datastore().update_label_info(query.label, query.tag, _params(Note, form.params))
        return {}

    @api.get("/datastore/dataset")
    def dataset(query: Annotated[ArchiveQuery, Query()], after: BackgroundTasks) -> Any:
        path = Path(app().datastore().get_dataset_archive(query.limit_cases))
        after.add_task(path.unlink, missing_ok=True)
        return FileResponse(path, filename="dataset.zip")

    @api.put("/session/")
    def create_session(query: Annotated[SessionQuery, Query()], form: Annotated[SessionForm, Form()]) -> Any:
        session = new_session(app().sessions(), form.files, query.expiry)
        return {"session_id": session.name, "session_info": _session_facts(session)}

    @api.get("/session/{session_id}")
    def session(session_id: SafeId, query: Annotated[SessionInfoQuery, Query()]) -> Any:
        found = _session(app(), session_id, query.update_ts)
        if not query.image:
            return _session_facts(found)
        if not Path(found.image).is_file():
            raise HTTPException(404, "The session holds a series, not one image.")
        return FileResponse(found.image, filename=Path(found.image).name)

    @api.delete("/session/{session_id}")
    def remove_session(session_id: SafeId, query: Annotated[Nothing, Query()]) -> Any:
        found = _session(app(), session_id)
        app().sessions().remove_session(session_id)
        return _session_facts(found)

    @api.get("/ohif/{path:path}")
    def ohif(path: str, query: Request) -> Any:
        from monailabel.endpoints.ohif import get_ohif

        if not _OHIF.fullmatch(path):
            raise HTTPException(404, "There is no such file of OHIF.")
        return get_ohif(path)

    if rules.pacs:

        @api.api_route("/proxy/dicom/{path:path}", methods=["GET", "POST"], include_in_schema=False)
        async def proxy(request: Request, path: str) -> Any:
            return await run_in_threadpool(_proxy(), request.method, path, request.headers, await request.body())

    return api


def _proxy() -> DicomwebProxy:
    from monailabel.config import settings

    user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    prefixes = {
        "wado": settings.MONAI_LABEL_WADO_PREFIX,
        "qido": settings.MONAI_LABEL_QIDO_PREFIX,
        "stow": settings.MONAI_LABEL_STOW_PREFIX,
    }
    return DicomwebProxy(settings.MONAI_LABEL_STUDIES, (user, password) if user and password else None, prefixes)


def _add_status(api: FastAPI, path: str, kind: str) -> None:
    """Ask for a task, and stop it."""

    @api.get(path, name=f"{kind}_status")
    def status(query: Annotated[StatusQuery, Query()]) -> Any:
        from monailabel.utils.async_tasks.task import AsyncTask

        found, detail = AsyncTask.status(kind, query.all, query.check_if_running)
        if found is None:
            raise HTTPException(404, detail)
        return found

    @api.delete(path, name=f"{kind}_stop")
    def stop(query: Annotated[Nothing, Query()]) -> Any:
        from monailabel.utils.async_tasks.task import AsyncTask

        return AsyncTask.stop(kind)


def _run(kind: str, request: dict[str, Any], enqueue: bool = False) -> Any:
    """Start a task in a process of its own, with a request that a model has made."""
    from monailabel.utils.async_tasks.task import AsyncTask

    if len(json.dumps(request)) > LARGEST_TEXT:
        raise HTTPException(413, "The request names too many images; give a smaller list, or unlabeled or all.")
    found, detail = AsyncTask.run(kind, request=request, enqueue=enqueue)
    if found is None:
        raise HTTPException(429, detail)
    return found


def _text(path: str) -> str:
    """A path as text; a name in bytes that are none is shown with its bytes."""
    return path.encode("utf-8", "backslashreplace").decode()


def _known(what: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise HTTPException(404, f"There is no {what} {name}; expected one of {', '.join(known)}.")


def _given(body: Strict | None) -> dict[str, Any]:
    """For a task: without who asked."""
    return {key: value for key, value in (body.given() if body else {}).items() if key != "client_id"}


def _params(model: type[Strict], text: str, what: str = "params") -> dict[str, Any]:
    try:
        return read_params(model, text, what).given()
    except ValueError as error:
        raise HTTPException(422, str(error)) from error


class _named:  # noqa: N801  # as contextlib's own
    """Puts the name that an upload came with before an error; it lies under another one here."""

    def __init__(self, upload: UploadFile) -> None:
        self.name = upload_name(upload)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, FilmError):  # of the image, which lies under its path
            raise HTTPException(
                422, f"{self.name}: its image cannot be read: {error.detail} ({error.reason})."
            ) from error
        if isinstance(error, ValueError):
            raise HTTPException(422, f"{self.name}: {error}") from error


def _session(app: TuberculosisApp, session_id: str, touch: bool = False) -> Any:
    found = app.sessions().get_session(session_id, update_ts=touch)
    if found is None:
        raise HTTPException(404, f"There is no session {session_id}.")
    return found


def _session_image(app: TuberculosisApp, session_id: str) -> str:
    return _session(app, session_id, touch=True).image if session_id else ""


def _session_facts(session: Any) -> dict[str, Any]:
    """What a client needs to know; not where the server keeps it."""
    return {
        "name": session.name,
        "image": Path(session.image).name,
        "create_ts": session.create_ts,
        "last_access_ts": session.last_access_ts,
        "expiry": session.expiry,
    }


def _parts(found: dict[str, Any], file: Path) -> Response:
    """The answer and its file, as MONAI Label's clients take them apart."""
    from requests_toolbelt import MultipartEncoder

    image = (file.name, file.read_bytes(), "application/octet-stream")
    parts = MultipartEncoder({"params": (None, json.dumps(found), "application/json"), "image": image})
    return Response(parts.to_string(), media_type=parts.content_type)


def _without_image(found: dict[str, Any]) -> dict[str, Any]:
    """The answer where a picture was asked for and there is none, with a sentence as every 422 has."""
    return {**found, "detail": found.get("detail") or "This model answers without an image; ask for output=json."}


async def answer_exception(request: Request, error: Exception) -> JSONResponse:
    """Exceptions of MONAI Label's interfaces: 404 where there is no such image or label, else 422."""
    missing = type(error).__name__ in ("ImageNotFoundException", "LabelNotFoundException")
    return JSONResponse({"detail": str(getattr(error, "msg", error))}, 404 if missing else 422)


async def _say_what_is_wrong(request: Request, error: Exception) -> JSONResponse:
    cause = plain_cause(error)
    if isinstance(cause, ValueError):
        return JSONResponse({"detail": str(cause)}, 422)
    logger.error("%s: %s", request.url.path, type(error).__name__, exc_info=error)
    return JSONResponse({"detail": "The server could not do this; its log says why."}, 500)


async def _say_what_cannot_be(request: Request, error: Exception) -> JSONResponse:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse({"detail": sentence(errors)}, 422)
