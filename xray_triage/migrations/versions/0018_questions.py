"""What was done to a question after it had been sent: added to, made urgent, withdrawn."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """No question of before was changed."""
    op.add_column("consultation", sa.Column("changes", sa.Text, nullable=False, server_default="[]"))
