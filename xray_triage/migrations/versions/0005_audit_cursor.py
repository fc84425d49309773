"""How far the audit trail was sent to its collector."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make it, empty: what was noted before is sent, too, once a collector is named."""
    op.create_table(
        "audit_cursor",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("last_id", sa.BigInteger, nullable=False),
    )
