"""The registration page: a card or a form makes an order, which the X-ray machine finds in its worklist."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from xray_triage.accounts.audit import Action
from xray_triage.cases.case import Case
from xray_triage.language import N_, Language
from xray_triage.orders.accession import NumbersUsedUp
from xray_triage.orders.card import LONGEST_TEXT, CardError, parse_card
from xray_triage.orders.order import (
    ADDRESS_LENGTH,
    ID_LENGTH,
    NAME_LENGTH,
    PHYSICIAN_LENGTH,
    REASON_LENGTH,
    Mistakes,
    Order,
    OrderState,
    Procedure,
    Registration,
    check,
)
from xray_triage.orders.orders import OrderClosed
from xray_triage.stores import Stores
from xray_triage.web.pages.fragments import unless_same
from xray_triage.web.pages.view import View
from xray_triage.web.security.forms import Form
from xray_triage.web.security.visitor import Right, Visitor, address_of, needs
from xray_triage.web.words.cases import SEXES

CARD_PROBLEMS = {
    "empty": N_("Chưa có gì trong ô: hãy quét mã QR trên thẻ, hoặc điền biểu mẫu bằng tay."),
    "too_long": N_("Nội dung quá dài, không phải mã QR của một thẻ. Hãy xóa ô rồi quét lại."),
    "unknown": N_("Đây không phải mã QR của thẻ căn cước hay thẻ BHYT. Hãy quét lại, hoặc điền bằng tay."),
    "two_cards": N_(
        "Có mã QR của hai thẻ nối nhau. Hãy quét lại một thẻ, chờ biểu mẫu điền xong rồi mới quét thẻ khác."
    ),
    "cut_short": N_("Mã QR bị cắt giữa chừng hoặc thiếu mục. Hãy quét lại; nếu vẫn vậy, điền bằng tay."),
    "no_name": N_("Mã QR không có họ tên. Hãy điền bằng tay."),
    "bad_name": N_("Họ tên trong mã QR bị mất dấu hoặc mất chữ: đặt máy quét ở chế độ UTF-8, hoặc điền bằng tay."),
    "typed_keys": N_(
        "Bộ gõ tiếng Việt làm sai chữ (như Nguyeenx, Nguye64n). Hãy tắt bộ gõ, hoặc bật nếu đang tắt, rồi quét lại;"
        " nếu vẫn vậy, điền bằng tay."
    ),
    "bad_birth_date": N_("Ngày sinh trong mã QR không phải là một ngày có thật. Hãy quét lại, hoặc điền bằng tay."),
}
MISTAKES = {
    "required": N_("Cần điền ô này."),
    "card_text": N_("Mã QR của thẻ đã được quét vào ô này. Hãy xóa, rồi quét vào ô trên cùng."),
    "too_long": N_("Dài quá số ký tự cho phép."),
    "bad_character": N_("Có ký tự mà máy X-quang không nhận, như \\ ^ = hoặc ký tự điều khiển."),
    "no_letter": N_("Họ tên cần có ít nhất một chữ cái."),
    "bad_date": N_("Ngày này không có thật hoặc quá xa; viết như 31/01/1970."),
    "future_date": N_("Ngày sinh không thể ở sau hôm nay."),
    "bad_number": N_("Số này không đúng: căn cước có 12 chữ số; BHYT có 2 chữ cái và 13 chữ số, hoặc 10 chữ số."),
    "bad_choice": N_("Hãy chọn một trong các mục có sẵn."),
}
CLOSED = N_("Ca này không còn ở trạng thái chờ chụp nên không sửa hoặc hủy được nữa.")
USED_UP = N_("Hôm nay đã cấp hết số phiếu. Hãy nhập người bệnh trực tiếp trên máy X-quang.")
STATES = {
    OrderState.WAITING: (N_("chờ chụp"), "wait"),
    OrderState.IN_PROGRESS: (N_("đang chụp"), "wait"),
    OrderState.DONE: (N_("đã chụp"), "good"),
    OrderState.CANCELLED: (N_("đã hủy"), "none"),
}
LENGTHS = {
    "card": LONGEST_TEXT, "patient_name": NAME_LENGTH, "patient_id": ID_LENGTH, "address": ADDRESS_LENGTH,
    "referring_physician": PHYSICIAN_LENGTH, "reason": REASON_LENGTH,
}  # fmt: skip
OF_THE_PATIENT = (
    "patient_name", "patient_birth_date", "patient_sex", "patient_id", "address", "citizen_number", "insurance_number",
)  # fmt: skip
FIELDS = (*OF_THE_PATIENT, "referring_physician", "procedure", "reason", "scheduled_at")
EARLIER_PATIENTS = 8
NUMBERS = ("citizen_number", "insurance_number", "patient_id")  # by which a person is known
LASTING_DIGITS = {"citizen_number": 12, "insurance_number": 10}  # what stands before them changes with the card

Who = Annotated[Visitor, Depends(needs(Right.REGISTER))]
Text = Annotated[str, Query(max_length=100)]
Deed = Literal["cancel", "reopen", "finish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """What the address asks for: a search, and the accession number or case that fills the form or was just done."""

    q: Text = ""
    like: Text = ""
    case: Text = ""
    edit: Text = ""
    done: Text = ""


def order_router(stores: Stores, view: View) -> APIRouter:
    """The routes of /orders."""
    pages = APIRouter(default_response_class=HTMLResponse)
    page = _Page(stores, view)

    @pages.get("/orders")
    def show_orders(who: Who, wanted: Annotated[OrderFilter, Depends()]) -> Response:
        return page.answer(who, **_wanted_context(stores, wanted))

    @pages.get("/fragments/orders")
    def renew_orders(request: Request, who: Who) -> Response:
        return unless_same(request, view.render("_orders.html", who, **_list(stores)))

    @pages.post("/orders/card")
    def read_card(form: Form, who: Who) -> Response:
        try:
            return page.answer(who, **_card_context(stores, form.get("card", "")))
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


def _wanted_context(stores: Stores, wanted: OrderFilter) -> dict[str, Any]:
    known = stores.orders.find(wanted.like or wanted.edit)
    values = _values(known) if known else _patient(stores.casebook.case(wanted.case))
    if wanted.like:
        values = {name: values[name] for name in OF_THE_PATIENT if name in values}
    elif values.get("patient_id") == wanted.edit:
        values["patient_id"] = ""
    return {
        "q": wanted.q.strip(),
        "earlier": _earlier(stores, wanted.q) if wanted.q.strip() else [],
        "values": _empty() | values,
        "editing": known if wanted.edit else None,
        "done": stores.orders.find(wanted.done),
    }


def _card_context(stores: Stores, text: str) -> dict[str, Any]:
    """The form filled from a card and, where the card says nothing, from the patient's last order."""
    said = {name: _written(value) for name, value in asdict(parse_card(text)).items()}
    field = "citizen_number" if said["citizen_number"] else "insurance_number"
    number = said[field][-LASTING_DIGITS[field] :]
    found = stores.orders.patients(number)  # it may also be a part of somebody else's
    before = (_values(order) for order in found if getattr(order.registration, field).endswith(number))
    known = {name: value for name, value in next(before, {}).items() if name in OF_THE_PATIENT}
    filled = _empty() | known | {name: value for name, value in said.items() if value}
    citizen, insurance, patient = (filled[name] for name in NUMBERS)
    person = Registration(
        patient_name="",
        patient_birth_date=None,
        patient_sex=None,
        citizen_number=citizen,
        insurance_number=insurance,
        patient_id=patient,
    )
    return {"values": filled, "filled": True, "known": bool(known), "before": stores.orders.registered(person)}


