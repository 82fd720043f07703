"""The ASGI app: ``monailabel start_server ... --uvicorn_app monai_tbkd.label.server:app``."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from monai_tbkd.label.stand_ins import stand_in_for_pydicom_seg

stand_in_for_pydicom_seg()

from fastapi import FastAPI  # noqa: E402
from monailabel.config import settings  # noqa: E402
from monailabel.interfaces.utils.app import app_instance  # noqa: E402

from monai_tbkd.label.guard import Guard  # noqa: E402
from monai_tbkd.label.routes import make_api  # noqa: E402
from monai_tbkd.label.server_conf import read_conf  # noqa: E402

logger = logging.getLogger(__name__)


@asynccontextmanager
async def _at_work(api: FastAPI) -> AsyncIterator[None]:
    app = app_instance()
    remove_uploads = getattr(app, "remove_uploads", lambda: None)  # MONAI Label's own apps have none
    app.server_mode(True)
    remove_uploads()  # of a server that was killed
    app.on_init_complete()
    yield
    remove_uploads()


if settings.MONAI_LABEL_AUTH_ENABLE:
    raise ValueError(
        "MONAI_LABEL_AUTH_ENABLE is set, and does not work in MONAI Label 0.8.5; unset it, and set TBKD_LABEL_TOKEN, "
        "or put nginx in front."
    )
# their log lines hold requests, and names of files in them
logging.getLogger("monailabel.utils.async_tasks.utils").setLevel(logging.WARNING)
logging.getLogger("monailabel.utils.async_tasks.task").setLevel(logging.WARNING)
conf = read_conf(settings.MONAI_LABEL_APP_CONF, settings.MONAI_LABEL_STUDIES)
if conf.remote and not conf.token:
    logger.warning("Requests from other machines are let in, and no token is asked for.")
app = Guard(make_api(app_instance, conf, _at_work), conf)
