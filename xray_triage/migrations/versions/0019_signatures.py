"""Signed PDFs of results, and how often a wrong PIN was given to a key."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make them, empty: no result of before is signed."""
    op.create_table(
        "signature",
        sa.Column("signature_id", _number, primary_key=True),
        sa.Column("case_sequence", sa.BigInteger, sa.ForeignKey("case.sequence"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("pdf", sa.LargeBinary, nullable=False),
        sa.Column("signer", sa.Text, nullable=False),
        sa.Column("serial", sa.Text, nullable=False),
        sa.Column("signed_by", sa.Text, nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("case_sequence", "version", name="signature_of"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "signing_key",
        sa.Column("signing_key_id", _number, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("wrong_pins", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
