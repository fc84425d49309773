"""The page where a user changes the own password; with a one-time password the only one there is."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from xray_triage.accounts.throttle import TooManyAttempts
from xray_triage.accounts.trail import Action
from xray_triage.accounts.users import AccountError
from xray_triage.web.account_words import problem_in
from xray_triage.web.desk import Desk
from xray_triage.web.form import Form
from xray_triage.web.language import Language
from xray_triage.web.login import too_many, with_session
from xray_triage.web.view import View
from xray_triage.web.visitor import Visitor, address_of, signed_in

Who = Annotated[Visitor, Depends(signed_in)]


def password_router(desk: Desk, view: View) -> APIRouter:
    """The routes of /password."""
    pages = APIRouter(default_response_class=HTMLResponse)

    @pages.get("/password")
    def show_password(who: Who) -> Response:
        return HTMLResponse(view.render("password.html", who, problem=""))

    @pages.post("/password")
    def change_password(request: Request, form: Form, who: Who) -> Response:
        try:
            session_id = _change(desk, who.name, form, address_of(request))
        except TooManyAttempts as error:
            return too_many(view, "password.html", who, error)
        except AccountError as error:
            page = view.render("password.html", who, problem=problem_in(Language(who.language), error))
            return HTMLResponse(page, HTTPStatus.UNPROCESSABLE_ENTITY)
        return with_session(desk, RedirectResponse("/", HTTPStatus.SEE_OTHER), session_id)

    return pages


def _change(desk: Desk, name: str, form: dict[str, str], address: str) -> str:
    """Change it, which ends every session of the user; gives a new one. A session left open is no way to guess."""
    accounts = desk.accounts
    if form.get("new", "") != form.get("again", ""):
        raise AccountError("different_passwords", "the two new passwords are not the same")
    accounts.throttle.enter(name, address)
    accounts.users.change_password(name, old=form.get("old", ""), new=form.get("new", ""))
    accounts.throttle.succeed(name, address)
    desk.audit.note(Action.PASSWORD_CHANGED, actor=name, subject=name, address=address)
    return accounts.sessions.open(accounts.users.find(name))
