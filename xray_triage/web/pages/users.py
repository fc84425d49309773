"""The page of the users, for those who administer them. A password or token is shown once, when it is made."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, Response

from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role
from xray_triage.accounts.users import AccountError
from xray_triage.language import Language
from xray_triage.stores import Stores
from xray_triage.web.pages.view import View
from xray_triage.web.security.forms import Form
from xray_triage.web.security.visitor import Right, Visitor, address_of, needs
from xray_triage.web.words.accounts import ROLES, problem_in

Who = Annotated[Visitor, Depends(needs(Right.ADMINISTER))]
Act = Literal["add", "disable", "enable", "reset", "role", "licence", "token", "revoke"]
MOST_LABEL = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done to whom. ``secret`` is a one-time password or a token, to be shown now and never again."""

    action: Action
    name: str
    detail: str = ""
    secret: str = ""


def user_router(stores: Stores, view: View) -> APIRouter:
    """The routes of /users."""
    pages = APIRouter(default_response_class=HTMLResponse)

    def page(who: Visitor, *, problem: str = "", done: Done | None = None) -> bytes:
        users = stores.accounts.users.list()
        tokens = {user.name: stores.accounts.tokens.of(user) for user in users}
        return view.render(
            "users.html", who, users=users, tokens=tokens, problem=problem, done=done, roles=ROLES, Action=Action
        )

    @pages.get("/users")
    def show_users(who: Who) -> Response:
        return HTMLResponse(page(who))

    @pages.post("/users/{act}")
    def change_users(request: Request, act: Act, form: Form, who: Who) -> Response:
        try:
            done = ACTS[act](stores.accounts, form)
        except AccountError as error:
            told = problem_in(Language(who.language), error)
            return HTMLResponse(page(who, problem=told), HTTPStatus.UNPROCESSABLE_ENTITY)
        stores.audit.note(
            done.action, actor=who.name, subject=done.name, detail=done.detail, address=address_of(request)
        )
        return HTMLResponse(page(who, done=done))

    return pages


def _add(accounts: Accounts, form: dict[str, str]) -> Done:
    name, role = form.get("name", "").strip(), _role(form)
    full_name, licence = form.get("full_name", ""), form.get("licence", "")
    password = accounts.users.add(name, role=role, full_name=full_name, licence=licence)
    return Done(action=Action.USER_ADDED, name=name, detail=role.value, secret=password)


def _disable(accounts: Accounts, form: dict[str, str]) -> Done:
    user = accounts.users.find(form.get("name", ""))
    accounts.users.disable(user.name)
    return Done(action=Action.USER_DISABLED, name=user.name)


def _enable(accounts: Accounts, form: dict[str, str]) -> Done:
    user = accounts.users.find(form.get("name", ""))
    accounts.users.enable(user.name)
    return Done(action=Action.USER_ENABLED, name=user.name)


def _reset(accounts: Accounts, form: dict[str, str]) -> Done:
    user = accounts.users.find(form.get("name", ""))
    password = accounts.users.reset_password(user.name)
    accounts.throttle.forgive(user.name)
    return Done(action=Action.PASSWORD_RESET, name=user.name, secret=password)


def _change_role(accounts: Accounts, form: dict[str, str]) -> Done:
    user, role = accounts.users.find(form.get("name", "")), _role(form)
    accounts.users.change_role(user.name, role)
    return Done(action=Action.USER_CHANGED, name=user.name, detail=role.value)


def _change_licence(accounts: Accounts, form: dict[str, str]) -> Done:
    user, licence = accounts.users.find(form.get("name", "")), form.get("licence", "").strip()
    accounts.users.change_licence(user.name, licence)
    return Done(action=Action.USER_CHANGED, name=user.name, detail=f"licence {licence}")


def _make_token(accounts: Accounts, form: dict[str, str]) -> Done:
    user, label = accounts.users.find(form.get("name", "")), form.get("label", "").strip()[:MOST_LABEL]
    return Done(action=Action.TOKEN_MADE, name=user.name, detail=label, secret=accounts.tokens.make(user, label=label))


def _revoke_token(accounts: Accounts, form: dict[str, str]) -> Done:
    user, number = accounts.users.find(form.get("name", "")), form.get("token", "")
    revoked = accounts.tokens.revoke(user, int(number)) if re.fullmatch("[0-9]{1,18}", number) else 0
    return Done(action=Action.TOKEN_REVOKED, name=user.name, detail=f"{revoked}")


def _role(form: dict[str, str]) -> Role:
    try:
        return Role(form.get("role", ""))
    except ValueError as error:
        raise AccountError("bad_role", f"roles are {', '.join(Role)}") from error


ACTS: dict[Act, Callable[[Accounts, dict[str, str]], Done]] = {
    "add": _add,
    "disable": _disable,
    "enable": _enable,
    "reset": _reset,
    "role": _change_role,
    "licence": _change_licence,
    "token": _make_token,
    "revoke": _revoke_token,
}
