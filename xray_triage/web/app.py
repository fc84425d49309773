"""The web application: the page, the JSON API, health and metrics. The front process runs it."""

import json
from functools import partial
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from dicom_router.errors import DamagedFile, SpoolFull
from xray_triage import __version__
from xray_triage.cases.casebook import UnknownCase
from xray_triage.consultations.preparing import CannotAsk
from xray_triage.orders.rows import UnknownOrder
from xray_triage.stores import Stores
from xray_triage.web.api.answer_files import answer_router
from xray_triage.web.api.events import event_router
from xray_triage.web.api.pictures import picture_router
from xray_triage.web.api.records import record_router
from xray_triage.web.api.results import result_router
from xray_triage.web.api.routes import api_router
from xray_triage.web.api.signing import signing_router
from xray_triage.web.api.status import status_router
from xray_triage.web.dicomweb import dicomweb_router
from xray_triage.web.pages.audit import audit_router, note_lists
from xray_triage.web.pages.case_page import case_router
from xray_triage.web.pages.figures import figure_router
from xray_triage.web.pages.health_page import acknowledging_router, health_router, record_retry_router
from xray_triage.web.pages.login import login_router
from xray_triage.web.pages.model_page import model_router
from xray_triage.web.pages.news import news_router
from xray_triage.web.pages.orders import order_router
from xray_triage.web.pages.password import password_router
from xray_triage.web.pages.print_page import print_router
from xray_triage.web.pages.users import user_router
from xray_triage.web.pages.view import View
from xray_triage.web.pages.worklist_page import worklist_router
from xray_triage.web.security.errors import install_error_pages
from xray_triage.web.security.guard import Guard
from xray_triage.web.security.visitor import Right, needs
from xray_triage.web.surroundings import Surroundings

STATUS_OF: dict[type[Exception], int] = {
    UnknownCase: 404,
    UnknownOrder: 404,
    CannotAsk: 409,
    SpoolFull: 507,
    DamagedFile: 422,
}


def create_app(stores: Stores, surroundings: Surroundings) -> FastAPI:
    """The ASGI application. It keeps no state of its own beyond the metrics counters."""
    app = FastAPI(
        title="xray-triage",
        version=__version__,
        openapi_url=None,  # routes.py has it, for those who may see
        docs_url=None,  # its script comes from a CDN
        redoc_url=None,
    )
    app.add_exception_handler(RequestValidationError, _say_what_is_wrong)
    for error, status in STATUS_OF.items():
        app.add_exception_handler(error, partial(_say_it, status))
    app.add_exception_handler(OperationalError, _say_try_later)
    app.state.is_ending = lambda: False  # WebServer knows better
    app.state.stores, app.state.surroundings = stores, surroundings
    view = View(surroundings.station_name, clock=stores.clock)
    install_error_pages(app, view)
    app.include_router(status_router(stores, surroundings))
    for make_router in (login_router, password_router, user_router, audit_router, figure_router):
        app.include_router(make_router(stores, view), include_in_schema=False)
    seeing = [Depends(needs(Right.SEE)), Depends(note_lists)]  # a route that needs more says so itself
    app.include_router(api_router(stores, surroundings.model_in_use), dependencies=seeing)
    app.include_router(record_router(stores), dependencies=seeing)
    app.include_router(result_router(stores), dependencies=seeing)
    app.include_router(signing_router(stores), dependencies=seeing)
    for router in (
        worklist_router(stores, surroundings, view),
        case_router(stores, surroundings, view),
        health_router(stores, surroundings, view),
        acknowledging_router(stores, surroundings),
        record_retry_router(stores, surroundings),
        model_router(stores, surroundings.model_in_use, view),
        print_router(stores, view),
        order_router(stores, view),
        news_router(stores, view),
        event_router(stores),
        picture_router(stores),
        answer_router(stores),
        dicomweb_router(stores, surroundings.renderer, surroundings.fetch),
    ):
        app.include_router(router, dependencies=seeing, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_middleware(Guard, names=surroundings.host_names)
    return app


def _say_what_is_wrong(_: Request, error: Exception) -> Response:
    """422 without the input, which may hold what cannot be written as UTF-8, or a patient's name."""
    assert isinstance(error, RequestValidationError)
    detail = [{"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")


def _say_try_later(_: Request, error: Exception) -> Response:
    """Only what has to be written fails so. The driver's own words name no patient."""
    assert isinstance(error, OperationalError)
    detail = f"the database cannot take this now ({error.orig}): is the disk full? Nothing was changed; try again"
    return JSONResponse({"detail": detail}, 503)


def _say_it(status: int, _: Request, error: Exception) -> Response:
    return JSONResponse({"detail": f"no case {error.args[0]!r}" if status == 404 else str(error)}, status)
