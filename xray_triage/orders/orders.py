"""The book of orders: registered on the page, offered to the machine, done when a film comes. Knows no dataset."""

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.dicom.matching import fold
from dicom_router.store.database import Database, insert_new
from xray_triage.cases.case import Case
from xray_triage.cases.period import midnight
from xray_triage.cases.tables import case
from xray_triage.orders.accession import MOST_A_DAY, draw_prefix, next_number, stem
from xray_triage.orders.match import Filmed, Matches, film_of, is_film_of, match, plain_number
from xray_triage.orders.order import Order, Ordered, OrderState, Placing, Registration
from xray_triage.orders.rows import columns_of, locked, numbered, order_of, placed_columns_of
from xray_triage.orders.steps import standing
from xray_triage.orders.tables import drawn_prefix, film_order, his_message

OFFERED_DAYS = 7  # how long an order is offered that nobody filmed and nobody cancelled
LONGEST_LIST = 500
_LATELY = 200  # orders that are looked through for earlier patients
OUR_OWN = Placing()  # no HIS placed it
_FILMED = sa.select(*(case.c[field.name] for field in fields(Filmed)))


class OrderClosed(Exception):
    """The order is done or cancelled, or the machine has begun: it is not changed any more."""


class Orders:
    """All orders. ``prefix`` begins every accession number; empty: one is drawn and kept (accession.py)."""

    def __init__(self, database: Database, *, clock: Clock, prefix: str = "") -> None:
        self._database = database
        self._clock = clock
        self._prefix = prefix

    def register(self, registration: Registration, *, form_key: str, registered_by: str) -> Order:
        """Give a registration its numbers. The same form (``form_key``) with the same content is the same order.

        The accession number is one that no form and no process was ever given here, whatever the clock says. Without
        a patient id the patient is known by the citizen number, else by the ten digits of the insurance, else by the
        accession number. Raises NumbersUsedUp.
        """
        key = _key(form_key, registration)
        while True:
            with self._database.write() as connection:
                known = connection.execute(sa.select(film_order).where(film_order.c.form_key == key)).one_or_none()
                if known is not None:
                    return order_of(known)
                made = self.add(connection, registration, key=key, registered_by=registered_by)
                if made is not None:  # else another process was faster
                    return made

    def add(
        self,
        connection: sa.Connection,
        registration: Registration,
        *,
        key: str,
        registered_by: str,
        number: str = "",
        placing: Placing = OUR_OWN,
    ) -> Order | None:
        """Add an order in the caller's transaction, under ``number`` or one of ours. ``key`` is no other order's.

        None: key or number were taken meanwhile. Raises NumbersUsedUp.
        """
        now = self._clock.now()
        number = number or self.next_number(connection, now)
        row = columns_of(registration, number, now) | {
            "form_key": key,
            "accession_number": number,
            "study_instance_uid": f"2.25.{uuid.uuid4().int}",
            "registered_at": now,
            "registered_by": registered_by,
            "state": OrderState.WAITING.value,
        }
        if insert_new(connection, film_order, row | placed_columns_of(placing)) is None:
            return None
        return order_of(locked(connection, number))

    def registered(self, registration: Registration, *, form_key: str = "") -> Order | None:
        """Who is registered for today, or still waits, under a number of this person's, by another form; the newest."""
        row, begins = film_order.c, midnight(self._clock.now().astimezone().date())
        numbers = {registration.patient_id, registration.citizen_number} - {""}
        same: list[sa.ColumnElement[bool]] = [row.patient_id.in_(numbers), row.citizen_number.in_(numbers)]
        if insurance := registration.insurance_number[-10:]:
            same.append(row.insurance_number.endswith(insurance, autoescape=True))
        counts = sa.or_(sa.and_(_is_open(), self._is_offered()), row.scheduled_at >= begins)
        another = row.form_key != _key(form_key, registration)
        found = self._load(sa.and_(sa.or_(*same), counts, another, row.state != OrderState.CANCELLED.value), limit=1)
        return next(iter(found), None)

    def change(self, accession_number: str, registration: Registration) -> Order:
        """Correct what was typed. Raises UnknownOrder, or OrderClosed: once the machine has begun it has its copy."""
        with self._database.write() as connection:
            before = locked(connection, accession_number)
            if before.state != OrderState.WAITING:
                raise OrderClosed
            values = columns_of(registration, accession_number, before.scheduled_at)
            connection.execute(film_order.update().where(numbered(accession_number)).values(values))
            return order_of(locked(connection, accession_number))

    def cancel(self, accession_number: str) -> None:
        """Offer it no more. Raises UnknownOrder, OrderClosed."""
        self._move(accession_number, OrderState.CANCELLED)

    def finish(self, accession_number: str) -> None:
        """A person says that it was filmed. Raises UnknownOrder, OrderClosed."""
        self._move(accession_number, OrderState.DONE)

    def reopen(self, accession_number: str) -> None:
        """Take a cancellation back: it stands where the machines say. Any other order stays as it is.

        Raises UnknownOrder.
        """
        with self._database.write() as connection:
            row = locked(connection, accession_number)
            if row.state == OrderState.CANCELLED:
                state = standing(connection, accession_number, row.study_instance_uid)
                connection.execute(film_order.update().where(numbered(accession_number)).values(state=state.value))

    def close(self, connection: sa.Connection, film: Filmed) -> Order | None:
        """A film has come: its order, if it has one beyond doubt, is done, whatever it was, and given back.

        Within the reader's transaction; harmless to repeat.
        """
        closed = None
        for row in connection.execute(_NAMED, _names_in(film)).all():
            if is_film_of(order := order_of(row), film):
                this = film_order.update().where(film_order.c.order_id == row.order_id)
                connection.execute(this.values(state=OrderState.DONE.value))
                closed = order
        return closed

    def named_by(self, film: Filmed) -> list[Order]:
        """The orders whose number or study the film bears: whether of the same person is another question."""
        return self._load(_IS_NAMED, _names_in(film))

    def of_case(self, seen: Case) -> tuple[Order | None, Order | None]:
        """The order of these films; else the one whose number or study they bear, though the person seems another."""
        film = film_of(seen)
        named = self.named_by(film)
        own = next((order for order in named if is_film_of(order, film)), None)
        return own, None if own else next(iter(named), None)

    def matches(self, orders: Sequence[Order], day: date) -> Matches:
        """Which of the films that came on ``day`` belong to these orders, and which may."""
        films = _FILMED.where(
            case.c.received_at >= midnight(day), case.c.received_at < midnight(day + timedelta(days=1))
        )
        with self._database.read() as connection:
            return match(orders, [Filmed(**row) for row in connection.execute(films).mappings()])

    def of_study(self, study_instance_uid: str) -> Ordered | None:
        """What the order of this case says, where it has one beyond doubt: see match.py."""
        wanted = _FILMED.where(case.c.study_instance_uid == study_instance_uid)
        with self._database.read() as connection:
            row = connection.execute(wanted).mappings().one_or_none()
        if row is None:
            return None
        film = Filmed(**row)
        return next((order.ordered for order in self.named_by(film) if is_film_of(order, film)), None)

    def find(self, accession_number: str) -> Order | None:
        return next(iter(self._load(numbered(accession_number))), None)

    def of_day(self, day: date) -> list[Order]:
        """What is scheduled for a day of the computer's own calendar, and what is open from before; newest first."""
        begins, ends = midnight(day), midnight(day + timedelta(days=1))
        return self._load(
            sa.or_(
                sa.and_(film_order.c.scheduled_at >= begins, film_order.c.scheduled_at < ends),
                sa.and_(_is_open(), film_order.c.scheduled_at < begins, self._is_offered()),
            )
        )

    def offered(self, *, accession_number: str = "") -> list[Order]:
        """What the machine may be told: open, and scheduled at most OFFERED_DAYS ago; one number's, if it is given."""
        named = [numbered(accession_number)] if accession_number else []
        return self._load(sa.and_(_is_open(), self._is_offered(), *named))

    def patients(self, search: str, *, limit: int = 10) -> list[Order]:
        """The newest order of each patient in whose name or numbers every word of ``search`` occurs."""
        wanted = [film_order.c.search_text.contains(word, autoescape=True) for word in fold(search).split()]
        found = self._load(sa.and_(*wanted), newest=film_order.c.order_id, limit=_LATELY) if wanted else []
        newest: dict[str, Order] = {}
        for order in found:
            newest.setdefault(order.patient_id, order)
        return list(newest.values())[:limit]

    def last_message_at(self) -> datetime | None:
        """When the newest message of the HIS was taken."""
        newest = sa.select(his_message.c.received_at).order_by(his_message.c.message_id.desc()).limit(1)
        with self._database.read() as connection:
            return connection.scalar(newest)

    def prefix(self, connection: sa.Connection) -> str:
        """What every accession number of this station begins with."""
        return self._prefix or _drawn(connection)

    def next_number(self, connection: sa.Connection, now: datetime) -> str:
        """The accession number to be given in this transaction. Raises NumbersUsedUp."""
        local = now.astimezone()
        beginning = stem(self.prefix(connection), local.date())
        first, final = f"{beginning}0000", f"{beginning}{MOST_A_DAY}"
        number = film_order.c.accession_number
        last = connection.scalar(sa.select(sa.func.max(number)).where(number.between(first, final)))
        if last is None:  # the first of the day, or the orders were lost: then films still carry their numbers
            number = case.c.accession_number
            filmed = connection.scalars(sa.select(number).where(number.between(first, final)))
            last = max((each for each in filmed if re.fullmatch(r"\d{4}", each.removeprefix(beginning))), default=None)
        return next_number(beginning, last, at=local)

    def _move(self, accession_number: str, to: OrderState) -> None:
        with self._database.write() as connection:
            if not OrderState(locked(connection, accession_number).state).is_open:
                raise OrderClosed
            connection.execute(film_order.update().where(numbered(accession_number)).values(state=to.value))

    def _is_offered(self) -> sa.ColumnElement[bool]:
        return film_order.c.scheduled_at >= self._clock.now() - timedelta(days=OFFERED_DAYS)

    def _load(
        self,
        wanted: sa.ColumnElement[bool],
        bound: Mapping[str, object] | None = None,
        *,
        newest: sa.Column[Any] = film_order.c.scheduled_at,
        limit: int = LONGEST_LIST,
    ) -> list[Order]:
        found = sa.select(film_order).where(wanted).order_by(newest.desc(), film_order.c.order_id.desc()).limit(limit)
        with self._database.read() as connection:
            return [order_of(row) for row in connection.execute(found, bound or {})]


def _key(form_key: str, registration: Registration) -> str:
    return hashlib.sha256(f"{form_key}\n{registration}".encode("utf-8", "replace")).hexdigest()


def _drawn(connection: sa.Connection) -> str:
    insert_new(connection, drawn_prefix, {"only": 1, "prefix": draw_prefix()})
    return str(connection.scalar(sa.select(drawn_prefix.c.prefix)))


_IS_NAMED = sa.or_(
    film_order.c.study_instance_uid == sa.bindparam("of_study"),
    film_order.c.accession_number.in_(sa.bindparam("numbers", expanding=True)),
)
_NAMED = sa.select(film_order).where(_IS_NAMED).order_by(film_order.c.order_id).with_for_update()


def _names_in(film: Filmed) -> dict[str, object]:
    """By what an order of this film is found."""
    numbers = {film.accession_number, plain_number(film.accession_number)}
    return {"of_study": film.study_instance_uid, "numbers": sorted(numbers)}


def _is_open() -> sa.ColumnElement[bool]:
    return film_order.c.state.in_([state.value for state in OrderState if state.is_open])
