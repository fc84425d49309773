"""What stands in the registration form: typed, read from a card, or known from an earlier visit. Knows no route."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import Query

from xray_triage.cases.case import Case
from xray_triage.orders.card import LONGEST_TEXT, parse_card
from xray_triage.orders.order import (
    ADDRESS_LENGTH,
    ID_LENGTH,
    NAME_LENGTH,
    PHYSICIAN_LENGTH,
    REASON_LENGTH,
    Order,
    Procedure,
    Registration,
)
from xray_triage.stores import Stores

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

Text = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """What the address asks for: a search, and the accession number or case that fills the form or was just done."""

    q: Text = ""
    like: Text = ""
    case: Text = ""
    edit: Text = ""
    done: Text = ""


def wanted_context(stores: Stores, wanted: OrderFilter) -> dict[str, Any]:
    """The form as the address asks for it: empty, filled for a new order of somebody known, or to be changed."""
    known = stores.orders.find(wanted.like or wanted.edit)
    values = _values(known) if known else _patient(stores.casebook.case(wanted.case))
    if wanted.like:
        values = {name: values[name] for name in OF_THE_PATIENT if name in values}
    elif values.get("patient_id") == wanted.edit:
        values["patient_id"] = ""
    return {
        "q": wanted.q.strip(),
        "earlier": _earlier(stores, wanted.q) if wanted.q.strip() else [],
        "values": empty_form() | values,
        "editing": known if wanted.edit else None,
        "done": stores.orders.find(wanted.done),
    }


def card_context(stores: Stores, text: str) -> dict[str, Any]:
    """The form filled from a card and, where the card says nothing, from the patient's last order."""
    said = {name: _written(value) for name, value in asdict(parse_card(text)).items()}
    field = "citizen_number" if said["citizen_number"] else "insurance_number"
    number = said[field][-LASTING_DIGITS[field] :]
    found = stores.orders.patients(number)  # it may also be a part of somebody else's
    before = (_values(order) for order in found if getattr(order.registration, field).endswith(number))
    known = {name: value for name, value in next(before, {}).items() if name in OF_THE_PATIENT}
    filled = empty_form() | known | {name: value for name, value in said.items() if value}
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


def empty_form() -> dict[str, str]:
    """Every field, nothing in it."""
    return dict.fromkeys(FIELDS, "") | {"procedure": Procedure.CHEST_PA.value}


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
