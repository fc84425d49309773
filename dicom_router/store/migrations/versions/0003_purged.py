"""Files that were deleted on purpose."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make their table: nothing was ever deleted before."""
    op.create_table(
        "purged",
        sa.Column("spool_key", sa.Text, primary_key=True),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("header", sa.LargeBinary),
        sa.Column("erased", sa.Boolean, nullable=False),
        sa.Column("spool_id", sa.Text),
    )
    standing = sa.text("NOT erased")
    op.create_index("purged_standing", "purged", ["spool_key"], sqlite_where=standing, postgresql_where=standing)
