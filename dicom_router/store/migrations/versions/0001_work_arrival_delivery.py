"""The first tables: work, arrival, delivery, destination."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    _make_work()
    _make_arrival()
    _make_delivery()


def _make_work() -> None:
    op.create_table(
        "work",
        sa.Column("work_id", _number, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", _time),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("node", sa.Text),
        sa.Column("error", sa.Text),
        sa.UniqueConstraint("kind", "key", name="work_kind_key"),
        sa.CheckConstraint("state IN ('waiting', 'working', 'done', 'refused')", name="work_state"),
        sqlite_autoincrement=True,
    )
    _make_partial_index(
        "work_ready", "work", ["kind", "rank", "size", "work_id"], "state = 'waiting' AND due_at IS NULL"
    )
    _make_partial_index("work_timed", "work", ["kind", "state", "due_at"], "due_at IS NOT NULL")
    _make_partial_index("work_refused", "work", ["kind", "key"], "state = 'refused'")


def _make_arrival() -> None:
    op.create_table(
        "arrival",
        sa.Column("arrival_id", _number, primary_key=True),
        *_instance_and_spooled_columns(),
        sa.Column("received_at", _time, nullable=False),
        sa.Column("calling_ae_title", sa.Text, nullable=False),
        sa.Column("peer_host", sa.Text, nullable=False),
        sa.Column("quarantined", sa.Boolean, nullable=False),
        sa.UniqueConstraint("sop_instance_uid", "sha256", name="arrival_content"),
        sqlite_autoincrement=True,
    )
    _make_partial_index("arrival_accepted", "arrival", ["sop_instance_uid"], "NOT quarantined", unique=True)
    _make_partial_index("arrival_quarantined", "arrival", ["arrival_id"], "quarantined")
    op.create_index("arrival_study", "arrival", ["study_instance_uid"])


def _make_delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("delivery_id", _number, primary_key=True),
        sa.Column("destination", sa.Text, nullable=False),
        *_instance_and_spooled_columns(),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("work_kind", sa.Text, nullable=False),
        sa.Column("queued_at", _time, nullable=False),
        sa.Column("acknowledged_at", _time),
        sa.Column("refused_at", _time),
        sa.Column("status", sa.Text),
        sa.Column("peer", sa.Text),
        sa.Column("sent_bytes", sa.BigInteger),
        sa.UniqueConstraint("destination", "sop_instance_uid", name="delivery_once"),
        sqlite_autoincrement=True,
    )
    _make_partial_index("delivery_open", "delivery", ["delivery_id"], "acknowledged_at IS NULL")
    op.create_index("delivery_study", "delivery", ["study_instance_uid"])
    op.create_table(
        "destination",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("last_success_at", _time),
        sa.Column("last_error", sa.Text),
    )


def _instance_and_spooled_columns() -> list[sa.Column[Any]]:
    instance = ("sop_instance_uid", "sop_class_uid", "study_instance_uid", "series_instance_uid", "transfer_syntax_uid")
    columns: list[sa.Column[Any]] = [sa.Column(name, sa.Text, nullable=False) for name in instance]
    columns += [sa.Column(name, sa.Text, nullable=False) for name in ("spool_key", "sha256")]
    return [*columns, sa.Column("size_bytes", sa.BigInteger, nullable=False)]


def _make_partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
