"""Films that lie at the PACS alone: when they were purged, and a small picture of each."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Every film of before is here."""
    op.add_column("image", sa.Column("purged_at", sa.DateTime(timezone=True)))
    op.create_table(
        "small_picture",
        sa.Column("sop_instance_uid", sa.Text, primary_key=True),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
    )
