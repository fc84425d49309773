"""When each destination became unreachable or reachable, and how long things waited. Decides nothing."""

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from dicom_router.store import tables
from dicom_router.store.epoch import epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChange:
    """From ``at`` on ``destination`` could be reached, or could not; ``error`` says why not."""

    destination: str
    reachable: bool
    at: datetime
    error: str | None


_KNOWN = tables.destination.c
_NEW: sa.BindParameter[bool] = sa.bindparam("new")
_TURN = (
    sa.update(tables.destination)
    .where(_KNOWN.name == sa.bindparam("of_destination"), _KNOWN.reachable.is_distinct_from(_NEW))
    .values(reachable=_NEW)
)


def note_link(connection: sa.Connection, change: LinkChange) -> None:
    """Keep how a try ended: a row only when it is another end than that of the last try."""
    ended = {"of_destination": change.destination, "new": change.reachable}
    if connection.execute(_TURN, ended).rowcount:
        connection.execute(tables.link_change.insert(), asdict(change))


def link_history(connection: sa.Connection, since: datetime) -> list[LinkChange]:
    """The changes from ``since`` on, after the last one of each destination before it; in order of happening."""
    change = tables.link_change.c
    before = sa.select(sa.func.max(change.link_change_id)).where(change.at < since).group_by(change.destination)
    wanted = sa.or_(change.at >= since, change.link_change_id.in_(before))
    found = connection.execute(sa.select(tables.link_change).where(wanted).order_by(change.link_change_id))
    return [
        LinkChange(destination=row.destination, reachable=row.reachable, at=row.at, error=row.error) for row in found
    ]


def waits(connection: sa.Connection, since: datetime, *, seconds: float) -> list[tuple[float, float | None]]:
    """(queued, acknowledged or None), in seconds since 1970, of what was not acknowledged before ``since``.

    Of what is acknowledged only that which waited at least ``seconds``.
    """
    queued, done = tables.delivery.c.queued_at, tables.delivery.c.acknowledged_at
    waited = sa.and_(done >= since, epoch(done) - epoch(queued) >= seconds)
    waits_still = sa.and_(done.is_(None), tables.delivery.c.left_out_at.is_(None))
    found = connection.execute(sa.select(epoch(queued), epoch(done)).where(sa.or_(waits_still, waited)))
    return [(start, end) for start, end in found]


def first_acknowledged(study: sa.ColumnElement[str], what: str) -> sa.ScalarSelect[datetime | None]:
    """In a query over studies: when the first object of this kind was acknowledged; NULL when none was."""
    delivery = tables.delivery.c
    mine = sa.select(sa.func.min(delivery.acknowledged_at)).where(
        delivery.study_instance_uid == study, delivery.what == what
    )
    return mine.scalar_subquery()
