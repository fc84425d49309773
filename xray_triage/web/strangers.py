"""What those are told who may not: a page for people, a status for programs."""

from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from xray_triage.web.view import View
from xray_triage.web.visitor import MustChangePassword, NotAllowed, NotSignedIn

PROGRAMS = ("/api/", "/dicom-web", "/events", "/fragments/")  # who asks there is told by a status


def tell_strangers(app: FastAPI, view: View) -> None:
    """Answer for the errors that visitor.py raises."""

    def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, NotAllowed)
        if _is_program(request):
            return JSONResponse({"detail": str(error)}, HTTPStatus.FORBIDDEN)
        return HTMLResponse(view.render("refused.html", error.who), HTTPStatus.FORBIDDEN)

    app.add_exception_handler(NotAllowed, refuse)
    app.add_exception_handler(NotSignedIn, _send_to_login)
    app.add_exception_handler(MustChangePassword, _send_to_password)


def _send_to_login(request: Request, _: Exception) -> Response:
    if _is_program(request):
        headers = {"WWW-Authenticate": "Bearer", "HX-Redirect": "/login"}  # the second is for an open page's parts
        return JSONResponse({"detail": "sign in, or send a bearer token"}, HTTPStatus.UNAUTHORIZED, headers)
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    after = f"?next={quote(asked)}" if request.method == "GET" and asked != "/" else ""
    return RedirectResponse(f"/login{after}", HTTPStatus.SEE_OTHER)


def _send_to_password(request: Request, _: Exception) -> Response:
    if _is_program(request):
        return JSONResponse({"detail": "change the one-time password first"}, HTTPStatus.FORBIDDEN)
    return RedirectResponse("/password", HTTPStatus.SEE_OTHER)


def _is_program(request: Request) -> bool:
    return request.url.path.startswith(PROGRAMS) or "authorization" in request.headers
