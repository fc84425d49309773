"""The router's tables. Only ledger, inbox, outbox, spools and refusals look at them; migrations/ makes them."""

from typing import Any

import sqlalchemy as sa

from dicom_router.dicom.instance import InstanceRef, SpooledFile
from dicom_router.store.database import OutsideText, UtcDateTime

metadata = sa.MetaData()

# AUTOINCREMENT on SQLite: a number is never given twice, so that order by number is order of arrival for ever.
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

WAITING = sa.literal_column("'waiting'", sa.Text)
WORKING = sa.literal_column("'working'", sa.Text)
DONE = sa.literal_column("'done'", sa.Text)
REFUSED = sa.literal_column("'refused'", sa.Text)

work = sa.Table(
    "work",
    metadata,
    sa.Column("work_id", _Number, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", OutsideText, nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    # waiting: NULL = now, else not before; working: the end of the lease; else NULL
    sa.Column("due_at", UtcDateTime),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("node", sa.Text),
    sa.Column("error", OutsideText),
    sa.Column("spool_id", sa.Text),  # where its file lies: only who has that spool claims it
    sa.UniqueConstraint("kind", "key", name="work_kind_key"),
    sa.CheckConstraint("state IN ('waiting', 'working', 'done', 'refused')", name="work_state"),
    sqlite_autoincrement=True,
)
# Partial, so that a million finished rows cost a claim nothing. A query uses them only when it names the state
# literally, not by a parameter: hence the constants above.
_ready = sa.and_(work.c.state == WAITING, work.c.due_at.is_(None))
_timed = work.c.due_at.is_not(None)
_refused = work.c.state == REFUSED
sa.Index(
    "work_ready",
    work.c.kind,
    work.c.rank,
    work.c.size,
    work.c.work_id,
    sqlite_where=_ready,
    postgresql_where=_ready,
)
sa.Index("work_timed", work.c.kind, work.c.state, work.c.due_at, sqlite_where=_timed, postgresql_where=_timed)
sa.Index("work_refused", work.c.kind, work.c.key, sqlite_where=_refused, postgresql_where=_refused)


_INSTANCE = ("sop_instance_uid", "sop_class_uid", "study_instance_uid", "series_instance_uid", "transfer_syntax_uid")


def _instance_columns() -> list[sa.Column[str]]:
    return [sa.Column(name, OutsideText, nullable=False) for name in _INSTANCE]


def _spooled_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("spool_key", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
    ]


arrival = sa.Table(
    "arrival",
    metadata,
    sa.Column("arrival_id", _Number, primary_key=True),
    *_instance_columns(),
    *_spooled_columns(),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("calling_ae_title", OutsideText, nullable=False),
    sa.Column("peer_host", OutsideText, nullable=False),
    sa.Column("quarantined", sa.Boolean, nullable=False),
    sa.Column("spool_id", sa.Text),
    sa.UniqueConstraint("sop_instance_uid", "sha256", name="arrival_content"),
    sqlite_autoincrement=True,
)
_accepted = sa.not_(arrival.c.quarantined)
sa.Index(
    "arrival_accepted", arrival.c.sop_instance_uid, unique=True, sqlite_where=_accepted, postgresql_where=_accepted
)
sa.Index(
    "arrival_quarantined",
    arrival.c.arrival_id,
    sqlite_where=arrival.c.quarantined,
    postgresql_where=arrival.c.quarantined,
)
sa.Index("arrival_study", arrival.c.study_instance_uid)

delivery = sa.Table(
    "delivery",
    metadata,
    sa.Column("delivery_id", _Number, primary_key=True),
    sa.Column("destination", sa.Text, nullable=False),
    *_instance_columns(),
    *_spooled_columns(),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("work_kind", sa.Text, nullable=False),  # its work row is (work_kind, sop_instance_uid)
    sa.Column("queued_at", UtcDateTime, nullable=False),
    sa.Column("acknowledged_at", UtcDateTime),
    sa.Column("refused_at", UtcDateTime),
    sa.Column("status", OutsideText),
    sa.Column("peer", OutsideText),
    sa.Column("sent_bytes", sa.BigInteger),
    sa.Column("missing_at", UtcDateTime),  # acknowledged once, and then not there: it was sent again
    sa.Column("committed_at", UtcDateTime),
    sa.Column("committed_by", sa.Text),
    sa.Column("left_out_at", UtcDateTime),  # not sent, for the destination never takes its kind: see ``declined``
    sa.UniqueConstraint("destination", "sop_instance_uid", name="delivery_once"),
    sqlite_autoincrement=True,
)
_open = sa.and_(delivery.c.acknowledged_at.is_(None), delivery.c.left_out_at.is_(None))
sa.Index("delivery_open", delivery.c.delivery_id, sqlite_where=_open, postgresql_where=_open)
sa.Index("delivery_study", delivery.c.study_instance_uid, delivery.c.what, delivery.c.acknowledged_at)
sa.Index("delivery_waited", delivery.c.acknowledged_at, delivery.c.queued_at)
_unproved = sa.and_(delivery.c.acknowledged_at.is_not(None), delivery.c.committed_at.is_(None))
sa.Index(
    "delivery_unproved",
    delivery.c.destination,
    delivery.c.study_instance_uid,
    delivery.c.acknowledged_at,
    sqlite_where=_unproved,
    postgresql_where=_unproved,
)

# What a destination was asked about an acknowledged delivery that is not committed yet; gone when it is.
inquiry = sa.Table(
    "inquiry",
    metadata,
    sa.Column("inquiry_id", _Number, primary_key=True),
    sa.Column("delivery_id", _Number, nullable=False),
    sa.Column("transaction_uid", sa.Text),  # NULL: it was looked up
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("answer", sa.Integer),  # 0: it is there; else a Failure Reason, PS3.3 C.14.1.1; NULL: none yet
    sa.Index("inquiry_delivery", "delivery_id"),
    sa.Index("inquiry_transaction", "transaction_uid"),
    sqlite_autoincrement=True,
)

# The spools that rows point into: one, unless several stations stand on this database.
spool = sa.Table(
    "spool",
    metadata,
    sa.Column("spool_id", sa.Text, primary_key=True),
    sa.Column("ae_title", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
)

# Files deleted on purpose, by their key in the spool: a file that is missing and not named here is lost. ``erased``: it
# is gone from the disk; until then it is to be deleted. ``header``: a Part 10 file of the header alone, if it had one.
purged = sa.Table(
    "purged",
    metadata,
    sa.Column("spool_key", sa.Text, primary_key=True),
    sa.Column("purged_at", UtcDateTime, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("header", sa.LargeBinary),
    sa.Column("erased", sa.Boolean, nullable=False),
    sa.Column("spool_id", sa.Text),
)
_standing = sa.not_(purged.c.erased)
sa.Index("purged_standing", purged.c.spool_key, sqlite_where=_standing, postgresql_where=_standing)

destination = sa.Table(
    "destination",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("last_success_at", UtcDateTime),
    sa.Column("last_error", OutsideText),
    sa.Column("reachable", sa.Boolean),  # at the last try; NULL: not known
    sa.Column("settings", sa.Text),  # a hash of its table in station.toml at the last start
)

# Kinds of objects that a destination never takes. ``tried_at``: when the last one was sent, and refused.
declined = sa.Table(
    "declined",
    metadata,
    sa.Column("declined_id", _Number, primary_key=True),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("tried_at", UtcDateTime, nullable=False),
    sa.Column("status", OutsideText, nullable=False),
    sa.Column("error", OutsideText, nullable=False),
    sa.UniqueConstraint("destination", "what", name="declined_kind"),
    sqlite_autoincrement=True,
)

# A row for each change of destination.reachable, so that an idle or silent link writes nothing.
link_change = sa.Table(
    "link_change",
    metadata,
    sa.Column("link_change_id", _Number, primary_key=True),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("reachable", sa.Boolean, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("error", OutsideText),
    sa.Index("link_change_at", "at"),
    sqlite_autoincrement=True,
)

# What each machine was refused: few rows, see refusals.py. ``station``: the spool of the one that refused.
refusal = sa.Table(
    "refusal",
    metadata,
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("station", sa.Text, nullable=False),
    *(
        sa.Column(name, OutsideText, nullable=False)
        for name in ("ae_title", "host", "reason", "detail", "sop_instance_uid")
    ),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("returns", sa.Integer, nullable=False),
    sa.Column("first_at", UtcDateTime, nullable=False),
    sa.Column("last_at", UtcDateTime, nullable=False),
    sa.Column("standing", sa.Boolean, nullable=False),
)


def instance_of(row: sa.Row[Any]) -> InstanceRef:
    """The instance that a row of arrival or delivery names."""
    return InstanceRef(**{name: getattr(row, name) for name in _INSTANCE})


def spooled_of(row: sa.Row[Any]) -> SpooledFile:
    """The file that a row of arrival or delivery points to."""
    return SpooledFile(key=row.spool_key, sha256=row.sha256, size_bytes=row.size_bytes)


def spooled_columns(spooled: SpooledFile) -> dict[str, object]:
    """The reverse of ``spooled_of``."""
    return {"spool_key": spooled.key, "sha256": spooled.sha256, "size_bytes": spooled.size_bytes}
