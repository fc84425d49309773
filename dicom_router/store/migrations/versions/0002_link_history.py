"""When each destination could be reached and when not; indexes by which figures find deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make it."""
    op.add_column("destination", sa.Column("reachable", sa.Boolean))
    op.create_table(
        "link_change",
        sa.Column("link_change_id", _number, primary_key=True),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("reachable", sa.Boolean, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("link_change_at", "link_change", ["at"])
    op.drop_index("delivery_study", "delivery")
    op.create_index("delivery_study", "delivery", ["study_instance_uid", "what", "acknowledged_at"])
    op.create_index("delivery_waited", "delivery", ["acknowledged_at", "queued_at"])
