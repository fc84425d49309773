"""The queue of work: claims, leases, retries, completion; each piece done once, none lost. Knows no DICOM.

A piece of work is a row (kind, key). A claim leases it, counts the attempt and raises its fence; whoever finishes must
hold that fence, in the transaction that writes the result. A worker that dies leaves a lease that runs out.

Time is not trusted: a lease or a due time further ahead than we ever set one means that the clock stepped back, and
counts as due; order is by rank, size and number, never by time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.errors import FenceLost
from dicom_router.store.database import Database, insert_new
from dicom_router.store.tables import DONE, REFUSED, WAITING, WORKING
from dicom_router.store.tables import work as table

LONGEST_POSTPONEMENT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A claimed piece of work. ``attempt`` counts this try, from 1; ``fence`` is the proof of the claim."""

    work_id: int
    kind: str
    key: str
    attempt: int
    fence: int
    lease_until: datetime


class Ledger:
    """The one work table. ``node`` names who claims: nobody else alive may have that name.

    ``spool_id`` is the spool at hand: work is added for it, and only its work is claimed; another's waits.
    """

    def __init__(
        self, database: Database, *, clock: Clock, node: str, spool_id: str | None = None, lease_seconds: float = 60
    ) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self.spool_id = spool_id
        self._lease = timedelta(seconds=lease_seconds)

    def enqueue(self, connection: sa.Connection, *, kind: str, key: str, rank: int = 100, size: int = 0) -> bool:
        """Add work, due at once. Lower ranks first, then smaller sizes, then older. False: it was there already."""
        values = {"kind": kind, "key": key, "rank": rank, "size": size, "state": "waiting", "attempt": 0, "fence": 0}
        return insert_new(connection, table, values | {"spool_id": self.spool_id}) is not None

    def claim(self, kind: str) -> Work | None:
        """Lease the first due piece of work, or None. Writes nothing when nothing is due."""
        now, far = self._clock.now(), timedelta(seconds=2 * LONGEST_POSTPONEMENT_SECONDS)
        which = {"of_kind": kind, "at_hand": self.spool_id, "now": now}
        which |= {"far_lease": now + 2 * self._lease, "far_wait": now + far}
        with self._database.read() as connection:
            is_ready, is_overdue = connection.execute(_IS_DUE, which).one()
        if not is_ready and not is_overdue:
            return None
        with self._database.write() as connection:
            if is_overdue:
                connection.execute(_MAKE_READY, which)
            until = self._clock.now() + self._lease  # counted from here: the turn to write may have been waited for
            row = connection.execute(_CLAIM_FIRST, which | {"until": until, "by": self._node}).one_or_none()
        return None if row is None else Work(**row._asdict(), lease_until=until)

    def _is_at_hand(self) -> sa.ColumnElement[bool]:
        return table.c.spool_id.is_not_distinct_from(self.spool_id)

    def renew(self, work: Work) -> None:
        """Extend the lease from now. Raises FenceLost."""
        with self._database.write() as connection:
            _settle(connection, work, _HELD, due_at=self._clock.now() + self._lease)

    def finish(self, connection: sa.Connection, work: Work) -> None:
        """Done, in the caller's transaction, which must be rolled back on FenceLost."""
        _settle(connection, work, _FINISH, due_at=None, node=None, error=None)

    def postpone(self, work: Work, *, seconds: float, error: str | None, forgive: bool = False) -> None:
        """Give it back, to be claimed again in ``seconds`` (an hour at the most). Raises FenceLost.

        ``forgive`` gives the attempt back: the cause (a full disk) lies not in this work.
        """
        delay = timedelta(seconds=min(max(seconds, 0.0), LONGEST_POSTPONEMENT_SECONDS))
        due_at = self._clock.now() + delay
        with self._database.write() as connection:
            _settle(connection, work, _FORGIVE if forgive else _POSTPONE, due_at=due_at, node=None, error=error)

    def refuse(self, connection: sa.Connection, work: Work, *, error: str) -> None:
        """Set it aside until a person asks for it again. Raises FenceLost."""
        _settle(connection, work, _REFUSE, due_at=None, node=None, error=error)

    def reopen(self, connection: sa.Connection, *, kind: str, key: str, refused_for: str | None = None) -> bool:
        """Done work turns out not to be done: due now with its attempts forgotten, or set aside for a person.

        False: there is no such done work.
        """
        state, error = (WAITING, None) if refused_for is None else (REFUSED, refused_for)
        again = (
            sa.update(table)
            .where(table.c.kind == kind, table.c.key == key, table.c.state == DONE)
            .values(state=state, due_at=None, attempt=0, error=error)
        )
        return connection.execute(again).rowcount == 1

    def hasten(self, connection: sa.Connection, *, kind: str, key: str) -> None:
        """What waits for a time waits no more."""
        connection.execute(_HASTEN, {"of_kind": kind, "of_key": key})

    def promote(self, connection: sa.Connection, *, kinds: Sequence[str], keys: Sequence[str], rank: int) -> None:
        """Make unfinished work as urgent as ``rank``; what is more urgent already stays so."""
        chosen = (
            sa.select(table.c.work_id)
            .where(table.c.kind.in_(kinds), table.c.key.in_(keys), table.c.rank > rank, table.c.state != DONE)
            .order_by(table.c.work_id)  # one order of locking for all
            .with_for_update()
        )
        connection.execute(sa.update(table).where(table.c.work_id.in_(chosen)).values(rank=rank))

    def retry(self, work_id: int) -> bool:
        """Refused work becomes due now, with its attempts forgotten. False: there is no such refused work."""
        again = (
            sa.update(table)
            .where(table.c.work_id == work_id, table.c.state == REFUSED)
            .values(state=WAITING, due_at=None, attempt=0)
        )
        with self._database.write() as connection:
            return connection.execute(again).rowcount == 1

    def repeat(self, connection: sa.Connection, *, kind: str, key: str, rank: int) -> bool:
        """Make work that was done or refused due again, with its attempts forgotten. False: there is none such."""
        again = (
            sa.update(table)
            .where(table.c.kind == kind, table.c.key == key, table.c.state.in_(("done", "refused")))
            .values(state=WAITING, due_at=None, attempt=0, rank=rank)
        )
        return connection.execute(again).rowcount == 1

    def is_queued(self, *, kind: str, keys: Sequence[str]) -> bool:
        """Whether any of this work is waiting or being done."""
        unfinished = sa.and_(table.c.kind == kind, table.c.key.in_(keys), table.c.state.in_(("waiting", "working")))
        with self._database.read() as connection:
            return bool(connection.scalar(sa.select(sa.exists().where(unfinished))))

    def free_leases(self, *, forgive: bool) -> int:
        """At start: make ready what this node held when it died; how many.

        ``forgive`` gives the attempt back: the whole station died, which is not this work's fault.
        """
        mine = sa.and_(table.c.due_at.is_not(None), table.c.state == WORKING, table.c.node == self._node)
        freed = sa.update(table).where(mine).values(state=WAITING, due_at=None, node=None)
        if forgive:
            freed = freed.values(attempt=table.c.attempt - 1)
        with self._database.write() as connection:
            return connection.execute(freed).rowcount

    def elsewhere(self) -> int:
        """How much unfinished work waits for a station that has another spool."""
        unfinished = (sa.and_(table.c.state == WAITING, table.c.due_at.is_(None)), table.c.due_at.is_not(None))
        with self._database.read() as connection:
            return sum(
                connection.execute(
                    sa.select(sa.func.count()).select_from(table).where(condition, ~self._is_at_hand())
                ).scalar_one()
                for condition in unfinished
            )

    def problem(self, kind: str) -> str:
        """Why unfinished work of this kind was put off the last time; nothing when none was."""
        timed = sa.and_(table.c.kind == kind, table.c.due_at.is_not(None), table.c.error.is_not(None))
        with self._database.read() as connection:
            return connection.scalar(sa.select(table.c.error).where(timed).limit(1)) or ""

    def unfinished(self, kind: str) -> int:
        """How much work of this kind is waiting or being done."""
        timed = sa.and_(table.c.kind == kind, table.c.due_at.is_not(None))
        with self._database.read() as connection:
            return sum(
                connection.execute(sa.select(sa.func.count()).select_from(table).where(condition)).scalar_one()
                for condition in (_ready(kind), timed)
            )


