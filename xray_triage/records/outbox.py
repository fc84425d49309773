"""Which versions of results go to which peer of [[record]], and what became of each. Knows no form and no network.

The state of a row is that of its work in the ledger, as for the deliveries of objects. Of one case a peer gets the
versions in their order; one that was refused stops neither the next nor other cases, and is never sent after a newer.
A version that is queued again, for it was signed meanwhile, takes the place of what has not left of it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.store.database import Database, insert_new
from dicom_router.store.delivery import STATES, DeliveryState
from dicom_router.store.ledger import Ledger, Work
from dicom_router.store.outbox import MANY_ATTEMPTS
from dicom_router.store.tables import work as work_table
from xray_triage.cases import tables as cases
from xray_triage.records import tables

LANE = "record"
PRELIMINARY = 0  # the version that no doctor wrote
OVERTAKEN = "overtaken"  # the status of what was not sent: the peer has a newer version, or gets this one signed
AFTER_OLDER_SECONDS = 60.0
MOST_SHOWN = 200
_row, _work = tables.record_delivery.c, work_table.c


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDelivery:
    """One version of a case's result for one peer. ``status``: the peer's last word."""

    record_id: int
    name: str
    case_id: str
    version: int
    state: DeliveryState
    attempts: int
    last_error: str | None
    status: str | None
    queued_at: datetime
    sent_at: datetime | None
    refused_at: datetime | None
    work_id: int

    @property
    def number(self) -> str:
        """Its control id: the same whenever it is sent, and another's never, be it of a station begun anew.

        A station that is restored numbers its rows as it did after the backup; it does not at the same moment.
        """
        own = sha256(f"{self.record_id} {self.queued_at.timestamp():.6f}".encode()).hexdigest()
        return f"{self.case_id[:12]}.{own[:7]}"  # HL7 v2.5 2.14.9.10: 20 characters at the most


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSummary:
    """How a peer fares. ``last_error``: of what waits; ``stuck``: how much of that it did not take again and again."""

    name: str
    waiting: int
    sending: int
    refused: int
    stuck: int
    oldest_waiting_at: datetime | None
    last_sent_at: datetime | None
    last_error: str | None


class RecordOutbox:
    """All records. ``peers``: which standings each peer of station.toml gets, by its name."""

    def __init__(
        self, database: Database, ledger: Ledger, *, clock: Clock, peers: Mapping[str, Collection[str]]
    ) -> None:
        self._database, self._ledger, self._clock = database, ledger, clock
        self._peers = peers

    def enqueue(self, connection: sa.Connection, case_sequence: int, version: int) -> None:
        """A version is to be told to whom it concerns; in the commit that makes, or signs, it."""
        for name, send in self._peers.items():
            if "final" in send and not self._renew(connection, name, case_sequence, version):
                self._add(connection, name, case_sequence, version)

    def enqueue_reading(self, connection: sa.Connection, case_id: str) -> None:
        """The AI has read a film: that is told as preliminary, unless a doctor has spoken; in the reading's commit."""
        eager = [name for name, send in self._peers.items() if "preliminary" in send]
        if not eager:
            return
        sequence = connection.execute(sa.select(cases.case.c.sequence).where(cases.case.c.case_id == case_id))
        number = sequence.scalar_one()
        has_result = sa.exists().where(tables.result.c.case_sequence == number)
        if connection.scalar(sa.select(has_result)):
            return
        for name in eager:
            if self._waiting(connection, name, number, PRELIMINARY) is None:
                self._add(connection, name, number, PRELIMINARY)

    @staticmethod
    def _waiting(connection: sa.Connection, name: str, case_sequence: int, version: int) -> int | None:
        """One that is still to be made, and will tell what is so by then. It is not begun before the commit."""
        mine = sa.and_(_row.name == name, _row.case_sequence == case_sequence, _row.version == version)
        waits = sa.select(_row.record_id).select_from(_joined()).where(mine, _work.state == "waiting")
        return connection.scalar(waits.order_by(_row.record_id.desc()).limit(1).with_for_update(of=work_table))

    def _renew(self, connection: sa.Connection, name: str, case_sequence: int, version: int) -> bool:
        """What waits becomes another message, due at once: a peer may have a try whose answer was lost."""
        record_id = self._waiting(connection, name, case_sequence, version)
        if record_id is None:
            return False
        again = sa.update(tables.record_delivery).where(_row.record_id == record_id)
        connection.execute(again.values(queued_at=self._clock.now()))
        self._ledger.hasten(connection, kind=_kind(name), key=str(record_id))
        return True

    def _add(self, connection: sa.Connection, name: str, case_sequence: int, version: int) -> None:
        values = {"name": name, "case_sequence": case_sequence, "version": version, "queued_at": self._clock.now()}
        key = insert_new(connection, tables.record_delivery, values)
        self._ledger.enqueue(connection, kind=_kind(name), key=str(key))

    def claim(self, name: str, lane: str = LANE, /) -> tuple[Work, RecordDelivery] | None:  # noqa: ARG002 - one lane
        """Lease the oldest that is due; None when nothing is. Nothing goes before, or after, its time."""
        while work := self._ledger.claim(_kind(name)):
            (found,) = self._select(_row.record_id == int(work.key))
            if self._is_overtaken(found):
                self._finish(work, OVERTAKEN)
            elif self._is_early(found):
                self._ledger.postpone(work, seconds=AFTER_OLDER_SECONDS, error=None, forgive=True)
            else:
                return work, found
        return None

    def _is_overtaken(self, found: RecordDelivery) -> bool:
        newer = sa.and_(_row.version > found.version, _work.state == "done")
        again = sa.and_(_row.version == found.version, _row.record_id > found.record_id)
        return self._is_any(sa.and_(_of_case(found), sa.or_(newer, again)))

    def _is_early(self, found: RecordDelivery) -> bool:
        waits = sa.and_(_row.version != found.version, _work.state == "waiting")
        older = sa.and_(_row.record_id < found.record_id, sa.or_(waits, _work.state == "working"))
        return self._is_any(sa.and_(_of_case(found), older))

    def _is_any(self, condition: sa.ColumnElement[bool]) -> bool:
        with self._database.read() as connection:
            query = sa.select(_row.record_id).select_from(_joined()).where(condition).limit(1)
            return connection.scalar(query) is not None

    def renew(self, work: Work, /) -> None:
        """Keep the lease while the sending runs. Raises FenceLost."""
        self._ledger.renew(work)

    def acknowledge(self, work: Work, status: str) -> None:
        """The peer has it. Raises FenceLost."""
        self._finish(work, status)

    def _finish(self, work: Work, status: str) -> None:
        with self._database.write() as connection:
            self._ledger.finish(connection, work)
            _update(connection, work, status=status, sent_at=self._clock.now())
            self._hasten_next(connection, work)

    def postpone(self, work: Work, /, *, seconds: float, error: str, forgive: bool = False) -> None:
        """The peer could not take it now: again in ``seconds``, without limit. Raises FenceLost."""
        self._ledger.postpone(work, seconds=seconds, error=error, forgive=forgive)

    def refuse(self, work: Work, /, *, status: str, error: str) -> None:
        """The peer will not take this one: a person must look. Raises FenceLost."""
        with self._database.write() as connection:
            self._ledger.refuse(connection, work, error=error)
            _update(connection, work, status=status, refused_at=self._clock.now())
            self._hasten_next(connection, work)

    def note_look(self, name: str, error: str | None, /) -> None:
        """How an echo ended: nothing is kept of it, for the error stands with what waits."""

    def _hasten_next(self, connection: sa.Connection, work: Work) -> None:
        """Of the same case and peer nothing need wait for this one any more."""
        mine = sa.select(_row.case_sequence, _row.name).where(_row.record_id == int(work.key))
        case_sequence, name = connection.execute(mine).one()
        others = sa.select(_row.record_id).where(_row.case_sequence == case_sequence, _row.name == name, _is_open())
        for number in connection.scalars(others).all():
            self._ledger.hasten(connection, kind=_kind(name), key=str(number))

    def of_case(self, case_id: str, version: int | None = None) -> list[RecordDelivery]:
        """All of a case, or of one version of its result, in order of queueing."""
        return self.of_cases([case_id], version)[case_id]

    def of_cases(self, case_ids: Iterable[str], version: int | None = None) -> dict[str, list[RecordDelivery]]:
        """The same for many cases; one without any has an empty list."""
        found: dict[str, list[RecordDelivery]] = {case_id: [] for case_id in case_ids}
        wanted = cases.case.c.case_id.in_(list(found))
        for each in self._select(wanted if version is None else sa.and_(wanted, _row.version == version)):
            found[each.case_id].append(each)
        return found

    def refused(self) -> list[RecordDelivery]:
        """What peers refused, the newest MOST_SHOWN, in order of queueing."""
        query = sa.select(_row.record_id).select_from(_joined()).where(_is_open(), _work.state == "refused")
        newest = query.order_by(_row.record_id.desc()).limit(MOST_SHOWN)
        with self._database.read() as connection:
            numbers = connection.scalars(newest).all()
        return self._select(_row.record_id.in_(numbers))

    def summary(self) -> list[PeerSummary]:
        """Every peer of station.toml, and every other that something still waits for, by name."""
        counts = (
            sa.select(
                _row.name,
                _work.state,
                sa.func.count().label("number"),
                sa.func.min(_row.record_id).label("first"),
                sa.func.sum(sa.cast(_work.attempt >= MANY_ATTEMPTS, sa.Integer)).label("stuck"),
                sa.func.max(_work.error).label("error"),
            )
            .select_from(_joined())
            .where(_is_open(), _work.state.in_(("waiting", "working", "refused")))
            .group_by(_row.name, _work.state)
        )
        with self._database.read() as connection:
            rows = {(row.name, row.state): row for row in connection.execute(counts)}
            names = sorted({*self._peers, *(name for name, _ in rows)})
            return [_summary(connection, name, rows) for name in names]

    def retry(self, record_id: int) -> bool:
        """Try a refused record again now. False: there is no such refused record."""
        return any(self._ledger.retry(found.work_id) for found in self._select(_row.record_id == record_id))

    def retry_all_refused(self) -> int:
        """Try all again now that was refused; how many."""
        refused = sa.and_(_is_open(), _work.state == "refused")
        return sum(self._ledger.retry(found.work_id) for found in self._select(refused))

    def _select(self, condition: sa.ColumnElement[bool]) -> list[RecordDelivery]:
        query = (
            sa.select(
                tables.record_delivery,
                cases.case.c.case_id,
                _work.work_id,
                _work.state,
                _work.attempt,
                _work.error,
            )
            .select_from(_joined().join(cases.case, cases.case.c.sequence == _row.case_sequence))
            .where(condition)
            .order_by(_row.record_id)
        )
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query)]


