"""Records of results on their way to the HIS and other peers."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make the table, empty: of before nothing is to be sent."""
    op.create_table(
        "record_delivery",
        sa.Column("record_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("case_sequence", sa.BigInteger, sa.ForeignKey("case.sequence"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("refused_at", sa.DateTime(timezone=True)),
        sa.Column("status", sa.Text),
        sa.Index("record_delivery_case", "case_sequence", "name"),
        sa.Index("record_delivery_sent", "name", "sent_at"),
        sqlite_autoincrement=True,
    )
    is_open = sa.text("sent_at IS NULL")
    op.create_index(
        "record_delivery_open", "record_delivery", ["record_id"], sqlite_where=is_open, postgresql_where=is_open
    )
