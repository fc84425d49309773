"""The registration page: a card or a form makes an order, which the X-ray machine finds in its worklist."""

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from xray_triage.accounts.audit import Action
from xray_triage.language import Language
from xray_triage.orders.accession import NumbersUsedUp
from xray_triage.orders.card import CardError
from xray_triage.orders.order import Mistakes, Order, Procedure, check
from xray_triage.orders.orders import OrderClosed
from xray_triage.stores import Stores
from xray_triage.web.pages.fragments import unless_same
from xray_triage.web.pages.order_form import FIELDS, LENGTHS, OrderFilter, card_context, empty_form, wanted_context
from xray_triage.web.pages.view import View
from xray_triage.web.security.forms import Form
from xray_triage.web.security.visitor import Right, Visitor, address_of, needs
from xray_triage.web.words.cases import SEXES
from xray_triage.web.words.orders import CARD_PROBLEMS, CLOSED, MISTAKES, STATES, USED_UP

Who = Annotated[Visitor, Depends(needs(Right.REGISTER))]
Deed = Literal["cancel", "reopen", "finish"]


def order_router(stores: Stores, view: View) -> APIRouter:
    """The routes of /orders."""
    pages = APIRouter(default_response_class=HTMLResponse)
    page = _Page(stores, view)

    @pages.get("/orders")
    def show_orders(who: Who, wanted: Annotated[OrderFilter, Depends()]) -> Response:
        return page.answer(who, **wanted_context(stores, wanted))

    @pages.get("/fragments/orders")
    def renew_orders(request: Request, who: Who) -> Response:
        return unless_same(request, view.render("_orders.html", who, **_list(stores)))

    @pages.post("/orders/card")
    def read_card(form: Form, who: Who) -> Response:
        try:
            return page.answer(who, **card_context(stores, form.get("card", "")))
        except CardError as error:
            told = Language(who.language).say(CARD_PROBLEMS[error.code])
            return page.answer(who, status=HTTPStatus.UNPROCESSABLE_ENTITY, card_problem=told)

    @pages.post("/orders")
    def register(request: Request, form: Form, who: Who) -> Response:
        try:
            order = _register(stores, form, who)
        except RegisteredAlready as error:
            return page.ask_again(who, form, error.before)
        except (Mistakes, OrderClosed, NumbersUsedUp) as error:
            return page.refuse(who, form, error)
        action = Action.ORDER_CHANGED if form.get("accession_number") else Action.PATIENT_REGISTERED
        stores.audit.note(action, actor=who.name, subject=order.accession_number, address=address_of(request))
        return RedirectResponse(f"/orders?done={order.accession_number}", HTTPStatus.SEE_OTHER)

    @pages.post("/orders/{accession_number}/{deed}")
    def do(request: Request, accession_number: str, deed: Deed, form: Form, who: Who) -> Response:
        deeds = {
            "cancel": (stores.orders.cancel, Action.ORDER_CANCELLED),
            "reopen": (stores.orders.reopen, Action.ORDER_REOPENED),
            "finish": (stores.orders.finish, Action.ORDER_FINISHED),
        }
        act, action = deeds[deed]
        try:
            act(accession_number)
        except OrderClosed as error:
            return page.refuse(who, form, error)
        stores.audit.note(action, actor=who.name, subject=accession_number, address=address_of(request))
        return RedirectResponse("/orders", HTTPStatus.SEE_OTHER)

    return pages


class RegisteredAlready(Exception):
    """Somebody is registered under these numbers; whoever registers must know it first."""

    def __init__(self, before: Order) -> None:
        super().__init__(before.accession_number)
        self.before = before


class _Page:
    """The whole page; what its caller does not say is blank."""

    def __init__(self, stores: Stores, view: View) -> None:
        self._stores = stores
        self._view = view

    def answer(self, who: Visitor, *, status: int = HTTPStatus.OK, **context: Any) -> Response:
        return HTMLResponse(self._view.render("orders.html", who, **_blank() | _list(self._stores) | context), status)

    def ask_again(self, who: Visitor, form: Mapping[str, str], before: Order) -> Response:
        """The form as it was sent, and who is registered already under these numbers."""
        return self.answer(
            who,
            status=HTTPStatus.CONFLICT,
            values={name: form.get(name, "") for name in FIELDS},
            form_key=form.get("form_key", ""),
            before=before,
        )

    def refuse(self, who: Visitor, form: Mapping[str, str], error: Exception) -> Response:
        """The form as it was sent, and what is wrong with it."""
        say, status, told = Language(who.language).say, HTTPStatus.CONFLICT, {}
        if isinstance(error, Mistakes):
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            told = {name: say(MISTAKES[code]) for name, code in error.of_fields.items()}
        closed = say(CLOSED if isinstance(error, OrderClosed) else USED_UP)
        return self.answer(
            who,
            status=status,
            mistakes=told,
            problem="" if told else closed,
            values={name: form.get(name, "") for name in FIELDS},
            form_key=form.get("form_key", ""),
            editing=self._stores.orders.find(form.get("accession_number", "")),
        )


def _register(stores: Stores, form: Mapping[str, str], who: Visitor) -> Order:
    typed = check(form, now=stores.clock.now())
    accession_number, form_key = form.get("accession_number", ""), form.get("form_key") or secrets.token_urlsafe(12)
    if accession_number:
        return stores.orders.change(accession_number, typed)
    before = stores.orders.registered(typed, form_key=form_key)
    if before is not None and form.get("again") != before.accession_number:
        raise RegisteredAlready(before)
    return stores.orders.register(typed, form_key=form_key, registered_by=who.name)


def _blank() -> dict[str, Any]:
    return {
        "q": "",
        "earlier": [],
        "values": empty_form(),
        "mistakes": {},
        "form_key": secrets.token_urlsafe(12),
        "card_problem": "",
        "problem": "",
        "filled": False,
        "known": False,
        "editing": None,
        "before": None,
        "done": None,
        "lengths": LENGTHS,
        "procedures": Procedure,
        "sexes": SEXES,
    }


def _list(stores: Stores) -> dict[str, Any]:
    today = stores.clock.now().astimezone().date()
    orders = stores.orders.of_day(today)
    return {"orders": orders, "matches": stores.orders.matches(orders, today), "states": STATES, "sexes": SEXES}
