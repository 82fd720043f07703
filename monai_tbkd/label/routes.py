"""The routes of the label server, each with a model of what it takes; there is nothing else.

3D Slicer's extension (and its reviewer), OHIF's, CVAT's function and ``MONAILabelClient`` need no more. Handlers are
plain functions, which FastAPI runs in threads, so that nobody waits for another's label or upload.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import BackgroundTasks, Body, Depends, FastAPI, Form, HTTPException, Query, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse
from fastapi.routing import APIRouter
from monailabel.config import settings
from monailabel.endpoints.ohif import get_ohif
from monailabel.utils.async_tasks.task import AsyncTask
from pydantic import Field
from requests_toolbelt import MultipartEncoder

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.data import ImageError
from monai_tbkd.label import request_models as models
from monai_tbkd.label.dicomweb_proxy import DicomwebProxy
from monai_tbkd.label.guard import LARGEST_TEXT
from monai_tbkd.label.label_folder import FINAL, MissingError, label_suffix
from monai_tbkd.label.request_models import SafeId, SafeIdOrNone, Strict, read_params
from monai_tbkd.label.server_conf import ServerConf
from monai_tbkd.label.uploads import kept_upload, new_session, upload_name

if TYPE_CHECKING:
    from monai_tbkd.label.app import TuberculosisApp

logger = logging.getLogger(__name__)

_OHIF = re.compile(r"|[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class _ParamsForm(Strict):
    params: str = ""


class _InfoForm(Strict):
    info: str = ""


class _InferForm(_ParamsForm):
    file: UploadFile | None = None


class _ImageForm(_ParamsForm):
    file: UploadFile


class _LabelForm(_ParamsForm):
    label: UploadFile


class _SessionForm(models.ClientParams):
    files: Annotated[list[UploadFile], Field(min_length=1, max_length=64)]


_Client = Annotated[models.ClientParams | None, Body()]


def _only_known_keys(request: Request) -> None:
    """Refuse keys of the query that the route does not take."""
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    if unknown := sorted({*request.query_params} - known):
        raise RequestValidationError([{"type": "extra_forbidden", "loc": ("query", key)} for key in unknown])


def make_api(
    app: Callable[[], TuberculosisApp],
    conf: ServerConf,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """Make the server; `app` gives the app that answers."""
    title = "Tuberculosis on chest X-rays (research use only)"
    api = FastAPI(title=title, docs_url="/", redoc_url=None, lifespan=lifespan)
    if conf.origins:
        every = {"allow_methods": ["*"], "allow_headers": ["*"], "allow_credentials": True}
        api.add_middleware(CORSMiddleware, allow_origins=sorted(conf.origins), **every)
    api.add_exception_handler(RequestValidationError, _say_what_cannot_be)
    api.add_exception_handler(ValueError, _say_what_is_wrong)
    routes = APIRouter(dependencies=[Depends(_only_known_keys)])
    _add_tasks(routes, app)
    _add_datastore(routes, app)
    _add_sessions(routes, app)
    api.include_router(routes)

    @api.get("/ohif/{path:path}")
    def ohif(path: str, query: Request) -> Any:
        if not _OHIF.fullmatch(path):
            raise HTTPException(404, "There is no such file of OHIF.")
        return get_ohif(path)

    if conf.pacs:

        @api.api_route("/proxy/dicom/{path:path}", methods=["GET", "POST"], include_in_schema=False)
        async def proxy(request: Request, path: str) -> Any:
            return await run_in_threadpool(_proxy(), request.method, path, request.headers, await request.body())

    return api


def _add_tasks(routes: APIRouter, app: Callable[[], TuberculosisApp]) -> None:
    """Inference, and what runs in a process of its own."""

    @routes.get("/info/")
    def info() -> dict[str, Any]:
        return app().info()

    @routes.post("/infer/{model}")
    def infer(
        model: SafeId, form: Annotated[_InferForm, Form()], after: BackgroundTasks, image: SafeIdOrNone = "",
        session_id: SafeIdOrNone = "", output: Literal["json", "image", "all", ""] = "",
    ) -> Any:  # fmt: skip
        _check_name("model", model, app().names("infer"))
        request = {**read_params(models.InferParams, form.params), "model": model}
        with kept_upload(form.file) as upload:
            session = _session(app(), session_id, touch=True).image if session_id else ""
            if not (chosen := upload or session or image):
                raise HTTPException(422, "The request names no image: expected image, session_id, or a file.")
            result = app().infer({**request, "image": str(chosen)})
        found, file = result["params"], Path(result["file"]) if result["file"] else None
        if file is not None:
            after.add_task(file.unlink, missing_ok=True)
        if output == "image":
            if file is not None:
                return FileResponse(file)
            detail = found.get("detail") or "This model answers without an image; ask for output=json."
            return JSONResponse({**found, "detail": detail}, 422)
        return found if file is None or output == "json" else _parts(found, file)

    @routes.post("/batch/infer/{model}")
    def batch(
        model: SafeId, body: Annotated[models.BatchParams | None, Body()] = None,
        images: Literal["all", "labeled", "unlabeled"] = "all",
    ) -> Any:  # fmt: skip
        _check_name("model", model, app().names("infer"))
        return _run("batch_infer", {"model": model, "images": images}, body)

    @routes.post("/train/{model}")
    def train(model: SafeId, body: Annotated[models.TrainParams | None, Body()] = None, enqueue: bool = False) -> Any:
        _check_name("trainer", model, app().names("train"))
        return _run("train", {"model": model}, body, enqueue)

    @routes.post("/train/")
    def train_all(body: Annotated[models.AllTrainParams | None, Body()] = None) -> Any:
        return {
            name: {"result": _run("train", {"model": name}, getattr(body, name, None), True)}
            for name in app().names("train")
        }

    @routes.post("/scoring/{method}")
    def scoring(method: SafeId, body: _Client = None) -> Any:
        _check_name("method", method, app().names("scoring"))
        return _run("scoring", {"method": method})

    for path, kind in (("/batch/infer", "batch_infer"), ("/train/", "train"), ("/scoring/", "scoring")):
        _add_status(routes, path, kind)

    @routes.post("/activelearning/{strategy}")
    def sample(strategy: SafeId, body: _Client = None) -> Any:
        _check_name("strategy", strategy, app().names("activelearning"))
        found = app().next_sample({"strategy": strategy})
        if not found:
            return {}
        store, image = app().datastore(), found["id"]
        store.note_offer(image, strategy, {"ts": int(time.time()), "client_id": body.client_id if body else None})
        return {**store.get_image_info(image), **found, "path": _text(found.get("path", ""))}


def _add_status(routes: APIRouter, path: str, kind: str) -> None:
    @routes.get(path, name=f"{kind}_status")
    def status(every: Annotated[bool, Query(alias="all")] = False, check_if_running: bool = False) -> Any:
        found, detail = AsyncTask.status(kind, every, check_if_running)
        if found is None:
            raise HTTPException(404, detail)
        return found

    @routes.delete(path, name=f"{kind}_stop")
    def stop() -> Any:
        return AsyncTask.stop(kind)


def _add_datastore(routes: APIRouter, app: Callable[[], TuberculosisApp]) -> None:
    """Images, labels and notes on both."""

    @routes.get("/datastore/")
    def datastore(output: Literal["train", "stats", "all", ""] = "") -> Any:
        store = app().datastore()
        if output == "train":
            return [{key: _text(value) for key, value in each.items()} for each in store.datalist()]
        return store.json() if output == "all" else store.status()

    @routes.put("/datastore/")
    @routes.put("/datastore/image")
    def add_image(form: Annotated[_ImageForm, Form()], image: SafeIdOrNone = "") -> Any:
        info = read_params(models.Note, form.params)
        with kept_upload(form.file) as upload, _named(form.file):
            return {"image": app().datastore().add_image(image or upload_name(form.file), str(upload), info)}

    @routes.head("/datastore/image", include_in_schema=False)
    @routes.get("/datastore/image")
    def image(image: SafeId) -> Any:
        path = Path(app().datastore().get_image_uri(image))
        if not path.is_file():
            raise HTTPException(404, f"There is no image {image} that is one file.")
        return FileResponse(path, filename=image)

    @routes.put("/datastore/label")
    def save_label(image: SafeId, form: Annotated[_LabelForm, Form()], tag: SafeIdOrNone = "") -> Any:
        info, tag = read_params(models.LabelParams, form.params), tag or FINAL
        with _named(form.label), kept_upload(form.label, label_suffix(Path(form.label.filename or ""))) as upload:
            understood = app().datastore().keep_label(image, upload, tag, info)
        return {"image": image, "label": image, "tag": tag, "understood": understood}

    @routes.head("/datastore/label", include_in_schema=False)
    @routes.get("/datastore/label")
    def label(label: SafeId, tag: SafeId) -> Any:
        name, content = app().datastore().labels.content(label, tag)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @routes.delete("/datastore/label")
    def remove_label(label: Annotated[SafeId, Query(alias="id")], tag: SafeId) -> Any:
        app().datastore().labels.remove(label, tag)
        return {}

    @routes.get("/datastore/image/info")
    def image_info(image: SafeId) -> Any:
        return app().datastore().get_image_info(image)

    @routes.put("/datastore/image/info")
    def note_image(image: SafeId, form: Annotated[_InfoForm, Form()]) -> Any:
        app().datastore().update_image_info(image, read_params(models.Note, form.info, "info"))
        return {}

    @routes.get("/datastore/label/info")
    def label_info(label: SafeId, tag: SafeId) -> Any:
        return app().datastore().labels.info(label, tag)

    @routes.put("/datastore/label/info")
    def note_label(label: SafeId, tag: SafeId, form: Annotated[_InfoForm, Form()]) -> Any:
        app().datastore().labels.update_info(label, tag, read_params(models.Note, form.info, "info"))
        return {}

    @routes.put("/datastore/updatelabelinfo")
    def review_label(label: SafeId, tag: SafeId, form: Annotated[_ParamsForm, Form()]) -> Any:
        app().datastore().labels.update_info(label, tag, read_params(models.Note, form.params))
        return {}

    @routes.get("/datastore/dataset")
    def dataset(after: BackgroundTasks, limit_cases: Annotated[int | None, Query(ge=1, lt=10**6)] = None) -> Any:
        path = Path(app().datastore().get_dataset_archive(limit_cases))
        after.add_task(path.unlink, missing_ok=True)
        return FileResponse(path, filename="dataset.zip")


def _add_sessions(routes: APIRouter, app: Callable[[], TuberculosisApp]) -> None:
    """Images that are kept for a while."""

    @routes.put("/session/")
    def create_session(
        form: Annotated[_SessionForm, Form()], expiry: Annotated[int, Query(ge=0, lt=10**6)] = 0,
        uncompress: Literal["false", "False", "0", ""] = "",
    ) -> Any:  # fmt: skip
        session = new_session(app().sessions(), form.files, expiry)
        return {"session_id": session.name, "session_info": _session_facts(session)}

    @routes.get("/session/{session_id}")
    def session(session_id: SafeId, update_ts: bool = False, image: bool = False) -> Any:
        found = _session(app(), session_id, update_ts)
        if not image:
            return _session_facts(found)
        if not Path(found.image).is_file():
            raise HTTPException(404, "The session holds a series, not one image.")
        return FileResponse(found.image, filename=Path(found.image).name)

    @routes.delete("/session/{session_id}")
    def remove_session(session_id: SafeId) -> Any:
        found = _session(app(), session_id)
        app().sessions().remove_session(session_id)
        return _session_facts(found)


def _session(app: TuberculosisApp, session_id: str, touch: bool = False) -> Any:
    found = app.sessions().get_session(session_id, update_ts=touch)
    if found is None:
        raise HTTPException(404, f"There is no session {session_id}.")
    return found


def _session_facts(session: Any) -> dict[str, Any]:
    """What a client needs to know; not where the server keeps it."""
    times = {key: getattr(session, key) for key in ("create_ts", "last_access_ts", "expiry")}
    return {"name": session.name, "image": Path(session.image).name, **times}


def _proxy() -> DicomwebProxy:
    user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    prefixes = {way: getattr(settings, f"MONAI_LABEL_{way.upper()}_PREFIX") for way in ("wado", "qido", "stow")}
    return DicomwebProxy(settings.MONAI_LABEL_STUDIES, (user, password) if user and password else None, prefixes)


def _run(kind: str, request: dict[str, Any], body: Strict | None = None, enqueue: bool = False) -> Any:
    """Start a task in a process of its own, with what a model has made of a body, without who asked."""
    request = {**request, **(body.given() if body else {})}
    request.pop("client_id", None)
    if len(json.dumps(request)) > LARGEST_TEXT:
        raise HTTPException(413, "The request names too many images; give a smaller list, or unlabeled or all.")
    found, detail = AsyncTask.run(kind, request=request, enqueue=enqueue)
    if found is None:
        raise HTTPException(429, detail)
    return found


def _text(path: str) -> str:
    """A path as text; a name in bytes that are none is shown with its bytes."""
    return path.encode("utf-8", "backslashreplace").decode()


def _check_name(what: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise HTTPException(404, f"There is no {what} {name}; expected one of {', '.join(known)}.")


@contextmanager
def _named(upload: UploadFile) -> Iterator[None]:
    """Put the name that an upload came with before an error."""
    try:
        yield
    except MissingError:
        raise
    except ImageError as error:  # of the image, which an answer must not tell the path of
        detail = f"{upload_name(upload)}: its image cannot be read: {error.detail} ({error.reason})."
        raise HTTPException(422, detail) from error
    except ValueError as error:
        raise HTTPException(422, f"{upload_name(upload)}: {error}") from error


def _parts(found: dict[str, Any], file: Path) -> Response:
    """The answer and its file, as MONAI Label's clients take them apart."""
    image = (file.name, file.read_bytes(), "application/octet-stream")
    parts = MultipartEncoder({"params": (None, json.dumps(found), "application/json"), "image": image})
    return Response(parts.to_string(), media_type=parts.content_type)


async def _say_what_is_wrong(request: Request, error: Exception) -> JSONResponse:
    cause = plain_cause(error)
    if isinstance(cause, ImageError):  # whose path an answer must not tell
        return JSONResponse({"detail": f"The image cannot be read: {cause.detail} ({cause.reason})."}, 422)
    if isinstance(cause, ValueError):
        return JSONResponse({"detail": str(cause)}, 404 if isinstance(cause, MissingError) else 422)
    logger.error("%s: %s", request.url.path, type(error).__name__, exc_info=error)
    return JSONResponse({"detail": "The server could not do this; its log says why."}, 500)


async def _say_what_cannot_be(request: Request, error: Exception) -> JSONResponse:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse({"detail": models.sentence(errors)}, 422)
