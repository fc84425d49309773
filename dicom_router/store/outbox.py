"""What is to be handed over, to whom, and what they answered. A delivery's state is that of its work in the ledger.

Two lanes a destination, so that the kilobytes of results and requests never wait behind the megabytes of originals.
Knows no network.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Acknowledgement, InstanceRef, SpooledFile
from dicom_router.store import tables
from dicom_router.store.database import Database, insert_new
from dicom_router.store.declined import Declined, DeclinedKinds, leave_out
from dicom_router.store.delivery import Delivery, DeliveryState, is_open, is_refused, joined, read_deliveries
from dicom_router.store.history import LinkChange, note_link
from dicom_router.store.ledger import Ledger, Work
from dicom_router.store.tables import spooled_columns

URGENT_RANK = 0
ROUTINE_RANK = 100
LATER_RANK = 200  # behind what comes in now
MOST_SHOWN = 500  # refused deliveries: a PACS that takes no outlines refuses some of every film, for years
MANY_ATTEMPTS = 5  # by then a person should know
DAMAGED = "damaged"  # the status of a delivery whose file is no longer what was kept: nobody was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSummary:
    """How a destination fares. ``last_error`` is None when the last try was acknowledged.

    ``reachable``: it answered the last try, be it with a refusal; also before the first one.
    """

    name: str
    reachable: bool
    last_success_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSummary:
    """All that is not yet acknowledged, at a glance. ``destinations`` are those tried at least once, by name.

    ``refused`` are the newest MOST_SHOWN of ``refused_count``, in order of queueing.
    """

    waiting: int
    sending: int
    refused: list[Delivery]
    refused_count: int
    oldest_waiting_at: datetime | None
    destinations: list[DestinationSummary]
    left_out: list[Declined]


class Outbox:
    """Deliveries, on top of the ledger: kind ``deliver/<destination>/<lane>``, key the SOP Instance UID."""

    def __init__(self, database: Database, ledger: Ledger, *, clock: Clock) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self.declined = DeclinedKinds(database, clock=clock)

    def enqueue(
        self,
        connection: sa.Connection,
        *,
        instance: InstanceRef,
        spooled: SpooledFile,
        what: str,
        urgent: bool,
        destinations: Sequence[str],
        rank: int = ROUTINE_RANK,
    ) -> bool:
        """Ask for delivery, in the caller's transaction. Harmless to repeat: an instance goes to a destination once.

        False: every destination has it already, nobody needs this spooled file. ``rank`` is that of what is not urgent.
        """
        values = {**asdict(instance), **spooled_columns(spooled), "what": what, "queued_at": self._clock.now()}
        uid, size, rank = instance.sop_instance_uid, spooled.size_bytes, URGENT_RANK if urgent else rank
        is_needed = False
        for name in destinations:
            kind = _work_kind(name, "bulk" if what == "original" else "light")
            if insert_new(connection, tables.delivery, {**values, "destination": name, "work_kind": kind}) is not None:
                self._ledger.enqueue(connection, kind=kind, key=uid, rank=rank, size=size)
                is_needed = True
        return is_needed

    def claim(self, destination: str, lane: str) -> tuple[Work, Delivery] | None:
        """Lease the most urgent, then smallest, due delivery of a lane; None when nothing is due.

        What the destination never takes is left out on the way.
        """
        while claimed := self._ledger.claim(_work_kind(destination, lane)):
            with self._database.read() as connection:
                (found,) = read_deliveries(connection, _OF_WORK, _of(claimed))
                is_wanted = not self.declined.leaves_out(connection, destination, found.what)
            if is_wanted:
                return claimed, found
            with self._database.write() as connection:
                self._ledger.finish(connection, claimed)
                leave_out(connection, claimed.work_id, self._clock.now())
        return None

    def renew(self, work: Work) -> None:
        """Keep the lease while a long sending runs. Raises FenceLost."""
        self._ledger.renew(work)

    def acknowledge(self, work: Work, delivery: Delivery, acknowledgement: Acknowledgement) -> None:
        """COMMIT 3: the peer has it. Raises FenceLost."""
        with self._database.write() as connection:
            self._ledger.finish(connection, work)
            _update(
                connection,
                work,
                acknowledged_at=acknowledgement.at,
                status=acknowledgement.status,
                peer=acknowledgement.peer,
                sent_bytes=acknowledgement.sent_bytes,
            )
            self.declined.note_taken(connection, delivery.destination, delivery.what)
            # Where its study waits for a proof of others, this one does not wait as long.
            kind = commitment_kind(delivery.destination)
            self._ledger.hasten(connection, kind=kind, key=delivery.instance.study_instance_uid)
            said = {"last_success_at": acknowledgement.at, "last_error": None}
            _note(connection, delivery.destination, said, reachable=True, at=acknowledgement.at)

    def postpone(self, work: Work, *, seconds: float, error: str, forgive: bool = False) -> None:
        """The peer could not take it now: again in ``seconds``, without limit. Raises FenceLost.

        ``forgive``: nobody answers there, which is not this delivery's fault, so the attempt does not count.
        """
        self._ledger.postpone(work, seconds=seconds, error=error, forgive=forgive)
        with self._database.write() as connection:
            _note(connection, _destination_of(work), {"last_error": error}, reachable=False, at=self._clock.now())

    def refuse(self, work: Work, *, status: str, error: str) -> None:
        """The peer will not take this one: a person must look. Raises FenceLost."""
        now, answered = self._clock.now(), None if status == DAMAGED else True
        with self._database.write() as connection:
            self._ledger.refuse(connection, work, error=error)
            _update(connection, work, status=status, refused_at=now)
            what = connection.execute(sa.select(tables.delivery.c.what).where(_OF_WORK), _of(work)).scalar_one()
            self.declined.note_refused(connection, _destination_of(work), what, status=status, error=error)
            _note(connection, _destination_of(work), {"last_error": error}, reachable=answered, at=now)

    def note_look(self, destination: str, error: str | None) -> None:
        """How a look at a destination ended that was no delivery; None: it answered. Writes only what is new."""
        known = tables.destination.c
        query = sa.select(known.reachable, known.last_error).where(known.name == destination)
        with self._database.read() as connection:
            before = connection.execute(query).one_or_none()
        if before is not None and tuple(before) == (error is None, error):
            return
        with self._database.write() as connection:
            _note(connection, destination, {"last_error": error}, reachable=error is None, at=self._clock.now())

    def promote_study(self, connection: sa.Connection, study_instance_uid: str) -> None:
        """Make all that is still to be sent of a study urgent. What is urgent stays so."""
        query = sa.select(tables.delivery.c.work_kind, tables.delivery.c.sop_instance_uid).where(
            tables.delivery.c.study_instance_uid == study_instance_uid, tables.delivery.c.acknowledged_at.is_(None)
        )
        rows = connection.execute(query).all()
        kinds = sorted({row.work_kind for row in rows})
        keys = sorted({row.sop_instance_uid for row in rows})
        self._ledger.promote(connection, kinds=kinds, keys=keys, rank=URGENT_RANK)

    def of_study(self, study_instance_uid: str) -> list[Delivery]:
        """Every delivery of a study, in order of queueing."""
        return self._select(tables.delivery.c.study_instance_uid == study_instance_uid)

    def of_studies(self, study_instance_uids: Iterable[str]) -> dict[str, list[Delivery]]:
        """The same for many studies; one without deliveries has an empty list."""
        by_study: dict[str, list[Delivery]] = {uid: [] for uid in study_instance_uids}
        for found in self._select(tables.delivery.c.study_instance_uid.in_(list(by_study))):
            by_study[found.instance.study_instance_uid].append(found)
        return by_study

    def unsent_studies(self, state: DeliveryState, *, limit: int = 1000) -> list[str]:
        """The newest studies with a delivery in ``state``; WAITING counts those that are being sent."""
        states = ("waiting", "working") if state is DeliveryState.WAITING else ("refused",)
        delivery = tables.delivery.c
        query = (
            sa.select(delivery.study_instance_uid)
            .select_from(joined())
            .where(is_open(), tables.work.c.state.in_(states))
            .group_by(delivery.study_instance_uid)
            .order_by(sa.func.max(delivery.delivery_id).desc())
        )
        with self._database.read() as connection:
            return list(connection.scalars(query.limit(limit)))

    def stuck(self) -> list[tuple[str, int, str]]:
        """By destination, how many deliveries it did not take MANY_ATTEMPTS times although it answered; one error."""
        work, delivery = tables.work.c, tables.delivery.c
        query = (
            sa.select(delivery.destination, sa.func.count(), sa.func.max(work.error))
            .select_from(joined())
            .where(delivery.acknowledged_at.is_(None), work.state == "waiting", work.attempt >= MANY_ATTEMPTS)
            .group_by(delivery.destination)
            .order_by(delivery.destination)
        )
        with self._database.read() as connection:
            return [(name, count, error or "") for name, count, error in connection.execute(query)]

    def summary(self) -> QueueSummary:
        counts = (
            sa.select(tables.work.c.state, sa.func.count(), sa.func.min(tables.delivery.c.delivery_id))
            .select_from(joined())
            .where(is_open())
            .group_by(tables.work.c.state)
        )
        number = tables.delivery.c.delivery_id
        newest = sa.select(number).select_from(joined()).where(is_refused()).order_by(number.desc()).limit(MOST_SHOWN)
        with self._database.read() as connection:
            by_state = {state: (count, first) for state, count, first in connection.execute(counts)}
            waiting, oldest = by_state.get("waiting", (0, None))
            oldest_at = sa.select(tables.delivery.c.queued_at).where(tables.delivery.c.delivery_id == oldest)
            return QueueSummary(
                waiting=waiting,
                sending=by_state.get("working", (0, None))[0],
                refused=read_deliveries(connection, number.in_(connection.scalars(newest).all())),
                refused_count=by_state.get("refused", (0, None))[0],
                oldest_waiting_at=connection.scalar(oldest_at),
                destinations=[
                    DestinationSummary(
                        name=row.name,
                        reachable=row.reachable is not False,
                        last_success_at=row.last_success_at,
                        last_error=row.last_error,
                    )
                    for row in connection.execute(_tried_destinations())
                ],
                left_out=self.declined.all(),
            )

    def retry(self, delivery_id: int) -> bool:
        """Try a refused delivery again now. False: there is no such refused delivery.

        One that was left out is sent with all that was left out there.
        """
        for found in self._select(tables.delivery.c.delivery_id == delivery_id):
            if found.state is DeliveryState.LEFT_OUT:
                return bool(self.declined.forget(found.destination))
            return self._ledger.retry(found.work_id)
        return False

    def retry_all_refused(self) -> int:
        """Try all again now that was refused or left out; how many."""
        return sum(self._ledger.retry(found.work_id) for found in self._select(is_refused())) + self.declined.forget()

    def _select(self, condition: sa.ColumnElement[bool]) -> list[Delivery]:
        with self._database.read() as connection:
            return read_deliveries(connection, condition)


def _work_kind(name: str, lane: str) -> str:
    return f"deliver/{name}/{lane}"


def commitment_kind(destination: str) -> str:
    """The kind of work that proves what ``destination`` acknowledged; its key is the Study Instance UID."""
    return f"commit/{destination}"


def _destination_of(work: Work) -> str:
    return work.kind.removeprefix("deliver/").rpartition("/")[0]


def _tried_destinations() -> sa.Select[Any]:
    known = tables.destination.c
    tried = sa.or_(known.last_success_at.is_not(None), known.reachable.is_not(None), known.last_error.is_not(None))
    return sa.select(tables.destination).where(tried).order_by(known.name)


# The delivery of a piece of work, by the one index that has it among a million. Put together once: that takes longer
# than to execute it.
_OF_DESTINATION: sa.BindParameter[str] = sa.bindparam("of_destination")
_OF_WORK = sa.and_(
    tables.delivery.c.destination == _OF_DESTINATION, tables.delivery.c.sop_instance_uid == sa.bindparam("of_uid")
)
_UPDATE = sa.update(tables.delivery).where(_OF_WORK)
_UPDATE_DESTINATION = sa.update(tables.destination).where(tables.destination.c.name == _OF_DESTINATION)


def _of(work: Work) -> dict[str, object]:
    return {"of_destination": _destination_of(work), "of_uid": work.key}


def _update(connection: sa.Connection, work: Work, **values: object) -> None:
    connection.execute(_UPDATE, _of(work) | values)


def _note(
    connection: sa.Connection, name: str, values: Mapping[str, Any], *, reachable: bool | None, at: datetime
) -> None:
    """Keep how a try ended; ``reachable`` is None where it says nothing of the link."""
    told = {"of_destination": name, **values}
    if connection.execute(_UPDATE_DESTINATION, told).rowcount == 0:
        insert_new(connection, tables.destination, {"name": name})
        connection.execute(_UPDATE_DESTINATION, told)
    if reachable is not None:
        error = values["last_error"]
        note_link(connection, LinkChange(destination=name, reachable=reachable, at=at, error=error))
