"""The responses for refused and for unknown addresses: a page for people, a status for programs."""

from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from xray_triage.web.pages.view import View
from xray_triage.web.security.visitor import MustChangePassword, NotAllowed, NotSignedIn, nobody

PROGRAMS = ("/api/", "/dicom-web", "/events", "/fragments/")  # who asks there is told by a status


def install_error_pages(app: FastAPI, view: View) -> None:
    """Answer for the errors that visitor.py raises, and for addresses that lead nowhere."""

    def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, NotAllowed)
        if _is_program(request):
            return JSONResponse({"detail": str(error)}, HTTPStatus.FORBIDDEN)
        return HTMLResponse(view.render("refused.html", error.who, right=error.right), HTTPStatus.FORBIDDEN)

    async def lead_back(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code != HTTPStatus.NOT_FOUND or _is_program(request) or not _is_for_eyes(request):
            return await http_exception_handler(request, error)
        return HTMLResponse(view.render("nowhere.html", nobody(request)), HTTPStatus.NOT_FOUND)

    app.add_exception_handler(HTTPException, lead_back)
    app.add_exception_handler(NotAllowed, refuse)
    app.add_exception_handler(NotSignedIn, _send_to_login)
    app.add_exception_handler(MustChangePassword, _send_to_password)


def _send_to_login(request: Request, _: Exception) -> Response:
    if _is_program(request):
        headers = {"WWW-Authenticate": "Bearer"}
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


def _is_for_eyes(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
