"""What a destination never takes, and what was left out for it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0007"

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Nothing is learnt yet, and nothing left out."""
    op.add_column("delivery", sa.Column("left_out_at", _time))
    op.add_column("destination", sa.Column("settings", sa.Text))
    is_open = sa.text("acknowledged_at IS NULL AND left_out_at IS NULL")
    op.drop_index("delivery_open", "delivery")
    op.create_index("delivery_open", "delivery", ["delivery_id"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_table(
        "declined",
        sa.Column("declined_id", _number, primary_key=True),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("since", _time, nullable=False),
        sa.Column("tried_at", _time, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.UniqueConstraint("destination", "what", name="declined_kind"),
        sqlite_autoincrement=True,
    )
