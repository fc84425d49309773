"""The spools of a database, and which of them a film and its work lie in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    """Make them. Rows of before name no spool until the first station opens the database: then they are its own."""
    op.create_table(
        "spool",
        sa.Column("spool_id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("ae_title", "host", "folder")),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    )
    for table in ("arrival", "work"):
        op.add_column(table, sa.Column("spool_id", sa.Text))
