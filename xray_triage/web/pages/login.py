"""Sign-in, sign-out and the language switch. Knows no case."""

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from xray_triage.accounts.audit import Action
from xray_triage.accounts.throttle import TooManyAttempts
from xray_triage.language import LANGUAGES, N_, Language
from xray_triage.stores import Stores
from xray_triage.web.pages.view import View
from xray_triage.web.security.forms import Form
from xray_triage.web.security.visitor import (
    LANGUAGE_COOKIE,
    NotSignedIn,
    Visitor,
    address_of,
    browser_cookie,
    nobody,
    session_cookie,
    signed_in,
    stores_of,
    surroundings_of,
)

WRONG = N_("Tên đăng nhập hoặc mật khẩu không đúng.")
WAIT = N_("Sai quá nhiều lần. Hãy thử lại sau %(seconds)s giây.")
YEAR_SECONDS = 365 * 86_400


def login_router(stores: Stores, view: View) -> APIRouter:
    """The routes /login, /sign-out and /language."""
    door = APIRouter(default_response_class=HTMLResponse)

    @door.get("/login")
    def show_login(
        request: Request,
        after: Annotated[str, Query(alias="next", max_length=500)] = "/",
        ended: Literal["", "yes", "draft"] = "",
    ) -> Response:
        context = {"next": local(after), "ended": ended, "name": "", "problem": ""}
        return HTMLResponse(view.render("login.html", nobody(request), **context))

    @door.post("/login")
    def sign_in(request: Request, form: Form) -> Response:
        name, after = form.get("name", "").strip(), local(form.get("next", "/"))
        mark = request.cookies.get(browser_cookie(request, name), "")
        try:
            user = stores.accounts.sign_in(name, form.get("password", ""), address=address_of(request), mark=mark)
        except TooManyAttempts as error:
            return too_many(view, "login.html", nobody(request), error, next=after, name=name)
        if user is None:
            who = nobody(request)
            told = Language(who.language).say(WRONG)
            page = view.render("login.html", who, next=after, name=name, problem=told)
            return HTMLResponse(page, HTTPStatus.FORBIDDEN)
        stores.accounts.sessions.close(request.cookies.get(session_cookie(request), ""))
        return let_in(request, user.name, after)

    @door.post("/sign-out")
    def sign_out(request: Request, who: Annotated[Visitor, Depends(signed_in)]) -> Response:
        stores.accounts.sessions.close(request.cookies.get(session_cookie(request), ""))
        stores.audit.note(Action.SIGNED_OUT, actor=who.name, address=address_of(request))
        answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(session_cookie(request), **guarded(request))
        return answer

    @door.post("/present", status_code=HTTPStatus.NO_CONTENT)
    def stay(_: Annotated[Visitor, Depends(signed_in)]) -> Response:
        """Somebody is writing on an open page; that was asked is enough to renew the session."""
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @door.post("/language")
    def choose_language(request: Request, form: Form) -> Response:
        answer = RedirectResponse(_page_before(request), HTTPStatus.SEE_OTHER)
        language = form.get("language", "")
        if language in LANGUAGES:
            with suppress(NotSignedIn):  # then the cookie alone remembers it
                stores.accounts.users.change_language(signed_in(request, form).name, language)
            answer.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR_SECONDS, **guarded(request))
        return answer

    return door


def let_in(request: Request, name: str, path: str) -> Response:
    """To ``path``, with a new session, whose cookie ends with the browser, and a mark of the browser, which stays."""
    accounts, answer = stores_of(request).accounts, RedirectResponse(path, HTTPStatus.SEE_OTHER)
    session_id, mark = accounts.sessions.open(accounts.users.find(name)), accounts.users.mark_browser(name)
    answer.set_cookie(session_cookie(request), session_id, **guarded(request))
    answer.set_cookie(browser_cookie(request, name), mark, max_age=YEAR_SECONDS, **guarded(request))
    return answer


def guarded(request: Request) -> dict[str, Any]:
    """A cookie's attributes: for no script, for no other site, and with TLS, ours or a proxy's, never in the clear."""
    is_tls = surroundings_of(request).is_tls or request.headers.get("origin", "").startswith("https://")
    return {"httponly": True, "samesite": "strict", "secure": is_tls}


def too_many(view: View, template: str, who: Visitor, error: TooManyAttempts, **context: str) -> Response:
    """429: who has failed so often must wait."""
    seconds = int(error.seconds) + 1
    told = Language(who.language).say(WAIT, seconds=seconds)
    page = view.render(template, who, problem=told, **context)
    return HTMLResponse(page, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(seconds)})


def local(path: str) -> str:
    """``path`` when it is one of this page, else the worklist: nobody is sent to another site after signing in."""
    is_local = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if is_local and not path.startswith("/login") else "/"


def _page_before(request: Request) -> str:
    """Where the form was; of /login without its ?next, which is a small loss."""
    try:
        came_from = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "/"
    if came_from.path == "/login":
        return "/login"
    return local(came_from.path + (f"?{came_from.query}" if came_from.query else ""))
