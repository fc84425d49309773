"""Which films the PACS is proved to have, and the files that were deleted for it. Knows no age, disk or question.

A purge is three steps, each harmless to repeat: the row that says that the file goes (``mark``), the file (the spool's
``erase``), the row that says that it went (``note_erased``). Who is killed in between goes on at ``standing``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.dicom.instance import InstanceRef, SpooledFile
from dicom_router.store import tables
from dicom_router.store.database import Database, insert_new
from dicom_router.store.tables import REFUSED, WAITING, WORKING, arrival, delivery, instance_of, purged, spooled_of

MOST_LISTED = 10_000  # in one statement; what came after them waits until they are read

# What a station may say of its studies (a query of Study Instance UIDs): these are not to be touched.
Withheld = sa.Select[tuple[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenFile:
    """A file that can go: an original film, or an object made of it."""

    instance: InstanceRef
    spooled: SpooledFile
    is_original: bool


class Purges:
    """``originals``: every destination that takes original films; ``others``: those that take anything else.

    ``read_kind`` is the ledger's kind of the work on an arrival, whose key begins with the arrival's number. Only films
    in the spool at hand, ``spool_id``, are looked at.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        originals: Sequence[str],
        others: Sequence[str] = (),
        read_kind: str = "read",
        spool_id: str | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._originals = originals
        self._others = others
        self._read_kind = read_kind
        self._spool_id = spool_id

    def proven(self, withheld: Withheld, *, before: datetime | None = None, limit: int) -> list[str]:
        """The UIDs of the studies of which films can go, in order of arrival, the first ``limit``.

        ``before``: the last of these films was received until then.
        """
        with self._database.read() as connection:
            first = sa.func.min(arrival.c.arrival_id)
            studies = (
                sa.select(arrival.c.study_instance_uid)
                .where(*self._can_go(connection, withheld))
                .group_by(arrival.c.study_instance_uid)
                .order_by(first)
                .limit(limit)
            )
            if before is not None:
                studies = studies.having(sa.func.max(arrival.c.received_at) <= before)
            return list(connection.scalars(studies))

    def proven_bytes(self, withheld: Withheld, *, since: datetime | None = None) -> int:
        """How much the films that can go take; those received from ``since`` on alone."""
        with self._database.read() as connection:
            wanted = [*self._can_go(connection, withheld), *([] if since is None else [arrival.c.received_at >= since])]
            return int(connection.scalar(sa.select(_bytes(arrival)).where(*wanted)) or 0)

    def files(self, connection: sa.Connection, study_instance_uid: str, withheld: Withheld) -> list[ProvenFile]:
        """What of a study can go now: its proven films, and the objects made of them that a destination has proved,
        or that none takes."""
        mine = arrival.c.study_instance_uid == study_instance_uid
        films = connection.execute(sa.select(arrival).where(mine, *self._can_go(connection, withheld))).all()
        if not films:
            return []
        made = sa.select(delivery).where(
            delivery.c.study_instance_uid == study_instance_uid,
            delivery.c.what != "original",
            sa.or_(_is_committed(delivery), _is_left_out_everywhere()),
            ~_is_purged(delivery),
        )
        rows = [(row, True) for row in films] + [(row, False) for row in connection.execute(made)]
        by_key = {
            row.spool_key: ProvenFile(instance=instance_of(row), spooled=spooled_of(row), is_original=is_original)
            for row, is_original in rows
        }
        return list(by_key.values())

    def mark(self, connection: sa.Connection, files: Iterable[ProvenFile], headers: Mapping[str, bytes]) -> None:
        """Step one, in the caller's transaction: these files are to be deleted. ``headers`` by their keys."""
        for one in files:
            row = {"spool_key": one.spooled.key, "purged_at": self._clock.now(), "size_bytes": one.spooled.size_bytes}
            kept = {"header": headers.get(one.spooled.key), "erased": False, "spool_id": self._spool_id}
            insert_new(connection, purged, row | kept)

    def standing(self) -> list[str]:
        """The keys of the files that are to be deleted and may still be there."""
        with self._database.read() as connection:
            mine = purged.c.spool_id.is_not_distinct_from(self._spool_id)
            return list(connection.scalars(sa.select(purged.c.spool_key).where(sa.not_(purged.c.erased), mine)))

    def note_erased(self, keys: Sequence[str]) -> None:
        """Step three: these files are gone."""
        with self._database.write() as connection:
            connection.execute(sa.update(purged).where(purged.c.spool_key.in_(keys)).values(erased=True))

    def _can_go(self, connection: sa.Connection, withheld: Withheld) -> list[sa.ColumnElement[bool]]:
        """Conditions on an arrival. Without a destination that takes originals none can go."""
        study, other = arrival.c.study_instance_uid, arrival.alias()
        of_study = tables.delivery.alias()
        unproved = sa.or_(
            sa.and_(
                of_study.c.destination.in_(self._originals),
                ~_is_committed(of_study),
                of_study.c.left_out_at.is_(None),
            ),
            sa.and_(
                of_study.c.destination.in_(self._others),
                of_study.c.acknowledged_at.is_(None),
                of_study.c.left_out_at.is_(None),
            ),
        )
        return [
            sa.true() if self._originals else sa.false(),
            ~arrival.c.quarantined,
            ~_is_purged(arrival),
            ~self._is_elsewhere(arrival),
            *(_is_proved_at(name) for name in self._originals),
            ~sa.exists().where(of_study.c.study_instance_uid == study, unproved),
            ~sa.exists().where(
                other.c.study_instance_uid == study, sa.or_(other.c.quarantined, self._is_elsewhere(other))
            ),
            self._is_read(connection),
            study.not_in(withheld),
        ]

    def _is_elsewhere(self, row: sa.FromClause) -> sa.ColumnElement[bool]:
        return row.c.spool_id.is_distinct_from(self._spool_id)

    def _is_read(self, connection: sa.Connection) -> sa.ColumnElement[bool]:
        """Nobody reads the arrival now, or shall read it, for the first time or again."""
        work = tables.work.c
        states = sa.or_(work.state == WAITING, work.state == WORKING, work.state == REFUSED)
        keys = connection.scalars(sa.select(work.key).where(work.kind == self._read_kind, states))
        unread = sorted({int(key.partition("/")[0]) for key in keys})
        listed, rest = unread[:MOST_LISTED], unread[MOST_LISTED:]
        return sa.and_(arrival.c.arrival_id.not_in(listed), *(arrival.c.arrival_id < first for first in rest[:1]))


def _is_committed(row: sa.FromClause) -> sa.ColumnElement[bool]:
    """The destination of this delivery has proved that it keeps the object. The only place that asks it."""
    return sa.and_(row.c.acknowledged_at.is_not(None), row.c.committed_at.is_not(None))


def _is_proved_at(destination: str) -> sa.ColumnElement[bool]:
    here = delivery.alias()
    same = here.c.sop_instance_uid == arrival.c.sop_instance_uid
    return sa.exists().where(here.c.destination == destination, same, here.c.what == "original", _is_committed(here))


def _is_left_out_everywhere() -> sa.ColumnElement[bool]:
    """No destination takes this object: nobody will ask for it any more when its film is gone."""
    elsewhere = delivery.alias()
    same = elsewhere.c.sop_instance_uid == delivery.c.sop_instance_uid
    return ~sa.exists().where(same, elsewhere.c.left_out_at.is_(None))


def _is_purged(row: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.exists().where(purged.c.spool_key == row.c.spool_key)


def _bytes(row: sa.FromClause) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(row.c.size_bytes), 0)
