"""Coming in and going out: the login page, the password page, the language switch, and what strangers are told."""

from http import HTTPStatus
from typing import Annotated, cast
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from xray_triage.accounts.throttle import TooManyAttempts
from xray_triage.accounts.trail import Action
from xray_triage.accounts.users import AccountError
from xray_triage.web.desk import Desk
from xray_triage.web.form import Form
from xray_triage.web.language import LANGUAGES, N_, Language
from xray_triage.web.view import View
from xray_triage.web.visitor import (
    LANGUAGE_COOKIE,
    MustChangePassword,
    NotAllowed,
    NotSignedIn,
    Visitor,
    address_of,
    nobody,
    session_cookie,
    signed_in,
)

WRONG = N_("Tên đăng nhập hoặc mật khẩu không đúng.")
WAIT = N_("Sai quá nhiều lần. Hãy thử lại sau %(seconds)s giây.")
DIFFERENT = N_("Hai lần nhập mật khẩu mới không giống nhau.")
PROBLEMS = {
    "wrong_password": N_("Mật khẩu hiện tại không đúng."),
    "same_password": N_("Mật khẩu mới phải khác mật khẩu cũ."),
    "password_length": N_("Mật khẩu cần có từ 10 đến 200 ký tự."),
    "password_obvious": N_("Mật khẩu này quá dễ đoán."),
    "bad_name": N_("Tên đăng nhập gồm 1 đến 40 chữ, số hoặc . _ - @, không có dấu cách."),
    "bad_full_name": N_("Họ tên dài quá 100 ký tự hoặc có ký tự lạ."),
    "name_taken": N_("Đã có người dùng tên này."),
    "last_admin": N_("Đây là người quản trị cuối cùng; hãy thêm người quản trị khác trước."),
    "unknown_user": N_("Không có người dùng này."),
}
PROGRAMS = ("/api/", "/dicom-web", "/events", "/fragments/")  # who asks there is told by a status, not by a page
LANGUAGE_SECONDS = 365 * 86_400


def login_router(desk: Desk, view: View) -> APIRouter:
    """The routes /login, /sign-out, /password and /language."""
    door = APIRouter(default_response_class=HTMLResponse)

    @door.get("/login")
    def show_login(request: Request, after: Annotated[str, Query(alias="next", max_length=500)] = "/") -> Response:
        return HTMLResponse(view.render("login.html", nobody(request), next=local(after), name="", problem=""))

    @door.post("/login")
    def sign_in(request: Request, form: Form) -> Response:
        who, name, after = nobody(request), form.get("name", "").strip(), local(form.get("next", "/"))
        try:
            user = desk.accounts.sign_in(name, form.get("password", ""), address=address_of(request))
        except TooManyAttempts as error:
            seconds = int(error.seconds) + 1
            told = Language(who.language).say(WAIT, seconds=seconds)
            page = view.render("login.html", who, next=after, name=name, problem=told)
            return HTMLResponse(page, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(seconds)})
        if user is None:
            told = Language(who.language).say(WRONG)
            page = view.render("login.html", who, next=after, name=name, problem=told)
            return HTMLResponse(page, HTTPStatus.FORBIDDEN)
        desk.accounts.sessions.close(request.cookies.get(session_cookie(desk), ""))
        return with_session(desk, RedirectResponse(after, HTTPStatus.SEE_OTHER), desk.accounts.sessions.open(user))

    @door.post("/sign-out")
    def sign_out(request: Request, who: Annotated[Visitor, Depends(signed_in)]) -> Response:
        desk.accounts.sessions.close(request.cookies.get(session_cookie(desk), ""))
        desk.audit.note(Action.SIGNED_OUT, actor=who.name, address=address_of(request))
        answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(session_cookie(desk), secure=desk.is_tls, httponly=True, samesite="strict")
        return answer

    @door.get("/password")
    def show_password(who: Annotated[Visitor, Depends(signed_in)]) -> Response:
        return HTMLResponse(view.render("password.html", who, problem=""))

    @door.post("/password")
    def change_password(request: Request, form: Form, who: Annotated[Visitor, Depends(signed_in)]) -> Response:
        said = Language(who.language).say
        try:
            desk.accounts.throttle.enter(who.name, address_of(request))
            if form.get("new") != form.get("again"):
                raise AccountError("different", "the two are not the same")
            desk.accounts.users.change_password(who.name, old=form.get("old", ""), new=form.get("new", ""))
        except TooManyAttempts as error:
            seconds = int(error.seconds) + 1
            page = view.render("password.html", who, problem=said(WAIT, seconds=seconds))
            return HTMLResponse(page, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(seconds)})
        except AccountError as error:
            if error.code != "wrong_password":
                desk.accounts.throttle.succeed(who.name, address_of(request))
            page = view.render("password.html", who, problem=said(PROBLEMS.get(error.code, DIFFERENT)))
            return HTMLResponse(page, HTTPStatus.UNPROCESSABLE_ENTITY)
        desk.accounts.throttle.succeed(who.name, address_of(request))
        desk.audit.note(Action.PASSWORD_CHANGED, actor=who.name, subject=who.name, address=address_of(request))
        session_id = desk.accounts.sessions.open(desk.accounts.users.find(who.name))
        return with_session(desk, RedirectResponse("/", HTTPStatus.SEE_OTHER), session_id)

    @door.post("/language")
    def choose_language(request: Request, form: Form) -> Response:
        answer = RedirectResponse(local(urlsplit(request.headers.get("referer", "")).path), HTTPStatus.SEE_OTHER)
        language = form.get("language", "")
        if language in LANGUAGES:
            try:
                desk.accounts.users.change_language(signed_in(request, form).name, language)
            except NotSignedIn:
                pass  # the cookie alone remembers it
            answer.set_cookie(
                LANGUAGE_COOKIE,
                language,
                max_age=LANGUAGE_SECONDS,
                httponly=True,
                samesite="strict",
                secure=desk.is_tls,
            )
        return answer

    return door


