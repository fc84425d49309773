"""The paper of every version of a result, kept as it was made: a version has the same bytes for ever."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Make the table, empty: no version was made by any program that did not keep its paper."""
    op.create_table(
        "result_paper",
        sa.Column("result_id", sa.BigInteger, sa.ForeignKey("result.result_id"), primary_key=True),
        sa.Column("pdf", sa.LargeBinary, nullable=False),
    )
