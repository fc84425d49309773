"""Doctors' own results: drafts, and versions that are never changed; the licence number of an account."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_WRITTEN = ("author", "author_name", "licence", "description", "conclusion", "advice", "adopts")


def _case_number() -> sa.Column[int]:
    return sa.Column("case_sequence", sa.BigInteger, sa.ForeignKey("case.sequence"), nullable=False)


def _texts() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in _WRITTEN]


def upgrade() -> None:
    """Make them, empty: no case of before has a result, and no account a licence number."""
    op.create_table(
        "result_draft",
        sa.Column("draft_id", _number, primary_key=True),
        _case_number(),
        *_texts(),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("case_sequence", "author", name="result_draft_of"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "result",
        sa.Column("result_id", _number, primary_key=True),
        _case_number(),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        *_texts(),
        sa.Column("before_author", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document_uid", sa.Text, nullable=False),
        sa.UniqueConstraint("case_sequence", "version", name="result_version"),
        sqlite_autoincrement=True,
    )
    op.add_column("account", sa.Column("licence", sa.Text, nullable=False, server_default=""))
