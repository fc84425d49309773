"""The router's tables as they were first made."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    _make_work()
    _make_arrival()
    _make_delivery()
    _make_destination()


def _make_work() -> None:
    op.create_table(
        "work",
        sa.Column("work_id", _number, primary_key=True),
        *_texts("kind", "key"),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        *_texts("state"),
        sa.Column("due_at", _time),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("node", sa.Text),
        sa.Column("error", sa.Text),
        sa.UniqueConstraint("kind", "key", name="work_kind_key"),
        sa.CheckConstraint("state IN ('waiting', 'working', 'done', 'refused')", name="work_state"),
        sqlite_autoincrement=True,
    )
    _index("work_ready", "work", "kind", "rank", "size", "work_id", where="state = 'waiting' AND due_at IS NULL")
    _index("work_timed", "work", "kind", "state", "due_at", where="due_at IS NOT NULL")
    _index("work_refused", "work", "kind", "key", where="state = 'refused'")


def _make_arrival() -> None:
    op.create_table(
        "arrival",
        sa.Column("arrival_id", _number, primary_key=True),
        *_instance_and_spooled_columns(),
        sa.Column("received_at", _time, nullable=False),
        *_texts("calling_ae_title", "peer_host"),
        sa.Column("quarantined", sa.Boolean, nullable=False),
        sa.UniqueConstraint("sop_instance_uid", "sha256", name="arrival_content"),
        sqlite_autoincrement=True,
    )
    _index("arrival_accepted", "arrival", "sop_instance_uid", where="NOT quarantined", unique=True)
    _index("arrival_quarantined", "arrival", "arrival_id", where="quarantined")
    op.create_index("arrival_study", "arrival", ["study_instance_uid"])


def _make_delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("delivery_id", _number, primary_key=True),
        *_texts("destination"),
        *_instance_and_spooled_columns(),
        *_texts("what", "work_kind"),
        sa.Column("queued_at", _time, nullable=False),
        sa.Column("acknowledged_at", _time),
        sa.Column("refused_at", _time),
        sa.Column("status", sa.Text),
        sa.Column("peer", sa.Text),
        sa.Column("sent_bytes", sa.BigInteger),
        sa.UniqueConstraint("destination", "sop_instance_uid", name="delivery_once"),
        sqlite_autoincrement=True,
    )
    _index("delivery_open", "delivery", "delivery_id", where="acknowledged_at IS NULL")
    op.create_index("delivery_study", "delivery", ["study_instance_uid", "what", "acknowledged_at"])
    op.create_index("delivery_waited", "delivery", ["acknowledged_at", "queued_at"])


def _make_destination() -> None:
    op.create_table(
        "destination",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("last_success_at", _time),
        sa.Column("last_error", sa.Text),
        sa.Column("reachable", sa.Boolean),
    )
    op.create_table(
        "link_change",
        sa.Column("link_change_id", _number, primary_key=True),
        *_texts("destination"),
        sa.Column("reachable", sa.Boolean, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("error", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("link_change_at", "link_change", ["at"])


def _instance_and_spooled_columns() -> list[sa.Column[Any]]:
    instance = ("sop_instance_uid", "sop_class_uid", "study_instance_uid", "series_instance_uid", "transfer_syntax_uid")
    return [*_texts(*instance, "spool_key", "sha256"), sa.Column("size_bytes", sa.BigInteger, nullable=False)]


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _index(name: str, table: str, *columns: str, where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
