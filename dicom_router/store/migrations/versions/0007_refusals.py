"""Which machines were refused, for what and how often."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"


def upgrade() -> None:
    """None is known of before."""
    op.create_table(
        "refusal",
        sa.Column("number", sa.Text, primary_key=True),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("station", "ae_title", "host", "reason", "detail", "sop_instance_uid")
        ),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("count", "returns")),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("first_at", "last_at")),
        sa.Column("standing", sa.Boolean, nullable=False),
    )