def _register(stores: Stores, form: Mapping[str, str], who: Visitor) -> Order:
    typed = check(form, now=stores.clock.now())
    accession_number, form_key = form.get("accession_number", ""), form.get("form_key") or secrets.token_urlsafe(12)
    if accession_number:
        return stores.orders.change(accession_number, typed)
    before = stores.orders.registered(typed, form_key=form_key)
    if before is not None and form.get("again") != before.accession_number:
        raise RegisteredAlready(before)
    return stores.orders.register(typed, form_key=form_key, registered_by=who.name)


def _empty() -> dict[str, str]:
    return dict.fromkeys(FIELDS, "") | {"procedure": Procedure.CHEST_PA.value}


def _blank() -> dict[str, Any]:
    return {
        "q": "",
        "earlier": [],
        "values": _empty(),
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


def _earlier(stores: Stores, search: str) -> list[dict[str, str]]:
    """Patients who were registered or filmed here, and the address that fills the form with them."""
    found = [
        {"href": f"?like={order.accession_number}", **_values(order), "patient_id": order.patient_id}
        for order in stores.orders.patients(search, limit=EARLIER_PATIENTS)
    ]
    known = {patient["patient_id"] for patient in found}
    for case in stores.casebook.cases(search=search, limit=EARLIER_PATIENTS):
        if case.patient.id and case.patient.id not in known:
            known.add(case.patient.id)
            found.append({"href": f"?case={case.case_id}", **_patient(case)})
    return found[:EARLIER_PATIENTS]


def _patient(case: Case | None) -> dict[str, str]:
    if case is None:
        return {}
    return {
        "patient_name": case.patient.name,
        "patient_birth_date": "/".join(reversed(case.patient.birth_date.split("-"))),
        "patient_sex": case.patient.sex,
        "patient_id": case.patient.id,
    }


def _values(order: Order) -> dict[str, str]:
    """The order as it was typed; a patient id that was taken from another field is left to be taken again."""
    typed = order.registration
    values = {name: _written(getattr(typed, name)) for name in FIELDS}
    if order.patient_id in (typed.citizen_number, typed.insurance_number[-10:]):
        values["patient_id"] = ""
    return values | {"scheduled_at": f"{order.scheduled_at.astimezone():%Y-%m-%dT%H:%M}"}


def _written(value: Any) -> str:
    """A value as it is typed: a date 31/01/1970, nothing as nothing."""
    return f"{value:%d/%m/%Y}" if hasattr(value, "strftime") else str(value or "")