def with_session(desk: Desk, answer: Response, session_id: str) -> Response:
    """``answer`` with the session's cookie, which ends with the browser."""
    answer.set_cookie(session_cookie(desk), session_id, httponly=True, samesite="strict", secure=desk.is_tls, path="/")
    return answer


def local(path: str) -> str:
    """``path`` when it is one of this page, else the worklist: nobody is sent to another site after signing in."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if is_local and not path.startswith("/login") else "/"


def tell_strangers(app: FastAPI, view: View) -> None:
    """What comes of the visitor's errors: a page for people, a status for programs."""

    def send_to_login(request: Request, _: Exception) -> Response:
        if request.url.path.startswith(PROGRAMS):
            headers = {"WWW-Authenticate": "Bearer"}
            if "hx-request" in request.headers:
                headers["HX-Redirect"] = "/login"
            return JSONResponse({"detail": "sign in, or send a bearer token"}, HTTPStatus.UNAUTHORIZED, headers)
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        after = f"?next={quote(asked)}" if request.method == "GET" and asked != "/" else ""
        return RedirectResponse(f"/login{after}", HTTPStatus.SEE_OTHER)

    def refuse(request: Request, error: Exception) -> Response:
        who = cast(NotAllowed, error).who or nobody(request)
        if request.url.path.startswith(PROGRAMS):
            return JSONResponse({"detail": str(error)}, HTTPStatus.FORBIDDEN)
        return HTMLResponse(view.render("refused.html", who), HTTPStatus.FORBIDDEN)

    def send_to_password(request: Request, _: Exception) -> Response:
        if request.url.path.startswith(PROGRAMS):
            return JSONResponse({"detail": "change the one-time password first"}, HTTPStatus.FORBIDDEN)
        return RedirectResponse("/password", HTTPStatus.SEE_OTHER)

    app.add_exception_handler(NotSignedIn, send_to_login)
    app.add_exception_handler(NotAllowed, refuse)
    app.add_exception_handler(MustChangePassword, send_to_password)
