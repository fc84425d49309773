"""Whether what was acknowledged is proved to be there, and what destinations were asked about it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Nothing that was acknowledged before counts as proved: it will be asked about."""
    for column in (
        sa.Column("missing_at", _time),
        sa.Column("committed_at", _time),
        sa.Column("committed_by", sa.Text),
    ):
        op.add_column("delivery", column)
    unproved = sa.text("acknowledged_at IS NOT NULL AND committed_at IS NULL")
    columns = ["destination", "study_instance_uid", "acknowledged_at"]
    op.create_index("delivery_unproved", "delivery", columns, sqlite_where=unproved, postgresql_where=unproved)
    op.create_table(
        "inquiry",
        sa.Column("inquiry_id", _number, primary_key=True),
        sa.Column("delivery_id", _number, nullable=False),
        sa.Column("transaction_uid", sa.Text),
        sa.Column("asked_at", _time, nullable=False),
        sa.Column("answer", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("inquiry_delivery", "inquiry", ["delivery_id"])
    op.create_index("inquiry_transaction", "inquiry", ["transaction_uid"])