def _kind(name: str) -> str:
    return f"record/{name}"


def _joined() -> sa.Join:
    """By the ledger's one index of kind and key."""
    same = sa.and_(_work.kind == "record/" + _row.name, _work.key == sa.cast(_row.record_id, sa.Text))
    return tables.record_delivery.join(work_table, same)


def _is_open() -> sa.ColumnElement[bool]:
    """Neither sent nor overtaken: by the index of these alone."""
    return _row.sent_at.is_(None)


def _of_case(found: RecordDelivery) -> sa.ColumnElement[bool]:
    sequence = sa.select(cases.case.c.sequence).where(cases.case.c.case_id == found.case_id).scalar_subquery()
    return sa.and_(_row.case_sequence == sequence, _row.name == found.name)


def _update(connection: sa.Connection, work: Work, **values: object) -> None:
    connection.execute(sa.update(tables.record_delivery).where(_row.record_id == int(work.key)).values(**values))


def _summary(connection: sa.Connection, name: str, rows: Mapping[tuple[str, str], sa.Row[Any]]) -> PeerSummary:
    waiting = rows.get((name, "waiting"))
    counted = {state: rows[name, state].number if (name, state) in rows else 0 for state in STATES}
    oldest = sa.select(_row.queued_at).where(_row.record_id == (waiting.first if waiting else None))
    return PeerSummary(
        name=name,
        waiting=counted["waiting"],
        sending=counted["working"],
        refused=counted["refused"],
        stuck=waiting.stuck if waiting else 0,
        oldest_waiting_at=connection.scalar(oldest),
        last_sent_at=connection.scalar(_last_sent(name)),
        last_error=waiting.error if waiting else None,
    )


def _last_sent(name: str) -> sa.Select[datetime]:
    """When the peer took something: by the index, from its end."""
    taken = sa.and_(_row.name == name, _row.sent_at.is_not(None), _row.status != OVERTAKEN)
    return sa.select(_row.sent_at).where(taken).order_by(_row.sent_at.desc()).limit(1)


def _delivery(row: sa.Row[Any]) -> RecordDelivery:
    return RecordDelivery(
        record_id=row.record_id,
        name=row.name,
        case_id=row.case_id,
        version=row.version,
        state=DeliveryState.LEFT_OUT if row.status == OVERTAKEN else STATES[row.state],
        attempts=row.attempt,
        last_error=row.error,
        status=row.status,
        queued_at=row.queued_at,
        sent_at=row.sent_at,
        refused_at=row.refused_at,
        work_id=row.work_id,
    )
