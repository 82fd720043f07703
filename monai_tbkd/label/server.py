"""What uvicorn serves: ``monailabel start_server ... --uvicorn_app monai_tbkd.label.server:app``."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from monai_tbkd.label.stand_ins import stand_in_for_pydicom_seg

stand_in_for_pydicom_seg()

from fastapi import Depends, Request, Response  # noqa: E402
from fastapi.responses import JSONResponse  # noqa: E402
from monailabel.app import app as monai_label  # noqa: E402
from monailabel.config import settings  # noqa: E402
from monailabel.endpoints.user.auth import DEFAULT_USER, RBAC, User, get_current_user  # noqa: E402
from monailabel.interfaces.exception import (  # noqa: E402
    ImageNotFoundException,
    LabelNotFoundException,
    MONAILabelException,
)
from monailabel.interfaces.utils.app import app_instance  # noqa: E402
from monailabel.utils.others.generic import get_mime_type  # noqa: E402

from monai_tbkd.label.guard import Guard, Receive, Send  # noqa: E402
from monai_tbkd.label.request_checks import check_request  # noqa: E402
from monai_tbkd.label.request_output import ASKED_OUTPUT  # noqa: E402
from monai_tbkd.label.server_conf import read_conf  # noqa: E402
from monai_tbkd.packaging.plain_errors import plain_cause  # noqa: E402

logger = logging.getLogger(__name__)


async def _say_what_is_wrong(request: Request, error: Exception) -> JSONResponse:
    """Mistakes of a request as 4xx with a sentence; the server answers everything with a bare 500."""
    if isinstance(error, (ImageNotFoundException, LabelNotFoundException)):
        return JSONResponse({"detail": str(error.msg)}, 404)
    if isinstance(error, MONAILabelException):
        return JSONResponse({"detail": str(error.msg)}, 422)
    cause = plain_cause(error)
    if isinstance(cause, ValueError):
        return JSONResponse({"detail": str(cause)}, 422)
    if isinstance(error, ValueError) and type(error).__module__ == "json.decoder":
        return JSONResponse({"detail": "The params are not JSON."}, 422)
    logger.error("%s: %s", request.url.path, type(error).__name__, exc_info=error)
    return JSONResponse({"detail": "The server could not do this; its log says why."}, 500)


for _kind in (MONAILabelException, ValueError):
    monai_label.add_exception_handler(_kind, _say_what_is_wrong)


async def _checked_user(request: Request) -> User:
    """In the place of the user that every handler asks for before it does anything."""
    await check_request(request, app_instance())
    return DEFAULT_USER


if not settings.MONAI_LABEL_AUTH_ENABLE:  # with it, every request is refused (0.8.5)
    monai_label.dependency_overrides[get_current_user] = _checked_user


async def _whole_label(label: str, tag: str) -> Response:
    """A label as it is now.

    The server's own handler opens the file when it sends it: another label of another size, or none, may be there by
    then, and the answer breaks off.
    """
    store = app_instance().datastore()
    try:
        path = Path(store.get_label_uri(label, tag))
        content = path.read_bytes()
    except OSError as error:
        raise LabelNotFoundException(f"{label} has no label of the tag {tag}.") from error
    headers = {"Content-Disposition": f'attachment; filename="{path.name}"'}
    return Response(content, media_type=get_mime_type(str(path)), headers=headers)


_reader = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))
monai_label.add_api_route("/datastore/label", _whole_label, methods=["GET"], dependencies=[_reader])
monai_label.router.routes.insert(0, monai_label.router.routes.pop())  # before the server's own


async def _with_output(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        ASKED_OUTPUT.set(query.get("output", [""])[-1])
    await monai_label(scope, receive, send)


conf = read_conf(settings.MONAI_LABEL_APP_CONF, settings.MONAI_LABEL_STUDIES)
if conf.guard.remote and not conf.guard.token:
    logger.warning("Requests from other machines are let in, and no token is asked for.")
app = Guard(_with_output, conf.guard)
