"""What an order of the HIS brings besides what the page registers, and which messages were taken."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PLACED = ("placer", "placer_number", "service_code", "service_name", "treatment_code", "diagnosis_code")


def upgrade() -> None:
    """The orders of before are the page's own: empty, and never taken back."""
    for name in _PLACED:
        op.add_column("film_order", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("film_order", sa.Column("withdrawn_at", sa.DateTime(timezone=True)))
    op.create_index("film_order_placer_number", "film_order", ["placer_number"])
    op.create_table(
        "his_message",
        sa.Column("message_id", _number, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("key", name="his_message_key"),
        sa.Index("his_message_received", "received_at"),
        sqlite_autoincrement=True,
    )
