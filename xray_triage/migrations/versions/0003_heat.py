"""What the viewer draws over a film."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "heat",
        sa.Column("sop_instance_uid", sa.Text, primary_key=True),
        sa.Column("png", sa.LargeBinary, nullable=False),
    )
