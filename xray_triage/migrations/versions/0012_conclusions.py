"""A doctor's conclusion on a film that the AI did not read: a note without a word on the AI."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0009"


def upgrade() -> None:
    """Every verdict of before judged the AI."""
    op.add_column("verdict", sa.Column("judges", sa.Boolean, nullable=False, server_default=sa.true()))
