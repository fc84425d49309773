"""The web application: the page, the JSON API, health and metrics. The front process runs it, on loopback only."""

import json
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from dicom_router.errors import DamagedFile, SpoolFull
from xray_triage import __version__
from xray_triage.cases.casebook import UnknownCase
from xray_triage.cases.consultation import CannotAsk
from xray_triage.web.api import api_router
from xray_triage.web.desk import Desk
from xray_triage.web.dicomweb import dicomweb_router
from xray_triage.web.events import event_router
from xray_triage.web.guard import Guard
from xray_triage.web.pages import page_router
from xray_triage.web.pictures import picture_router
from xray_triage.web.status import status_router

STATUS_OF: dict[type[Exception], int] = {UnknownCase: 404, CannotAsk: 409, SpoolFull: 507, DamagedFile: 422}


def create_app(desk: Desk) -> FastAPI:
    """The ASGI application. It keeps no state of its own beyond the metrics counters."""
    app = FastAPI(
        title="xray-triage",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,  # its script comes from a CDN
        redoc_url=None,
    )
    app.add_exception_handler(RequestValidationError, _say_what_is_wrong)
    for error, status in STATUS_OF.items():
        app.add_exception_handler(error, partial(_say_it, status))
    app.state.is_ending = lambda: False  # WebServer knows better
    app.include_router(api_router(desk))
    app.include_router(event_router(desk), include_in_schema=False)
    app.include_router(status_router(desk))
    app.include_router(page_router(desk), include_in_schema=False)
    app.include_router(picture_router(desk), include_in_schema=False)
    app.include_router(dicomweb_router(desk), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_middleware(Guard)
    return app


def _say_what_is_wrong(_: Request, error: Exception) -> Response:
    """422 without the input, which may hold what cannot be written as UTF-8, or a patient's name."""
    assert isinstance(error, RequestValidationError)
    detail = [{"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")


def _say_it(status: int, _: Request, error: Exception) -> Response:
    return JSONResponse({"detail": f"no case {error.args[0]!r}" if status == 404 else str(error)}, status)
