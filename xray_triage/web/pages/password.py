"""The page where a user changes the own password; with a one-time password the only one there is."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, Response

from xray_triage.accounts.throttle import TooManyAttempts
from xray_triage.accounts.users import AccountError
from xray_triage.language import Language
from xray_triage.stores import Stores
from xray_triage.web.pages.login import let_in, too_many
from xray_triage.web.pages.view import View
from xray_triage.web.security.forms import Form
from xray_triage.web.security.visitor import Visitor, address_of, browser_cookie, signed_in
from xray_triage.web.words.accounts import problem_in

Who = Annotated[Visitor, Depends(signed_in)]


def password_router(stores: Stores, view: View) -> APIRouter:
    """The routes of /password."""
    pages = APIRouter(default_response_class=HTMLResponse)

    @pages.get("/password")
    def show_password(who: Who) -> Response:
        return HTMLResponse(view.render("password.html", who, problem=""))

    @pages.post("/password")
    def change_password(request: Request, form: Form, who: Who) -> Response:
        mark = request.cookies.get(browser_cookie(request, who.name), "")
        try:
            _change(stores, who.name, form, address=address_of(request), mark=mark)
        except TooManyAttempts as error:
            return too_many(view, "password.html", who, error)
        except AccountError as error:
            page = view.render("password.html", who, problem=problem_in(Language(who.language), error))
            return HTMLResponse(page, HTTPStatus.UNPROCESSABLE_ENTITY)
        return let_in(request, who.name, "/")

    return pages


def _change(stores: Stores, name: str, form: dict[str, str], **origin: str) -> None:
    new = form.get("new", "")
    if new != form.get("again", ""):
        raise AccountError("different_passwords", "the two new passwords are not the same")
    stores.accounts.change_password(name, old=form.get("old", ""), new=new, **origin)
