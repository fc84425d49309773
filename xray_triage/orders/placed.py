"""The orders that the HIS placed: what a message does to the one with its number. Knows no message.

All within the caller's transaction. BadField says at which field an order cannot be done.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.dicom.matching import fold
from xray_triage.cases.tables import case
from xray_triage.hl7.message import BadField
from xray_triage.orders.accession import NumbersUsedUp
from xray_triage.orders.order import Order, OrderState, Placing, Registration
from xray_triage.orders.orders import OFFERED_DAYS, Orders
from xray_triage.orders.rows import columns_of, locked, numbered, order_of, placed_columns_of
from xray_triage.orders.steps import standing
from xray_triage.orders.tables import film_order

SAME_FOR = timedelta(days=30)  # for so long a closed order of the same patient is meant by its number
# What may still change when the film was begun: it goes out with the result, and stands on no film.
_FOR_THE_RECORD = (
    "citizen_number", "insurance_number", "referring_physician", "reason", "service_code", "treatment_code",
    "diagnosis_code",
)  # fmt: skip


class PlacedOrders:
    """Places, changes, withdraws. One thread at a time."""

    def __init__(self, orders: Orders, *, clock: Clock) -> None:
        self._orders = orders
        self._clock = clock

    def place(
        self, connection: sa.Connection, registration: Registration, placing: Placing, wished: Sequence[str]
    ) -> Order:
        """A new order; or the one that has this number, as it is to be now. ``wished``: accession numbers, best first.

        Raises BadField.
        """
        known = _find(connection, placing)
        if known is None or self._is_over(known, registration):
            return self._add(connection, registration, placing, wished)
        if not _is_same_person(known, registration):
            raise BadField("ORC-2", "is the number of another patient's order")
        if known.state is OrderState.CANCELLED and known.placing.withdrawn_at is not None:
            state = standing(connection, known.accession_number, known.study_instance_uid)
            _set(connection, known, state=state.value, withdrawn_at=None)
            known = order_of(locked(connection, known.accession_number))
        return self._change(connection, known, registration, placing)

    def change(self, connection: sa.Connection, registration: Registration, placing: Placing) -> Order:
        """The order with this number, as it is to be now. Raises BadField."""
        return self._change(connection, _need(connection, placing), registration, placing)

    def withdraw(self, connection: sa.Connection, placing: Placing) -> Order:
        """Offer it no more. What was filmed stays done, and says that it was taken back. Raises BadField."""
        known = _need(connection, placing)
        state = OrderState.CANCELLED if known.state.is_open else known.state
        withdrawn_at = known.placing.withdrawn_at or self._clock.now()
        _set(connection, known, state=state.value, withdrawn_at=withdrawn_at)
        return known

    def _change(self, connection: sa.Connection, known: Order, registration: Registration, placing: Placing) -> Order:
        if known.state is OrderState.CANCELLED:
            taken_back = known.placing.withdrawn_at is not None
            raise BadField("ORC-2", "was taken back; place it again" if taken_back else "was cancelled at the station")
        placed = placed_columns_of(replace(placing, withdrawn_at=known.placing.withdrawn_at))
        values = columns_of(registration, known.accession_number, known.scheduled_at) | placed
        if known.state is not OrderState.WAITING:  # the machine has its copy
            if not _is_same_person(known, registration):
                raise BadField("PID-3", "the film of this order was begun for another patient; correct the film")
            values = {name: values[name] for name in _FOR_THE_RECORD}
        _set(connection, known, **values)
        return known

    def _add(
        self, connection: sa.Connection, registration: Registration, placing: Placing, wished: Sequence[str]
    ) -> Order:
        number = next((each for each in wished if self._is_free(connection, each)), "")
        by = {"key": secrets.token_hex(), "registered_by": placing.placer}
        try:
            made = self._orders.add(connection, registration, **by, number=number, placing=placing)
            while made is None:  # somebody was registered on the page meanwhile, and has the number
                made = self._orders.add(connection, registration, **by, placing=placing)
        except NumbersUsedUp as error:
            raise BadField("ORC-1", "today's accession numbers are used up") from error
        return made

    def _is_free(self, connection: sa.Connection, number: str) -> bool:
        """Whether nothing has this number, and none of ours will."""
        if number.startswith(self._orders.prefix(connection)):
            return False
        bearers = (sa.select(sa.literal(1)).where(column == number).limit(1) for column in _NUMBERS)
        return all(connection.execute(bearer).first() is None for bearer in bearers)

    def _is_over(self, order: Order, registration: Registration) -> bool:
        """Whether the number means another order now: HIS count anew, some every day."""
        now = self._clock.now()
        if order.state.is_open:
            return order.scheduled_at < now - timedelta(days=OFFERED_DAYS)
        return now - order.registered_at > SAME_FOR or not _is_same_person(order, registration)


_NUMBERS = (film_order.c.accession_number, case.c.accession_number)


def _find(connection: sa.Connection, placing: Placing) -> Order | None:
    """The newest with this number of this placer."""
    row = film_order.c
    same = sa.and_(row.placer == placing.placer, row.placer_number == placing.placer_number)
    found = sa.select(film_order).where(same).order_by(row.order_id.desc()).limit(1).with_for_update()
    known = connection.execute(found).one_or_none()
    return order_of(known) if known else None


def _need(connection: sa.Connection, placing: Placing) -> Order:
    known = _find(connection, placing)
    if known is None:
        raise BadField("ORC-2", "no order with this number was placed here")
    return known


def _is_same_person(order: Order, registration: Registration) -> bool:
    """The same number; or the same name, and no other birth date."""
    typed = order.registration
    if registration.patient_id and registration.patient_id == order.patient_id:
        return True
    births = {typed.patient_birth_date, registration.patient_birth_date} - {None}
    return fold(typed.patient_name) == fold(registration.patient_name) and len(births) <= 1


def _set(connection: sa.Connection, order: Order, **values: Any) -> None:
    connection.execute(film_order.update().where(numbered(order.accession_number)).values(values))
