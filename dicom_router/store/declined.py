"""Which kinds of objects a destination never takes, learnt from its refusals, so that they can be left out.

Learnt is a kind of results only, from several films of which the destination took something else: films and questions
are never left out, and who refuses everything (a licence that ran out) teaches nothing. Knows no network.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.store.database import Database, insert_new
from dicom_router.store.tables import DONE, REFUSED, WAITING, declined, delivery, destination, purged, work

NEVER_LEFT_OUT = frozenset({"original", "request"})
ENOUGH_FILMS, ENOUGH_AFTER_ALL = 3, 20  # refused in a row: where none was ever taken, and where some were
TRIED_AGAIN = timedelta(days=7)
# Refusals that are about one object: the file is damaged or gone, has an impossible UID, is too large.
OF_ONE_OBJECT = ("damaged", "missing", "0x0117", "HTTP 413")
AGAIN_RANK = 200  # behind what comes in now


class Declined(NamedTuple):
    """A kind (sr, sc, gsps) that ``destination`` does not take; ``status`` and ``error`` are its last words on it."""

    destination: str
    what: str
    since: datetime
    status: str
    error: str


class DeclinedKinds:
    """What is known of each destination. The outbox asks, and tells what came of every delivery."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[Declined]:
        """By destination and kind."""
        columns = (declined.c[name] for name in Declined._fields)
        query = sa.select(*columns).order_by(declined.c.destination, declined.c.what)
        with self._database.read() as connection:
            return [Declined(**row._asdict()) for row in connection.execute(query)]

    def leaves_out(self, connection: sa.Connection, name: str, what: str) -> bool:
        """Whether an object of this kind is not to be sent now. Once a week one is, to see."""
        if what in NEVER_LEFT_OUT:
            return False
        row = connection.execute(_TRIED_AT, {"of_destination": name, "of_kind": what}).one_or_none()
        # Far ahead: the clock was set back.
        return row is not None and abs(self._clock.now() - row.tried_at) < TRIED_AGAIN

    def note_taken(self, connection: sa.Connection, name: str, what: str) -> None:
        """It takes this kind after all: what was left out is sent, too."""
        if connection.execute(_TAKEN, {"of_destination": name, "of_kind": what}).rowcount:
            _send_again(connection, name, what)

    def note_refused(self, connection: sa.Connection, name: str, what: str, *, status: str, error: str) -> None:
        """One more was refused: is that enough? Then this one and all refused like it are left out."""
        if what in NEVER_LEFT_OUT or status in OF_ONE_OBJECT:
            return
        known = connection.scalar(sa.select(sa.exists().where(_kind(name, what))))
        if not known and not _is_enough(connection, name, what):
            return
        now = self._clock.now()
        said = {"tried_at": now, "status": status, "error": error}
        insert_new(connection, declined, {"destination": name, "what": what, "since": now} | said)
        connection.execute(sa.update(declined).where(_kind(name, what)).values(said))
        _leave_out_refused(connection, name, what, now)

    def forget(self, name: str | None = None) -> int:
        """Try everything again, at one destination or at all; how many objects were left out."""
        with self._database.write() as connection:
            return _forget(connection, name)

    def begin(self, settings: Mapping[str, str]) -> None:
        """At start: a destination whose ``settings`` (a hash) are others than before is another one."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(destination.c.name, destination.c.settings))
            known = {row.name: row.settings for row in rows}
        changed = {name: value for name, value in settings.items() if known.get(name) != value}
        if not changed:
            return
        with self._database.write() as connection:
            for name, value in changed.items():
                insert_new(connection, destination, {"name": name})
                mine = sa.update(destination).where(destination.c.name == name)
                connection.execute(mine.values(settings=value))
                _forget(connection, name)


def _kind(name: str | sa.BindParameter[str], what: str | sa.BindParameter[str]) -> sa.ColumnElement[bool]:
    return sa.and_(declined.c.destination == name, declined.c.what == what)


# What every delivery asks and tells, put together once.
_KIND = _kind(sa.bindparam("of_destination"), sa.bindparam("of_kind"))
_TRIED_AT, _TAKEN = sa.select(declined.c.tried_at).where(_KIND), sa.delete(declined).where(_KIND)


def leave_out(connection: sa.Connection, work_id: int, now: datetime) -> None:
    """Mark the delivery of this work, which is done, as left out."""
    mine = sa.select(delivery.c.delivery_id).select_from(_joined()).where(work.c.work_id == work_id)
    connection.execute(sa.update(delivery).where(delivery.c.delivery_id.in_(mine)).values(left_out_at=now))


def _is_enough(connection: sa.Connection, name: str, what: str) -> bool:
    mine = _deliveries(name, what)
    evidence = (
        sa.select(delivery.c.study_instance_uid, sa.func.max(delivery.c.delivery_id).label("number"))
        .select_from(_joined())
        .where(mine, work.c.state == REFUSED, _about_the_kind())
        .group_by(delivery.c.study_instance_uid)
        .order_by(sa.desc("number"))
    )
    refused = connection.execute(evidence.limit(ENOUGH_AFTER_ALL)).all()
    if len(refused) < ENOUGH_FILMS:
        return False
    taken = sa.select(sa.func.max(delivery.c.delivery_id)).where(mine, delivery.c.acknowledged_at.is_not(None))
    last_taken = connection.scalar(taken) or 0
    enough = ENOUGH_AFTER_ALL if last_taken else ENOUGH_FILMS
    studies = [row.study_instance_uid for row in refused if row.number > last_taken][:enough]
    took_else = sa.select(sa.func.count(delivery.c.study_instance_uid.distinct())).where(
        delivery.c.destination == name,
        delivery.c.study_instance_uid.in_(studies),
        delivery.c.acknowledged_at.is_not(None),
    )
    # Of the newest film nothing else may have been sent yet.
    return len(studies) == enough and connection.execute(took_else).scalar_one() >= enough - 1


def _leave_out_refused(connection: sa.Connection, name: str, what: str, now: datetime) -> None:
    """All that was refused of this kind, be it of years."""
    kind = sa.and_(_deliveries(name, what), _about_the_kind())
    refused = sa.select(delivery.c.delivery_id).select_from(_joined()).where(kind, work.c.state == REFUSED)
    connection.execute(sa.update(delivery).where(delivery.c.delivery_id.in_(refused)).values(left_out_at=now))
    theirs = sa.select(work.c.work_id).select_from(_joined()).where(kind, delivery.c.left_out_at.is_not(None))
    done = sa.update(work).where(work.c.state == REFUSED, work.c.work_id.in_(theirs))
    connection.execute(done.values(state=DONE, due_at=None, node=None))


def _forget(connection: sa.Connection, name: str | None) -> int:
    kinds = sa.select(declined.c.destination, declined.c.what)
    found = connection.execute(kinds if name is None else kinds.where(declined.c.destination == name)).all()
    for row in found:
        connection.execute(sa.delete(declined).where(_kind(row.destination, row.what)))
    return sum(_send_again(connection, row.destination, row.what) for row in found)


def _send_again(connection: sa.Connection, name: str, what: str) -> int:
    """Of what was left out all that still has its file; how many."""
    gone = sa.exists().where(purged.c.spool_key == delivery.c.spool_key)
    left_out = sa.and_(_deliveries(name, what), delivery.c.left_out_at.is_not(None), ~gone)
    works = sa.select(work.c.work_id).select_from(_joined()).where(left_out)
    again = sa.update(work).where(work.c.work_id.in_(works))
    connection.execute(again.values(state=WAITING, due_at=None, attempt=0, error=None, rank=AGAIN_RANK))
    return connection.execute(sa.update(delivery).where(left_out).values(left_out_at=None)).rowcount


def _deliveries(name: str, what: str) -> sa.ColumnElement[bool]:
    return sa.and_(delivery.c.destination == name, delivery.c.what == what)


def _about_the_kind() -> sa.ColumnElement[bool]:
    return delivery.c.status.not_in(OF_ONE_OBJECT)


def _joined() -> sa.FromClause:
    same = sa.and_(work.c.kind == delivery.c.work_kind, work.c.key == delivery.c.sop_instance_uid)
    return delivery.join(work, same)
