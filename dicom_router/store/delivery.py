"""A delivery: one instance for one destination, and how it is read. Its state is that of its work in the ledger.

Knows no network, and changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from dicom_router.dicom.instance import InstanceRef, SpooledFile
from dicom_router.store import tables
from dicom_router.store.tables import instance_of, spooled_of


class DeliveryState(StrEnum):
    """Where a delivery stands. REFUSED waits for a person, all others for nobody.

    LEFT_OUT: it is of a kind that the destination never takes; of a record, the peer gets a newer one instead.
    """

    WAITING = "waiting"
    SENDING = "sending"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    LEFT_OUT = "left_out"


# By the state of its work; one that was left out is finished there.
STATES = {
    "waiting": DeliveryState.WAITING,
    "working": DeliveryState.SENDING,
    "done": DeliveryState.ACKNOWLEDGED,
    "refused": DeliveryState.REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One instance for one destination. ``what``: original, sr, sc, gsps, request; ``status``: the peer's last word.

    ``missing_at``: once acknowledged and then not there, so it was sent again. ``committed_at``: proved to be there.
    """

    delivery_id: int
    what: str
    destination: str
    instance: InstanceRef
    spooled: SpooledFile
    state: DeliveryState
    attempts: int
    last_error: str | None
    status: str | None
    queued_at: datetime
    acknowledged_at: datetime | None
    refused_at: datetime | None
    missing_at: datetime | None
    committed_at: datetime | None
    work_id: int


def joined() -> sa.FromClause:
    """Deliveries beside their work."""
    work, delivery = tables.work.c, tables.delivery.c
    same = sa.and_(work.kind == delivery.work_kind, work.key == delivery.sop_instance_uid)
    return tables.delivery.join(tables.work, same)


def is_open() -> sa.ColumnElement[bool]:
    """Neither acknowledged nor left out: by the index of these alone."""
    return sa.and_(tables.delivery.c.acknowledged_at.is_(None), tables.delivery.c.left_out_at.is_(None))


def is_refused() -> sa.ColumnElement[bool]:
    """Waits for a person."""
    return sa.and_(is_open(), tables.work.c.state == "refused")


_ALL = (
    sa.select(tables.delivery, tables.work.c.work_id, tables.work.c.state, tables.work.c.attempt, tables.work.c.error)
    .select_from(joined())
    .order_by(tables.delivery.c.delivery_id)
)


def read_deliveries(
    connection: sa.Connection, condition: sa.ColumnElement[bool], bound: Mapping[str, object] | None = None
) -> list[Delivery]:
    """Those of a condition on ``joined``, in order of queueing; ``bound`` are the values of its parameters."""
    return [_delivery(row) for row in connection.execute(_ALL.where(condition), bound or {})]


def _delivery(row: sa.Row[Any]) -> Delivery:
    return Delivery(
        delivery_id=row.delivery_id,
        what=row.what,
        destination=row.destination,
        instance=instance_of(row),
        spooled=spooled_of(row),
        state=DeliveryState.LEFT_OUT if row.left_out_at is not None else STATES[row.state],
        attempts=row.attempt,
        last_error=row.error,
        status=row.status,
        queued_at=row.queued_at,
        acknowledged_at=row.acknowledged_at,
        refused_at=row.refused_at,
        missing_at=row.missing_at,
        committed_at=row.committed_at,
        work_id=row.work_id,
    )