def _ready(kind: str | sa.BindParameter[str]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.kind == kind, table.c.state == WAITING, table.c.due_at.is_(None))


def _overdue(kind: sa.BindParameter[str]) -> sa.ColumnElement[bool]:
    """Leases run out and postponements over, or so far ahead that the clock must have stepped back.

    A lease may be up to twice its length ahead, so that nodes whose clocks differ by seconds do not rob each other.
    """
    timed = sa.and_(table.c.kind == kind, table.c.due_at.is_not(None))
    cases = []
    for state, far in ((WORKING, "far_lease"), (WAITING, "far_wait")):
        cases.append(sa.and_(timed, table.c.state == state, table.c.due_at <= sa.bindparam("now")))
        cases.append(sa.and_(timed, table.c.state == state, table.c.due_at > sa.bindparam(far)))
    return sa.or_(*cases)


def _claim_first(ready: sa.ColumnElement[bool]) -> sa.Executable:
    first = (
        sa.select(table.c.work_id)
        .where(ready)
        .order_by(table.c.rank, table.c.size, table.c.work_id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    held = {"state": WORKING, "due_at": sa.bindparam("until"), "node": sa.bindparam("by")}
    return (
        sa.update(table)
        .where(table.c.work_id == first)
        .values(**held, attempt=table.c.attempt + 1, fence=table.c.fence + 1)
        .returning(table.c.work_id, table.c.kind, table.c.key, table.c.attempt, table.c.fence)
    )


def _make_ready(overdue: sa.ColumnElement[bool]) -> sa.Update:
    chosen = sa.select(table.c.work_id).where(overdue).with_for_update(skip_locked=True)
    return sa.update(table).where(table.c.work_id.in_(chosen)).values(state=WAITING, due_at=None, node=None)


# What every piece of work is asked and told, put together once: that takes longer than to execute it.
_OF_KIND: sa.BindParameter[str] = sa.bindparam("of_kind")
_AT_HAND = table.c.spool_id.is_not_distinct_from(sa.bindparam("at_hand"))
_DUE = (sa.and_(_ready(_OF_KIND), _AT_HAND), sa.and_(_overdue(_OF_KIND), _AT_HAND))
_IS_DUE = sa.select(sa.exists().where(_DUE[0]), sa.exists().where(_DUE[1]))
_CLAIM_FIRST, _MAKE_READY = _claim_first(_DUE[0]), _make_ready(_DUE[1])
_HASTEN = (
    sa.update(table)
    .where(table.c.kind == _OF_KIND, table.c.key == sa.bindparam("of_key"), table.c.state == WAITING)
    .values(due_at=None)
)
_HELD = sa.update(table).where(
    table.c.work_id == sa.bindparam("claimed"), table.c.fence == sa.bindparam("held"), table.c.state == WORKING
)
_FINISH, _POSTPONE, _REFUSE = (_HELD.values(state=state) for state in (DONE, WAITING, REFUSED))
_FORGIVE = _POSTPONE.values(attempt=table.c.attempt - 1)


def _settle(connection: sa.Connection, claimed: Work, held: sa.Update, **values: object) -> None:
    which = {"claimed": claimed.work_id, "held": claimed.fence}
    if connection.execute(held, which | values).rowcount != 1:
        raise FenceLost(f"{claimed.kind} {claimed.key}: the lease of attempt {claimed.attempt} ran out")
