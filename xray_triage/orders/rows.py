"""A row of film_order as an order, and a registration as columns. Knows no rule of what may follow upon what."""

from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dicom_router.dicom.matching import fold
from xray_triage.orders.order import Order, OrderState, Placing, Procedure, Registration, Sex
from xray_triage.orders.tables import film_order

_TYPED = (
    "patient_name", "patient_birth_date", "address", "citizen_number", "insurance_number", "referring_physician",
    "procedure", "reason",
)  # fmt: skip
_PLACED = tuple(field.name for field in fields(Placing))


class UnknownOrder(LookupError):
    """There is no order with this accession number."""


def columns_of(typed: Registration, accession_number: str, now: datetime) -> dict[str, Any]:
    """What a registration says. Without a patient id the patient is known by the number that lasts longest."""
    patient_id = typed.patient_id or typed.citizen_number or typed.insurance_number[-10:] or accession_number
    numbers = (patient_id, typed.citizen_number, typed.insurance_number, accession_number)
    return {name: getattr(typed, name) for name in _TYPED} | {
        "patient_id": patient_id,
        "patient_sex": typed.patient_sex or "",
        "search_text": fold(" ".join((typed.patient_name, *numbers))),
        "scheduled_at": typed.scheduled_at or now,
    }


def placed_columns_of(placing: Placing) -> dict[str, Any]:
    """What the HIS said of its order."""
    return {name: getattr(placing, name) for name in _PLACED}


def order_of(row: sa.Row[Any]) -> Order:
    """All of it."""
    typed = {name: getattr(row, name) for name in _TYPED} | {
        "procedure": Procedure(row.procedure),
        "patient_id": row.patient_id,
        "patient_sex": Sex(row.patient_sex) if row.patient_sex else None,
        "scheduled_at": row.scheduled_at,
    }
    return Order(
        accession_number=row.accession_number,
        study_instance_uid=row.study_instance_uid,
        registration=Registration(**typed),
        patient_id=row.patient_id,
        scheduled_at=row.scheduled_at,
        registered_at=row.registered_at,
        registered_by=row.registered_by,
        state=OrderState(row.state),
        placing=Placing(**{name: getattr(row, name) for name in _PLACED}),
    )


def numbered(accession_number: str) -> sa.ColumnElement[bool]:
    """The order with this accession number."""
    return film_order.c.accession_number == accession_number


def locked(connection: sa.Connection, accession_number: str) -> sa.Row[Any]:
    """Its row, held until the transaction ends. Raises UnknownOrder."""
    row = connection.execute(sa.select(film_order).where(numbered(accession_number)).with_for_update()).one_or_none()
    if row is None:
        raise UnknownOrder(accession_number)
    return row
