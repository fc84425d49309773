"""The specialists' answers, and when a request became overdue."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them. Nobody ever wrote the three columns that go; what is open is asked for from now on."""
    for name in ("answer_text", "answer_author", "answer_verified"):
        op.drop_column("consultation", name)
    for column in (
        sa.Column("overdue_at", _time),
        sa.Column("announced", sa.Integer, nullable=False, server_default="0"),
        sa.Column("announced_at", _time),
        sa.Column("next_poll_at", _time),
        sa.Column("polls", sa.Integer, nullable=False, server_default="0"),
        sa.Column("watched", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("problem", sa.Text, nullable=False, server_default=""),
    ):
        op.add_column("consultation", column)
    op.create_index("consultation_due", "consultation", ["next_poll_at"])
    op.execute("UPDATE consultation SET next_poll_at = requested_at WHERE state = 'requested'")
    _make_answer()
    _make_passed_over()


def _make_answer() -> None:
    op.create_table(
        "answer",
        sa.Column("answer_id", _number, primary_key=True),
        _case_number(),
        sa.Column("consultation_id", sa.BigInteger, sa.ForeignKey("consultation.consultation_id"), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("sop_instance_uid", "kind", "title", "text", "author")),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("written_at", _time),
        sa.Column("received_at", _time, nullable=False),
        sa.Column("spool_key", sa.Text),
        sa.UniqueConstraint("sop_instance_uid", name="answer_sop"),
        sqlite_autoincrement=True,
    )
    op.create_index("answer_case", "answer", ["case_sequence"])


def _make_passed_over() -> None:
    op.create_table(
        "passed_over",
        sa.Column("passed_over_id", _number, primary_key=True),
        _case_number(),
        sa.Column("sop_instance_uid", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("retry_at", _time),
        sa.UniqueConstraint("sop_instance_uid", name="passed_over_sop"),
        sqlite_autoincrement=True,
    )
    op.create_index("passed_over_case", "passed_over", ["case_sequence"])


def _case_number() -> sa.Column[int]:
    return sa.Column("case_sequence", sa.BigInteger, sa.ForeignKey("case.sequence"), nullable=False)
