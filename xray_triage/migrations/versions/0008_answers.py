"""What an answer is worth, whom it replaces and who signed it; and the requests that were sent again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"

_answer = sa.table("answer", sa.column("kind"), sa.column("text"), sa.column("complete"), sa.column("standing"))


def upgrade() -> None:
    """Make columns and table. Questions that were answered by a mark or a part of a report stay answered."""
    columns = (
        sa.Column("standing", sa.Text, nullable=False, server_default="final"),
        sa.Column("signed_by", sa.Text, nullable=False, server_default=""),
        sa.Column("is_addendum", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("predecessors", sa.Text, nullable=False, server_default="[]"),
        sa.Column("objects", sa.Text, nullable=False, server_default="[]"),
    )
    for column in columns:
        op.add_column("answer", column)
    connection = op.get_bind()
    partial = _answer.update().where(_answer.c.complete.is_(sa.false()))
    connection.execute(partial.values(standing="preliminary"))
    wordless = _answer.update().where(_answer.c.kind == "kos", _answer.c.text == "")
    connection.execute(wordless.values(standing="mark"))
    op.create_table(
        "reminder",
        sa.Column("sop_instance_uid", sa.Text, primary_key=True),
        sa.Column("consultation_id", sa.BigInteger, sa.ForeignKey("consultation.consultation_id"), nullable=False),
    )
    op.create_index("reminder_consultation", "reminder", ["consultation_id"])
