"""What the worklist and the figures are asked for at a hundred thousand cases."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make it."""
    for table in ("case", "image"):
        op.add_column(table, sa.Column("exposed_at", _time))
    op.add_column("consultation", sa.Column("seen_at", _time))
    op.add_column("verdict", sa.Column("given_by", sa.Text, nullable=False, server_default=""))
    op.execute('UPDATE "case" SET search_text = substr(search_text, 1, 500) WHERE length(search_text) > 500')
    op.create_index("case_search", "case", ["urgency", "sequence", "search_text"])
    op.create_index("case_patient", "case", ["patient_id"], postgresql_using="hash")
    op.create_index("case_accession", "case", ["accession_number"], postgresql_using="hash")
    op.create_index("image_times", "image", ["received_at", "urgency", "exposed_at", "read_at"])
    unread = sa.text("state = 'answered' AND seen_at IS NULL")
    op.create_index(
        "consultation_unread", "consultation", ["case_sequence"], sqlite_where=unread, postgresql_where=unread
    )
